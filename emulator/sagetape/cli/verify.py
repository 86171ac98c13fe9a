"""`sagetape verify`: drift. Asks an upstream what was recorded, compares by meaning, writes nothing."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from ..core.differences import describe
from ..core.drift import DRIFTED, FAILED, NOT_ASKED, Limits, Outcome, by_endpoint
from ..core.errors import ConfigError, UpstreamError
from ..shell.recorders import stale
from ..shell.setting_kinds import Span
from .cassette.files import json_option, opened, option, tolerance_options
from .progress import progress
from .terminal import emit, emit_json, harmless, painted, warn

DRIFT: Final = 3  # a failed check
COLOURS: Final = {"same": "green", DRIFTED: "red", FAILED: "red", NOT_ASKED: "yellow"}
DIFFERENCES_SHOWN: Final = 5


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASSETTE...")
@option("--upstream", metavar="UPSTREAM", help="aws, aws:<profile>, aws+http(s)://..., http(s)://... or function:...")
@option("--endpoint", "endpoints", multiple=True, help="Only this endpoint.")
@tolerance_options
@option("--latency", type=click.FloatRange(min=1), metavar="FACTOR", help="Answers may take so many times as recorded.")
@option("--max-age", metavar="TIME", help="Recordings must not be older: 90d, 12h.")
@option(
    "--at-once", type=click.IntRange(1, 64), default=4, show_default=True, help="Requests that are asked at a time."
)
@option("--allow-upstream", "hosts", multiple=True, metavar="HOST", help="A host that is asked without TLS.")
@option("--upstream-ca", type=click.Path(path_type=Path), metavar="FILE", help="Authorities for TLS to the upstream.")
@json_option
@click.pass_context
def verify(ctx: click.Context, /, paths: tuple[Path, ...], as_json: bool, **asked: Any) -> None:
    """Ask --upstream what each CASSETTE has recorded, and say for every endpoint whether the answers still hold.

    They are compared by meaning, within the tolerances, and without what the cassette's rules ignore. Nothing is
    written. Ends with 3 on drift or on recordings older than --max-age, with 5 when nothing could be asked. The models
    that are asked cost what they cost.
    """
    if asked["upstream"] is None and asked["max_age"] is None:
        raise ConfigError("Nothing to verify. Name who is asked (--upstream aws), or an age (--max-age 90d), or both.")
    max_age_s = span(asked["max_age"])
    limits = Limits(tolerances=asked["tolerances"], latency_factor=asked["latency"])
    worst = 0
    for path in paths:
        with opened(path) as cassette:
            outcomes = asyncio.run(outcomes_of(cassette, limits, asked)) if asked["upstream"] else []
            old = list(stale([cassette], max_age_s))
        tell(path, outcomes, old, as_json=as_json)
        worst = max(worst, exit_code(outcomes, old))
    ctx.exit(worst)


def span(text: str | None) -> float | None:
    """Seconds of `90d`. Raises ConfigError."""
    try:
        return None if text is None else Span().from_text(text)
    except ValueError as error:
        raise ConfigError(f"--max-age {error}.") from None


async def outcomes_of(cassette: Any, limits: Limits, asked: dict[str, Any]) -> list[Outcome]:
    """Asks one cassette's questions."""
    from ..shell.drift import Questions, chosen_numbers, limits_of
    from ..shell.upstreams import Settings, parse_upstream

    ca_file = str(asked["upstream_ca"]) if asked["upstream_ca"] else None
    settings = Settings(folder=Path.cwd(), allowed_hosts=frozenset(asked["hosts"]), ca_file=ca_file)
    upstream = parse_upstream(asked["upstream"], settings)
    questions = Questions(cassette, upstream, limits_of(cassette, limits), at_once=asked["at_once"])
    try:
        with progress(f"asking {asked['upstream']}") as shown:
            return await questions.ask_all(chosen_numbers(cassette, asked["endpoints"]), shown)
    finally:
        await upstream.close()


def exit_code(outcomes: list[Outcome], old: list[str]) -> int:
    """3 after drift, 5 when an answer was wanted and none came."""
    verdicts = {one.verdict for one in outcomes}
    if DRIFTED in verdicts or old:
        return DRIFT
    return UpstreamError.exit_code if FAILED in verdicts else 0


def tell(path: Path, outcomes: list[Outcome], old: list[str], *, as_json: bool) -> None:
    """The verdict about one cassette."""
    if as_json:
        emit_json(described(path, outcomes, old))
        return
    for endpoint in by_endpoint(outcomes):
        counts = ", ".join(f"{count} {name}" for name, count in endpoint.counts.items() if count)
        verdict = painted(endpoint.verdict, COLOURS[endpoint.verdict], sys.stdout)
        emit(f"{harmless(str(path))}: {harmless(endpoint.endpoint)}: {verdict} ({counts})")
        for one in outcomes:
            if one.endpoint == endpoint.endpoint:
                print_outcome(one)
    for text in old:
        warn(text)


def print_outcome(one: Outcome) -> None:
    """What is wrong with one interaction; nothing when it is the same."""
    for difference in one.differences[:DIFFERENCES_SHOWN]:
        emit(f"  interaction {one.number}: {harmless(describe(difference))}")
    if len(one.differences) > DIFFERENCES_SHOWN:
        emit(f"  interaction {one.number}: ... {len(one.differences) - DIFFERENCES_SHOWN} more differences")
    if one.reason:
        emit(f"  interaction {one.number}: {one.verdict}: {harmless(one.reason)}")


def described(path: Path, outcomes: list[Outcome], old: list[str]) -> dict[str, Any]:
    """The verdict for a machine."""
    return {
        "cassette": str(path),
        "asked_at": time.time(),
        "too_old": old,
        "endpoints": [
            {
                "endpoint": one.endpoint,
                "verdict": one.verdict,
                **{k.replace(" ", "_"): n for k, n in one.counts.items()},
            }
            for one in by_endpoint(outcomes)
        ],
        "interactions": [
            {
                "number": one.number,
                "endpoint": one.endpoint,
                "verdict": one.verdict,
                "reason": one.reason,
                "recorded_s": one.recorded_s,
                "live_s": one.live_s,
                "differences": [
                    {"place": d.place, "recorded": d.recorded, "now": d.actual, "note": d.note, "distance": d.distance}
                    for d in one.differences
                ],
            }
            for one in outcomes
        ],
    }

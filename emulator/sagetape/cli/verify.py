"""`sagetape verify`: drift. Asks an upstream what was recorded, compares by meaning, writes nothing."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from ..core.differences import describe
from ..core.drift import DRIFTED, FAILED, NOT_ASKED, Limits, Outcome, by_endpoint, is_asked
from ..core.errors import CredentialsMissing, UpstreamError
from ..core.keeping import lacks_credentials
from ..shell.recorders import stale
from ..shell.setting_kinds import Span
from ..shell.upstream_kind import Upstream
from .cassette.files import json_option, opened, option, tolerance_options
from .options import KindType
from .progress import progress
from .terminal import emit, emit_json, harmless, painted, warn

DRIFT: Final = 3  # a failed check
COLOURS: Final = {"same": "green", DRIFTED: "red", FAILED: "red", NOT_ASKED: "yellow"}
DIFFERENCES_SHOWN: Final = 5


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CASSETTE...")
@option(
    "--upstream",
    type=KindType(Upstream()),
    metavar="UPSTREAM",
    help="aws, aws:<profile>, aws+http(s)://..., http(s)://... or function:...",
)
@option("--endpoint", "endpoints", multiple=True, help="Only this endpoint.")
@tolerance_options
@option("--latency", type=click.FloatRange(min=1), metavar="FACTOR", help="Answers may take so many times as recorded.")
@option("--max-age", "max_age_s", type=KindType(Span()), metavar="TIME", help="Recordings must not be older: 90d, 12h.")
@option(
    "--at-once", type=click.IntRange(1, 64), default=4, show_default=True, help="Requests that are asked at a time."
)
@option("--allow-upstream", "hosts", multiple=True, metavar="HOST", help="A host that is asked without TLS.")
@option("--upstream-ca", type=click.Path(path_type=Path), metavar="FILE", help="Authorities for TLS to the upstream.")
@option(
    "--account", "accounts", multiple=True, metavar="ACCOUNT", help="The account behind a stand-in in the requests."
)
@option("--strict", is_flag=True, help="End with 3 when a request could not be asked.")
@json_option
@click.pass_context
def verify(ctx: click.Context, /, paths: tuple[Path, ...], as_json: bool, **asked: Any) -> None:
    """Ask --upstream what each CASSETTE has recorded, and say for every endpoint whether the answers still hold.

    They are compared by meaning, within the tolerances, and without what the cassette's rules ignore. Nothing is
    written. Stand-ins for accounts are asked as those of --account (else AWS_ACCOUNT_ID) that they were made of. Ends
    with 3 on drift, on recordings older than --max-age, when no request at all could be asked, and under --strict when
    one could not; with 5 when the upstream gave no answer, with 7 when there was nothing to sign with. The models that
    are asked cost what they cost.
    """
    if asked["upstream"] is None and asked["max_age_s"] is None:
        raise click.UsageError(
            "Nothing to verify. Name who is asked (--upstream aws), or an age (--max-age 90d), or both."
        )
    limits = Limits(tolerances=asked["tolerances"], latency_factor=asked["latency"])
    asked["accounts"] = accounts_of(asked["accounts"])
    every: list[Outcome] = []
    too_old = False
    for path in paths:
        with opened(path) as cassette:
            outcomes = asyncio.run(outcomes_of(cassette, limits, asked)) if asked["upstream"] else []
            old = list(stale([cassette], asked["max_age_s"]))
        tell(path, outcomes, old, as_json=as_json)
        every += outcomes
        too_old |= bool(old)
    if asked["upstream"]:
        for text in not_asked_texts(every):
            warn(text)
    ctx.exit(exit_code(every, too_old=too_old, wants_answers=bool(asked["upstream"]), is_strict=asked["strict"]))


def accounts_of(given: tuple[str, ...]) -> tuple[str, ...]:
    """The user's accounts, that of the environment when none is given. Raises BadParameter: usage."""
    accounts = given or tuple(filter(None, [os.environ.get("AWS_ACCOUNT_ID")]))  # botocore's name for it
    for account in accounts:
        if re.fullmatch(r"[0-9]{12}", account) is None:
            raise click.BadParameter(
                f"{account!r} is not twelve digits. Write one: --account 123456789012.", param_hint="--account"
            )
    return accounts


async def outcomes_of(cassette: Any, limits: Limits, asked: dict[str, Any]) -> list[Outcome]:
    """Asks one cassette's questions."""
    from ..shell.authorities import check_authorities
    from ..shell.drift import Questions, chosen_numbers, limits_of
    from ..shell.profiles import check_profiles
    from ..shell.upstreams import Settings, parse_upstream

    ca_file = str(asked["upstream_ca"]) if asked["upstream_ca"] else None
    if ca_file is not None:
        check_authorities(Path(ca_file))
    check_profiles([asked["upstream"]], os.environ, home=Path.home())
    settings = Settings(folder=Path.cwd(), allowed_hosts=frozenset(asked["hosts"]), ca_file=ca_file)
    upstream = parse_upstream(asked["upstream"], settings)
    questions = Questions(
        cassette, upstream, limits_of(cassette, limits), at_once=asked["at_once"], accounts=asked["accounts"]
    )
    try:
        with progress(f"asking {asked['upstream']}") as shown:
            return await questions.ask_all(chosen_numbers(cassette, asked["endpoints"]), shown)
    finally:
        await upstream.close()


def exit_code(outcomes: list[Outcome], *, too_old: bool, wants_answers: bool, is_strict: bool) -> int:
    """3 after drift, or when what was not asked leaves nothing proved; 5 when an answer was wanted and none came, 7
    when there was nothing to sign with."""
    verdicts = {one.verdict for one in outcomes}
    if DRIFTED in verdicts or too_old:
        return DRIFT
    if any(lacks_credentials(one.reason) for one in outcomes if one.verdict == FAILED):
        return CredentialsMissing.exit_code
    if FAILED in verdicts:
        return UpstreamError.exit_code
    is_hollow = wants_answers and not any(map(is_asked, outcomes))
    return DRIFT if is_hollow or (is_strict and NOT_ASKED in verdicts) else 0


def not_asked_texts(outcomes: list[Outcome]) -> list[str]:
    """What this run proves nothing about."""
    if not outcomes:
        return ["No request was asked: no interaction was chosen. See what there is: sagetape cassette ls CASSETTE"]
    count = sum(not is_asked(one) for one in outcomes)
    if not count:
        return []
    said = "nothing was verified" if count == len(outcomes) else "their answers may have changed"
    return [f"{count} of {len(outcomes)} requests were not asked: {said}. Each reason is listed; --strict ends with 3."]


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

"""Whether a recorded answer still holds: what may be asked again, and what counts as drift.

Decides by meaning and within tolerances; when and how an answer was cut into parts is no drift. Refuses to ask what
would not be the recorded request any more: one whose values were scrubbed, and one that failed authentication.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from . import meaning
from .differences import EXACT, Difference, Tolerances, compare_answers, describe
from .library import waits
from .originals import Originals, restore
from .values import valueclass
from .wire import Call, Interaction, Script

SAME, DRIFTED, NOT_ASKED, FAILED = "same", "drifted", "not asked", "failed"
LATENCY_FLOOR_S: Final = 0.1  # answers that are this quick are never called slow: the network alone varies as much


@valueclass(frozen=True, slots=True)
class Limits:
    """What is still the same."""

    reading: meaning.Reading = meaning.PLAIN
    tolerances: Tolerances = EXACT
    latency_factor: float | None = None
    """How many times the recorded seconds an answer may take; None: however long."""


@valueclass(frozen=True, slots=True)
class Outcome:
    """The verdict about one interaction."""

    number: int
    endpoint: str
    verdict: str
    """`same`, `drifted`, `not asked` or `failed`."""
    differences: tuple[Difference, ...] = ()
    reason: str = ""
    """Why it was not asked, or how asking failed."""
    recorded_s: float = 0.0
    live_s: float | None = None


@dataclass(slots=True)
class EndpointVerdict:
    """The verdict about one endpoint."""

    endpoint: str
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys((SAME, DRIFTED, NOT_ASKED, FAILED), 0))

    @property
    def verdict(self) -> str:
        """The worst of its interactions': drifted, failed, same, or not asked when nothing was."""
        return next((name for name in (DRIFTED, FAILED, SAME) if self.counts[name]), NOT_ASKED)


def asked_again(call: Call, originals: Originals) -> tuple[Call, str]:
    """A recorded request as an upstream is asked, and why it cannot be; the reason is empty when it can."""
    if call.auth != "valid":
        return call, f"it was refused when it was recorded ({call.auth})"
    return restore(call, originals)


def is_asked(outcome: Outcome) -> bool:
    """Whether an upstream was asked."""
    return outcome.verdict != NOT_ASKED


def judge(
    number: int, recorded: Interaction, others: Sequence[Script], live: Script, *, live_s: float, limits: Limits
) -> Outcome:
    """The verdict about an answer; it is the same when it is one of the takes recorded for this request (`others`)."""
    found = _differences(recorded.script, live, limits)
    if found and any(not _differences(other, live, limits) for other in others):
        found = []
    recorded_s = waits(recorded.script)
    found += _latency(recorded_s, live_s, limits.latency_factor)
    verdict = DRIFTED if found else SAME
    return Outcome(number, recorded.call.endpoint, verdict, tuple(found), "", recorded_s, live_s)


def _differences(recorded: Script, live: Script, limits: Limits) -> list[Difference]:
    return compare_answers(recorded, live, reading=limits.reading, tolerances=limits.tolerances)


def _latency(recorded_s: float, live_s: float, factor: float | None) -> list[Difference]:
    if factor is None or live_s <= (limit_s := max(recorded_s * factor, LATENCY_FLOOR_S)):
        return []
    return [Difference("latency", f"{recorded_s:.3f} s", f"{live_s:.3f} s", f"{limit_s:.3f} s are allowed")]


def drift_text(endpoint: str, recorded: Sequence[Script], live: Script, *, reading: meaning.Reading) -> str:
    """What the mode `verify` says of a live answer; empty when it means the same as one of the recorded takes."""
    if not recorded:
        return f"a request to {endpoint} is in no cassette: there is nothing to compare its answer with"
    limits = Limits(reading)
    found = [_differences(script, live, limits) for script in recorded]
    if not all(found):
        return ""
    first = min(found, key=len)[0]
    return f"an answer of {endpoint} has drifted from the recorded one: {describe(first)}"


def by_endpoint(outcomes: Iterable[Outcome]) -> list[EndpointVerdict]:
    """The verdict of every endpoint, by name."""
    found: dict[str, EndpointVerdict] = {}
    for one in outcomes:
        found.setdefault(one.endpoint, EndpointVerdict(one.endpoint)).counts[one.verdict] += 1
    return [found[name] for name in sorted(found)]

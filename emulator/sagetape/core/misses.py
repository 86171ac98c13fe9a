"""Why no recording answered: the nearest one, the first difference by name, and what to do.

Writes the text that a user reads in the exception (at most `MESSAGE_MAX` characters) and the whole of it for the
journal. It chooses nothing and records nothing. The nearest recording is the one whose key differs in the fewest parts,
then the one whose body is nearest; only some bodies are
compared, so that a miss stays cheap among 100,000.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from .differences import Difference, compare_understood, describe, nearness
from .errors import MESSAGE_MAX
from .matching import Matcher
from .meaning.comparison import counted
from .values import valueclass
from .wire import Call, Interaction

NO_PATHS: Final[Mapping[str, str]] = {}
EXAMINED_MAX = 2_000  # recordings whose key parts are compared
SCORED_MAX = 64  # of them, recordings whose bodies are compared
SCORED_MAX_BYTES = 2**20  # of these bodies and the call's own, each time it is compared
BODY_DIFFERENCES = 50  # enough to rank two bodies; a miss shows the first and counts the rest
TEXT_MAX = 20_000  # of the journal's whole text, in characters
MEMBER_HEADERS = {
    "TargetModel": "X-Amzn-SageMaker-Target-Model",
    "TargetVariant": "X-Amzn-SageMaker-Target-Variant",
    "TargetContainerHostname": "X-Amzn-SageMaker-Target-Container-Hostname",
    "InferenceComponentName": "X-Amzn-SageMaker-Inference-Component",
    "EnableExplanations": "X-Amzn-SageMaker-Enable-Explanations",
    "CustomAttributes": "X-Amzn-SageMaker-Custom-Attributes",
    "InferenceId": "X-Amzn-SageMaker-Inference-Id",
    "PrefixAwareId": "X-Amzn-SageMaker-Prefix-Aware-Id",
    "ContentType": "Content-Type",
    "Accept": "Accept",
}  # botocore sagemaker-runtime 2017-05-13, shape InvokeEndpointInput
LOOSENED = ("Accept", "ContentType", "CustomAttributes", "InferenceId", "PrefixAwareId")
"""Members that a user may be told to leave out. The others choose the model: without them answers would be swapped."""
PLACE_MAX = 300  # characters of a place; members may have names of megabytes
LOOSENED_MAX = 3  # more differences are another request
_LOOPBACK = re.compile(r"(?:aws\+)?https?://(?:127\.[0-9.]+|localhost|\[::1\])(?=[:/]|$)", re.IGNORECASE)
ROUNDED_AWAY = 0.01  # numbers farther apart are not inexact, they are others


class Recorded(Protocol):
    """A recording as a miss looks at it."""

    @property
    def number(self) -> int:
        """The interaction's number."""

    @property
    def interaction(self) -> Interaction:
        """The recorded request and its answer."""

    @property
    def cassette(self) -> str:
        """Where it is kept."""


@valueclass(frozen=True, slots=True)
class Nearest:
    """The recording that came nearest to a call, and everything in which it differs."""

    recorded: Recorded
    differences: tuple[Difference, ...]
    searched: int
    """How many recordings were looked at."""


def find_nearest(call: Call, candidates: Iterable[Recorded], *, matcher: Matcher) -> Nearest | None:
    """The candidate that differs least from a (scrubbed) call, the latest of several; None when there is none."""
    routing = matcher.routing(call)
    examined: list[tuple[tuple[int, int, int], Recorded]] = []
    for place, candidate in zip(range(EXAMINED_MAX), candidates, strict=False):
        known = candidate.interaction.call
        apart = sum(1 for _ in _parts_that_differ(routing, matcher.routing(known)))
        # Bodies of a like length are compared first: the cheapest sign of a like content.
        examined.append(((apart, abs(len(known.body) - len(call.body)), -place), candidate))
    if not examined:
        return None
    ranked = heapq.nsmallest(SCORED_MAX, examined, key=_rank)
    best = [candidate for rank, candidate in ranked if rank[0] == ranked[0][0][0]]
    within = _within_budget(best, len(call.body))
    compared = [(candidate, explain(call, candidate.interaction.call, matcher)) for candidate in within]
    candidate, found = min(compared, key=lambda pair: nearness(pair[1]))
    return Nearest(candidate, tuple(found), len(examined))


def _rank(row: tuple[tuple[int, int, int], Recorded]) -> tuple[int, int, int]:
    return row[0]


def _within_budget(candidates: Sequence[Recorded], asked_bytes: int) -> Iterable[Recorded]:
    """The first candidate, and the next ones while what is compared is few bytes in all."""
    budget = SCORED_MAX_BYTES
    for candidate in candidates:
        yield candidate
        budget -= len(candidate.interaction.call.body) + asked_bytes
        if budget < 0:
            return


def _parts_that_differ(
    asked: Sequence[tuple[str, Hashable]], recorded: Sequence[tuple[str, Hashable]]
) -> Iterable[tuple[str, Hashable, Hashable]]:
    before, now = dict(recorded), dict(asked)
    for name in dict.fromkeys((*now, *before)):
        if before.get(name) != now.get(name):
            yield name, before.get(name), now.get(name)


def explain(call: Call, recorded: Call, matcher: Matcher) -> list[Difference]:
    """All differences between a call and a recorded one that the key sees: the key's parts first, then the body."""
    found = [
        Difference(_name(name), _value(one), _value(other))
        for name, one, other in _parts_that_differ(matcher.routing(call), matcher.routing(recorded))
    ]
    if matcher.rules.body != "ignore":
        found += body_differences(call, recorded, matcher=matcher)
    return found


def body_differences(call: Call, recorded: Call, *, matcher: Matcher) -> list[Difference]:
    """Where two calls' bodies differ, as the matcher reads them, with `body, ` before each place."""
    found = compare_understood(matcher.understand(recorded), matcher.understand(call), limit=BODY_DIFFERENCES)
    return [replace(difference, place=f"body, {difference.place[:PLACE_MAX]}") for difference in found]


def _name(part: str) -> str:
    return f"header {MEMBER_HEADERS[part]}" if part in MEMBER_HEADERS else part


def _value(value: Hashable) -> str:
    if value is None:
        return "absent"
    text = value if isinstance(value, str) else repr(value)
    return json.dumps(text if len(text) <= 200 else text[:197] + "...", ensure_ascii=not text.isprintable())


# --- the text -----------------------------------------------------------------------------------------------------


def explain_miss(
    call: Call,
    candidates: Iterable[Recorded],
    *,
    matcher: Matcher,
    why: str = "no-match",
    mode: str = "none",
    cassette_names: Sequence[str] = (),
    record: str = "",
    paths: Mapping[str, str] = NO_PATHS,
) -> str:
    """The text of a miss, at most 2,048 characters. `why` is `no-match`, `exhausted` or `mode`.

    `record` is the command that records the call, where it is not `sagetape record`; `paths` says how a command finds
    a cassette of that name.
    """
    text = miss_text(
        call,
        candidates,
        matcher=matcher,
        why=why,
        mode=mode,
        cassette_names=cassette_names,
        shown=1,
        record=record,
        paths=paths,
    )
    return text if len(text) <= MESSAGE_MAX else text[: MESSAGE_MAX - 3] + "..."


def miss_text(
    call: Call,
    candidates: Iterable[Recorded],
    *,
    matcher: Matcher,
    why: str = "no-match",
    mode: str = "none",
    cassette_names: Sequence[str] = (),
    shown: int = BODY_DIFFERENCES,
    record: str = "",
    paths: Mapping[str, str] = NO_PATHS,
) -> str:
    """The whole text, for the journal: every difference that was found, up to `shown` of them."""
    nearest = find_nearest(call, candidates, matcher=matcher)
    lines = [_what_happened(call, why, cassette_names)]
    if nearest is not None:
        lines += _nearest_lines(nearest, shown=shown, is_exhausted=why == "exhausted")
    if not record:
        name = nearest.recorded.cassette if nearest else next(iter(cassette_names), "CASSETTE")
        record = f"sagetape record {paths.get(name, name)} --upstream {_upstream(nearest)}"
        record += " --mode all" if why == "exhausted" else ""
    lines.append(_what_to_do(nearest, why=why, mode=mode, record=record))
    return "\n".join(lines)[:TEXT_MAX]


def _what_happened(call: Call, why: str, cassette_names: Sequence[str]) -> str:
    target = f'{call.operation} call to endpoint "{call.endpoint}"'
    where = f" ({', '.join(cassette_names[:3])}{', ...' if len(cassette_names) > 3 else ''})" if cassette_names else ""
    if why == "exhausted":
        return f"All recorded takes of this {target} have been served{where}."
    return f"No recording answers this {target}{where}."


def _nearest_lines(nearest: Nearest, *, shown: int, is_exhausted: bool) -> list[str]:
    recorded = nearest.recorded
    at = datetime.fromtimestamp(recorded.interaction.origin.recorded_at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    word = "Last take" if is_exhausted and not nearest.differences else "Nearest"
    searched = "" if nearest.searched == 1 else f", of {nearest.searched} compared"
    lines = [f"{word}: interaction {recorded.number} in {recorded.cassette}, recorded {at}{searched}."]
    for index, difference in enumerate(nearest.differences[:shown]):
        lines.append(f"{'First difference' if not index else 'Then'}: {describe(difference, now='asked')}.")
    more = len(nearest.differences) - shown
    if more > 0:
        at_least = "at least " if len(nearest.differences) >= BODY_DIFFERENCES else ""
        lines.append(f"And {at_least}{counted(more, 'difference')} more.")
    return lines


def _what_to_do(nearest: Nearest | None, *, why: str, mode: str, record: str) -> str:
    if why == "exhausted":
        return f'What to do: serve the last one again (exhausted = "last"), or record one more take: {record}'
    if why == "mode":
        first = f'What to do: mode "{mode}" asks no upstream; record the call: {record}'
    else:
        first = f"What to do: record the call: {record}"
    advice = _loosening(nearest.differences) if nearest else None
    return f"{first}{f'; or, {advice}' if advice else ''}"


def _upstream(nearest: Nearest | None) -> str:
    """Where the nearest recording came from, if that can be asked again."""
    source = nearest.recorded.interaction.origin.source if nearest else ""
    if _LOOPBACK.match(source):
        return "<where your model is>"  # the port of a container or a test server is another one every time
    return source if source.startswith(("aws", "http://", "https://", "function:")) else "aws"


def _loosening(differences: Sequence[Difference]) -> str | None:
    """The match option under which the two would be one, if one option does that and drops no route."""
    if not differences or len(differences) > LOOSENED_MAX:
        return None
    if all(d.distance is not None and d.distance <= ROUNDED_AWAY for d in differences):
        return "match with round_digits, if the numbers are only inexact"
    paths = [d.place.partition("$.")[2] for d in differences if d.place.startswith("body, ")]
    if all(path and len(path) < PLACE_MAX // LOOSENED_MAX for path in paths) and len(paths) == len(differences):
        return f"if that never changes the answer (an id, a date), match with ignore_paths = {paths}"
    if len(differences) == 1:
        return _member_left_out(differences[0])
    return None


def _member_left_out(difference: Difference) -> str | None:
    member = next((name for name in LOOSENED if difference.place == f"header {MEMBER_HEADERS[name]}"), None)
    return f"if that never changes the answer, leave {member} out of the match rule members" if member else None

"""Where two bodies or two answers differ by meaning, within tolerances.

One comparison for everybody who asks: the explanation of a miss, `cassette diff`, and `verify`. Decides what is a
difference and how near two bodies are; it does not decide what to do about it. Bodies are read as the rules of matching
read them (`meaning`), so that what is left out of the key is not reported as a difference either.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import meaning
from .meaning.comparison import EXACT, Comparison, Difference, Tolerances
from .meaning.event_stream import join
from .values import valueclass
from .wire import Abort, Script, body_of, head_of, is_complete

__all__ = ["EXACT", "Difference", "Tolerances", "compare_answers", "compare_bodies", "describe", "nearness"]

LIMIT = 100  # differences collected; a reader needs the first, a report a few
# Headers that carry the answer's meaning; the rest are of the moment or of the connection.
ANSWER_HEADERS = (
    "Content-Type",
    "x-amzn-ErrorType",
    "X-Amzn-SageMaker-Content-Type",
    "X-Amzn-SageMaker-Custom-Attributes",
    "x-Amzn-Invoked-Production-Variant",
)


@valueclass(frozen=True, slots=True)
class Body:
    """A body and the content type that says how to read it."""

    data: bytes
    content_type: str | None


def compare_bodies(
    recorded: Body,
    actual: Body,
    *,
    reading: meaning.Reading = meaning.PLAIN,
    tolerances: Tolerances = EXACT,
    limit: int = LIMIT,
) -> list[Difference]:
    """The differences between two bodies, nearest to the start first; empty when they mean the same."""
    one = meaning.understand(recorded.content_type, recorded.data, reading)
    other = meaning.understand(actual.content_type, actual.data, reading)
    return compare_understood(one, other, tolerances=tolerances, limit=limit)


def compare_understood(
    one: meaning.Understood, other: meaning.Understood, *, tolerances: Tolerances = EXACT, limit: int = LIMIT
) -> list[Difference]:
    """As `compare_bodies`, of bodies that were read before: the recorded one, then the other."""
    if one.kind != other.kind:
        return [_kinds(one, other)]
    comparison = Comparison(one.kind, tolerances, limit)
    comparison.compare(one.tree, other.tree)
    return comparison.found


def _kinds(recorded: meaning.Understood, actual: meaning.Understood) -> Difference:
    notes = [
        f"the {which} body is compared as bytes: {one.refused}"
        for which, one in (("recorded", recorded), ("new", actual))
        if one.refused
    ]
    return Difference("kind of body", recorded.kind, actual.kind, "; ".join(notes))


def compare_answers(
    recorded: Script,
    actual: Script,
    *,
    reading: meaning.Reading = meaning.PLAIN,
    tolerances: Tolerances = EXACT,
    limit: int = LIMIT,
) -> list[Difference]:
    """The differences between two answers: status, headers that mean something, wholeness, body.

    The parts of an event stream are joined and read by the content type of the model's answer, because where a model
    cuts its stream has no meaning. Waits are not compared.
    """
    found = [*_heads(recorded, actual), *_endings(recorded, actual)]
    bodies = compare_bodies(
        answer_body(recorded), answer_body(actual), reading=reading, tolerances=tolerances, limit=limit
    )
    return [*found, *bodies][:limit]


def answer_body(script: Script) -> Body:
    """What the model answered, with its content type; of an event stream the joined parts."""
    head = head_of(script)
    data = body_of(script)
    content_type = head.header("Content-Type") if head else None
    if head is not None and meaning.media_type(content_type) == meaning.EVENT_STREAM:
        return Body(join(data).payload, head.header("X-Amzn-SageMaker-Content-Type"))
    return Body(data, content_type)


def _heads(recorded: Script, actual: Script) -> list[Difference]:
    one, other = head_of(recorded), head_of(actual)
    if one is None or other is None:
        return [] if one is other else [Difference("status", _status(recorded), _status(actual))]
    found = [] if one.status == other.status else [Difference("status", str(one.status), str(other.status))]
    for name in ANSWER_HEADERS:
        before, now = one.header(name), other.header(name)
        if before != now:
            found.append(Difference(f"header {name}", _quoted(before), _quoted(now)))
    return found


def _status(script: Script) -> str:
    head = head_of(script)
    return "no answer" if head is None else str(head.status)


def _endings(recorded: Script, actual: Script) -> list[Difference]:
    before, now = _ending(recorded), _ending(actual)
    return [] if before == now else [Difference("ending", before, now)]


def _ending(script: Script) -> str:
    """`whole`, or how the answer broke: inside its stream, or with its connection."""
    head = head_of(script)
    is_stream = head is not None and meaning.media_type(head.header("Content-Type")) == meaning.EVENT_STREAM
    if is_stream and (inside := join(body_of(script)).ending):
        return inside
    if is_complete(script):
        return "whole"
    last = script[-1] if script else None
    return f"broken ({last.reason})" if isinstance(last, Abort) and last.reason else "broken"


def _quoted(value: str | None) -> str:
    return "absent" if value is None else f'"{value}"'


def nearness(differences: Sequence[Difference]) -> float:
    """How far two things are apart, 0 when nothing differs: the sum of the differences' weights."""
    return sum(difference.weight for difference in differences)


def describe(difference: Difference, *, now: str = "now", before: str = "recorded") -> str:
    """One line. `now` is the word for the second side: `asked` in a miss, `now` in a drift report; `before` for the
    first."""
    note = f" ({difference.note})" if difference.note else ""
    return f"{difference.place}: {before} {difference.recorded}, {now} {difference.actual}{note}"

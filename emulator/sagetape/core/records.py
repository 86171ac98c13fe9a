"""An interaction as the map inside its record, and back.

Decides which facts of an interaction are stored and under which names. Refuses any shape it would not have written.
Not stored: the request id and the invocation id of a call, which are other on every run and answer nothing at replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from .bodies import INLINE_MAX_BYTES, address, body_record
from .framing import INTERACTION, Buffer, frame
from .payload import RecordError, member, pack
from .scripts import flaw_of, foreign_header
from .values import valueclass
from .wire import Abort, Call, Chunk, End, Head, Interaction, Pause, Provenance, Script, SessionMark, Step

Fetch: TypeAlias = Callable[[bytes, int], Buffer]
"""A stored body by its address and size in bytes."""


@valueclass(frozen=True, slots=True)
class Layout:
    """What must be written for one interaction: new bodies first, itself last."""

    buffers: tuple[Buffer, ...]
    bodies: tuple[tuple[bytes, int], ...]
    """Address and record length of each new body, in the order of the buffers."""
    record_bytes: int
    """Length of the interaction's own record, the last."""


class Shelf:
    """Collects the bodies of one interaction; keeps the small ones inside."""

    def __init__(self, is_stored: Callable[[bytes, int], bool], compress_max_bytes: int) -> None:
        self._is_stored = is_stored
        self._compress_max_bytes = compress_max_bytes
        self.buffers: list[Buffer] = []
        self.bodies: dict[bytes, int] = {}

    def place(self, body: Buffer) -> Buffer | list[Any]:
        """The body itself, or its address and size after its record was added, unless it is there already."""
        size = len(body)
        if size <= INLINE_MAX_BYTES:
            return body if isinstance(body, bytes) else bytes(body)
        digest = address(body)
        if digest not in self.bodies and not self._is_stored(digest, size):
            record = body_record(digest, body, compress_max_bytes=self._compress_max_bytes)
            self.bodies[digest] = sum(map(len, record))
            self.buffers += record
        return [digest, size]


def lay_out(
    interaction: Interaction,
    key: bytes,
    *,
    is_stored: Callable[[bytes, int], bool],
    compress_max_bytes: int,
) -> Layout:
    """The records of an interaction; bodies for which `is_stored` holds are only referred to.

    Raises RecordError for an answer that could not be read again.
    """
    if (flaw := flaw_of(interaction.script)) is not None:
        raise RecordError(flaw)
    shelf = Shelf(is_stored, compress_max_bytes)
    try:
        record = frame(INTERACTION, pack(_interaction_values(interaction, shelf.place)), tag=key)
    except UnicodeEncodeError as error:
        if (name := foreign_header(interaction.script)) is None:
            raise
        raise RecordError(
            f"the header {name} of the answer holds bytes that are not UTF-8; have the upstream send text, or leave "
            "the header out"
        ) from error
    return Layout((*shelf.buffers, *record), tuple(shelf.bodies.items()), sum(map(len, record)))


# --- values to maps ---------------------------------------------------------------------------------------------


def _interaction_values(interaction: Interaction, place: Callable[[Buffer], Any]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "call": call_values(interaction.call, place),
        "steps": [_step_values(step, place) for step in interaction.script],
        "origin": origin_values(interaction.origin),
    }
    if interaction.session is not None:
        values["session"] = session_values(interaction.session)
    if interaction.notes:
        values["notes"] = dict(sorted(interaction.notes.items()))
    return values


def call_values(call: Call, place: Callable[[Buffer], Any]) -> dict[str, Any]:
    """A call as a map; members in the order of their names."""
    return {
        "operation": call.operation,
        "endpoint": call.endpoint,
        "members": dict(sorted(call.members.items())),
        "body": place(call.body),
        "sha256": call.body_sha256,
        "auth": call.auth,
        "position": call.position,
        "region": call.region,
        "account": call.account,
    }


def origin_values(origin: Provenance) -> dict[str, Any]:
    return {
        "at": float(origin.recorded_at),
        "source": origin.source,
        "version": origin.version,
        "synthetic": origin.synthetic,
    }


def session_values(mark: SessionMark) -> dict[str, Any]:
    values: dict[str, Any] = {"lane": mark.lane, "step": mark.step, "closes": mark.closes}
    if mark.lifetime_s is not None:
        values["lifetime"] = float(mark.lifetime_s)
    return values


def _step_values(step: Step, place: Callable[[Buffer], Any]) -> list[Any]:
    if isinstance(step, Chunk):
        return ["chunk", place(step.data)]
    if isinstance(step, Pause):
        return ["pause", float(step.seconds)]
    if isinstance(step, Head):
        return ["head", step.status, [list(pair) for pair in step.headers]]
    return ["end"] if isinstance(step, End) else ["abort", step.reason]


# --- maps to values ---------------------------------------------------------------------------------------------


def interaction_from(values: Mapping[str, Any], fetch: Fetch) -> Interaction:
    """The interaction of a record's map; chunks are what `fetch` gives, a request's body is always bytes."""
    notes = values.get("notes", {})
    return Interaction(
        call=call_from(member(values, "call", dict), fetch),
        script=script_from(values, fetch),
        origin=_origin_from(member(values, "origin", dict)),
        session=_session_from(member(values, "session", dict)) if "session" in values else None,
        notes=_texts(notes, "notes"),
    )


def script_from(values: Mapping[str, Any], fetch: Fetch) -> Script:
    """The answer alone; the request's body is not looked at. Raises RecordError for one that nothing can have sent."""
    script = tuple(_step_from(step, fetch) for step in member(values, "steps", list))
    if (flaw := flaw_of(script)) is not None:
        raise RecordError(flaw)
    return script


def call_from(values: Mapping[str, Any], fetch: Fetch) -> Call:
    return Call(
        operation=member(values, "operation", str),
        endpoint=member(values, "endpoint", str),
        members=_texts(values.get("members"), "members"),
        body=bytes(_body_from(values.get("body"), fetch)),
        body_sha256=member(values, "sha256", bytes),
        auth=member(values, "auth", str),
        position=member(values, "position", str),
        region=member(values, "region", str),
        account=member(values, "account", str),
    )


def _body_from(place: Any, fetch: Fetch) -> Buffer:
    if isinstance(place, bytes):
        return place
    digest, size = place_of(place)
    return fetch(digest, size)


def place_of(place: Any) -> tuple[bytes, int]:
    """Address and size of a reference."""
    if not isinstance(place, list) or len(place) != 2:
        raise RecordError("a body that is neither bytes nor a reference")
    digest, size = place
    if not isinstance(digest, bytes) or len(digest) != 16 or type(size) is not int or size < 0:
        raise RecordError("a reference to a body that is not an address and a size")
    return digest, size


def _step_from(step: Any, fetch: Fetch) -> Step:
    match step:
        case ["chunk", place]:
            data = _body_from(place, fetch)
            return Chunk(data if isinstance(data, (bytes, memoryview)) else bytes(data))
        case ["pause", float(seconds)]:
            return Pause(seconds)
        case ["head", int(status), list(headers)] if type(status) is int:
            return Head(status, tuple(_header_from(pair) for pair in headers))
        case ["end"]:
            return End()
        case ["abort", str(reason)]:
            return Abort(reason)
    raise RecordError("a step of an answer that is none of head, chunk, pause, end, abort")


def _header_from(pair: Any) -> tuple[str, str]:
    match pair:
        case [str(name), str(value)]:
            return name, value
    raise RecordError("a header that is not a name and a value")


def _origin_from(values: Mapping[str, Any]) -> Provenance:
    return Provenance(
        recorded_at=member(values, "at", float),
        source=member(values, "source", str),
        version=member(values, "version", str),
        synthetic=member(values, "synthetic", bool),
    )


def _session_from(values: Mapping[str, Any]) -> SessionMark:
    return SessionMark(
        lane=member(values, "lane", str),
        step=member(values, "step", int),
        lifetime_s=member(values, "lifetime", float) if "lifetime" in values else None,
        closes=member(values, "closes", bool),
    )


def _texts(values: Any, name: str) -> dict[str, str]:
    if not isinstance(values, dict) or not all(type(value) is str for value in values.values()):
        raise RecordError(f"`{name}` is not a map of texts")
    return values


# --- facts without bodies ---------------------------------------------------------------------------------------


def size_of(place: Any) -> int:
    """Bytes of a body, stored inside or referred to."""
    return len(place) if isinstance(place, bytes) else place_of(place)[1]


def body_references(values: Mapping[str, Any]) -> Sequence[bytes]:
    """The addresses that a record's map refers to."""
    places = [member(values, "call", dict).get("body")]
    places += [
        step[1]
        for step in member(values, "steps", list)
        if isinstance(step, list) and step[:1] == ["chunk"] and len(step) == 2
    ]
    return [place_of(place)[0] for place in places if not isinstance(place, bytes)]

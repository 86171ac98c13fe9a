"""An interaction as one plain JSON document, and back, without loss.

Decides the names and what is left out because it is the ordinary case (a valid authentication, an empty position, a
digest that is the body's own). Refuses documents with names it does not know, so that a slip of the pen is an error and
not a change that is silently dropped. What a record does not hold (request ids) is not in a document either.

    {"operation": "InvokeEndpoint", "endpoint": "churn", "members": {...}, "body": {"json": ...},
     "answer": [{"head": 200, "headers": [[name, value]]}, {"chunk": {...}}, {"end": true}],
     "origin": {"recorded_at": 1.5, "source": "aws", "version": "0.1.0", "synthetic": false}}

Steps of an answer are `head`, `pause_s`, `chunk`, `part` (a frame of an event stream with the model's bytes), `frame`
(any other frame with text headers), `end` and `abort`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from ..eventstream import FrameError, decode, encode, payload_part
from ..scripts import STATUS_MAX, STATUS_MIN, flaw_of
from ..wire import (
    Abort,
    Call,
    Chunk,
    End,
    Head,
    Interaction,
    Pause,
    Provenance,
    Script,
    SessionMark,
    Step,
    has_frames,
)
from .bodies import DocumentError, body_from, body_of

SCHEMA: Final = "sagetape-interaction/1"

_DEFAULT: Final = Call("", "", {}, b"", b"")
_OPTIONAL: Final = ("auth", "position", "region", "account")
_NAMES: Final = (
    *("number", "key", "is_complete", "operation", "endpoint", "members", "body", "sha256", *_OPTIONAL),
    *("answer", "origin", "session", "notes"),
)


# --- to a document ------------------------------------------------------------------------------------------------


def document_of(interaction: Interaction, *, number: int | None = None, key: bytes | None = None) -> dict[str, Any]:
    """The document. `number` and `key` tell where it came from; they are not read back, nor is `is_complete`."""
    call = interaction.call
    document: dict[str, Any] = {}
    if number is not None:
        document["number"] = number
    if key is not None:
        document["key"] = key.hex()
    document |= {"operation": call.operation, "endpoint": call.endpoint, "members": dict(call.members)}
    document["body"] = body_of(call.body)
    if call.body_sha256 != hashlib.sha256(call.body).digest():
        document["sha256"] = call.body_sha256.hex()
    document |= {name: getattr(call, name) for name in _OPTIONAL if getattr(call, name) != getattr(_DEFAULT, name)}
    document["answer"] = answer_of(interaction.script)
    document["origin"] = _origin(interaction.origin)
    if interaction.session is not None:
        document["session"] = _session(interaction.session)
    if interaction.notes:
        document["notes"] = dict(interaction.notes)
    return document


def answer_of(script: Script) -> list[dict[str, Any]]:
    """An answer as a list of steps."""
    streams = has_frames(script)
    return [_step(step, streams=streams) for step in script]


def _step(step: Step, *, streams: bool) -> dict[str, Any]:
    if isinstance(step, Head):
        return {"head": step.status, "headers": [list(pair) for pair in step.headers]}
    if isinstance(step, Pause):
        return {"pause_s": step.seconds}
    if isinstance(step, Abort):
        return {"abort": step.reason}
    if isinstance(step, End):
        return {"end": True}
    return (_frame(bytes(step.data)) if streams else None) or {"chunk": body_of(step.data)}


def _frame(data: bytes) -> dict[str, Any] | None:
    """An opened frame, when closing it again gives the same bytes."""
    try:
        frame = decode(data)
        if payload_part(frame.payload) == data:
            return {"part": body_of(frame.payload)}
        headers = [(name, value) for name, value in frame.headers if isinstance(value, str)]
        if len(headers) == len(frame.headers) and encode(headers, frame.payload) == data:
            return {"frame": [list(pair) for pair in headers], "payload": body_of(frame.payload)}
    except FrameError:
        pass  # recorded as it came; its bytes are shown
    return None


def _origin(origin: Provenance) -> dict[str, Any]:
    return {
        "recorded_at": float(origin.recorded_at),
        "source": origin.source,
        "version": origin.version,
        "synthetic": origin.synthetic,
    }


def _session(mark: SessionMark) -> dict[str, Any]:
    found: dict[str, Any] = {"lane": mark.lane, "step": mark.step}
    if mark.lifetime_s is not None:
        found["lifetime_s"] = float(mark.lifetime_s)
    if mark.closes:
        found["closes"] = True
    return found


# --- from a document ----------------------------------------------------------------------------------------------


def interaction_from(document: Any, place: str = "the document") -> Interaction:
    """The inverse. Raises DocumentError that names the place and the nearest known name."""
    fields = _mapping(document, place)
    _refuse_unknown(fields, _NAMES, place)
    return Interaction(
        call=_call(fields, place),
        script=_script(fields.get("answer"), f"{place}, answer"),
        origin=_origin_from(fields.get("origin"), f"{place}, origin"),
        session=_session_from(fields["session"], f"{place}, session") if fields.get("session") is not None else None,
        notes=_texts(fields.get("notes", {}), f"{place}, notes"),
    )


def _call(fields: Mapping[str, Any], place: str) -> Call:
    body = body_from(fields.get("body"), f"{place}, body")
    given = _value(fields, "sha256", str, place) if "sha256" in fields else None
    try:
        digest = bytes.fromhex(given) if given is not None else hashlib.sha256(body).digest()
    except ValueError:
        raise DocumentError(f"{place}: sha256 is no hexadecimal number. Leave it out: it is computed.") from None
    return Call(
        operation=_value(fields, "operation", str, place),
        endpoint=_value(fields, "endpoint", str, place),
        members=_texts(fields.get("members", {}), f"{place}, members"),
        body=body,
        body_sha256=digest,
        **{name: _value(fields, name, str, place) for name in _OPTIONAL if name in fields},
    )


def _script(steps: Any, place: str) -> Script:
    if not isinstance(steps, list):
        raise DocumentError(
            f"{place} is not a list of steps. Write [head, chunks, end] as `cassette show --json` does."
        )
    script = tuple(_step_from(step, f"{place}, step {number}") for number, step in enumerate(steps))
    if (flaw := flaw_of(script)) is not None:
        raise DocumentError(f"{place} is {flaw}. Correct the step that says so.")
    return script


def _step_from(step: Any, place: str) -> Step:
    fields = _mapping(step, place)
    for name, (others, read) in _STEPS.items():
        if name in fields:
            _refuse_unknown(fields, (name, *others), place)
            return read(fields, place)
    raise DocumentError(f"{place} is none of {', '.join(_STEPS)}. Write one of them.")


def _head_from(fields: Mapping[str, Any], place: str) -> Head:
    pairs = fields.get("headers", [])
    if not isinstance(pairs, list):
        raise DocumentError(f"{place}: headers is not a list of [name, value]. Write it so.")
    status = _value(fields, "head", int, place)
    if not STATUS_MIN <= status <= STATUS_MAX:
        raise DocumentError(f"{place}: {status} is no HTTP status. Write one from {STATUS_MIN} to {STATUS_MAX}.")
    return Head(status, tuple(_pair(pair, place) for pair in pairs))


def _frame_from(fields: Mapping[str, Any], place: str) -> Chunk:
    pairs = fields["frame"]
    if not isinstance(pairs, list):
        raise DocumentError(f"{place}: a frame is a list of [name, value]. Write it so.")
    payload = body_from(fields.get("payload"), f"{place}, payload")
    try:
        return Chunk(encode([_pair(pair, place) for pair in pairs], payload))
    except FrameError as error:
        raise DocumentError(f"{place}: {error}. Shorten it.") from None


def _part_from(fields: Mapping[str, Any], place: str) -> Chunk:
    try:
        return Chunk(payload_part(body_from(fields["part"], f"{place}, part")))
    except FrameError as error:
        raise DocumentError(f"{place}: {error}. Cut the part in two.") from None


def _end_from(fields: Mapping[str, Any], place: str) -> End:
    if fields["end"] is not True:
        raise DocumentError(f'{place}: end is not true. Write {{"end": true}}, or {{"abort": "..."}} for a break.')
    return End()


_STEPS: Final[Mapping[str, tuple[tuple[str, ...], Callable[[Mapping[str, Any], str], Step]]]] = {
    "head": (("headers",), _head_from),
    "pause_s": ((), lambda fields, place: Pause(_seconds(fields, "pause_s", place))),
    "chunk": ((), lambda fields, place: Chunk(body_from(fields["chunk"], f"{place}, chunk"))),
    "part": ((), _part_from),
    "frame": (("payload",), _frame_from),
    "end": ((), _end_from),
    "abort": ((), lambda fields, place: Abort(_value(fields, "abort", str, place))),
}


def _origin_from(fields: Any, place: str) -> Provenance:
    values = _mapping(fields, place)
    _refuse_unknown(values, ("recorded_at", "source", "version", "synthetic"), place)
    return Provenance(
        recorded_at=_seconds(values, "recorded_at", place),
        source=_value(values, "source", str, place),
        version=_value(values, "version", str, place),
        synthetic=_value(values, "synthetic", bool, place),
    )


def _session_from(fields: Any, place: str) -> SessionMark:
    values = _mapping(fields, place)
    _refuse_unknown(values, ("lane", "step", "lifetime_s", "closes"), place)
    lifetime = _seconds(values, "lifetime_s", place) if values.get("lifetime_s") is not None else None
    return SessionMark(
        lane=_value(values, "lane", str, place),
        step=_value(values, "step", int, place),
        lifetime_s=lifetime,
        closes=_value({"closes": False, **values}, "closes", bool, place),
    )


# --- shapes -------------------------------------------------------------------------------------------------------


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise DocumentError(f"{place} is not an object with names. Write {{...}} as `cassette show --json` does.")
    return value


def _value(fields: Mapping[str, Any], name: str, kind: type, place: str) -> Any:
    value = fields.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        words = {str: "a text", int: "a whole number", bool: "true or false"}[kind]
        raise DocumentError(f"{place}: {name} is {_shown(fields, name)}. Write {words}.")
    return value


def _seconds(fields: Mapping[str, Any], name: str, place: str) -> float:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -1e15 < value < 1e15:
        raise DocumentError(f"{place}: {name} is {_shown(fields, name)}. Write a number of seconds.")
    return float(value)


def _texts(value: Any, place: str) -> dict[str, str]:
    fields = _mapping(value, place)
    return {name: _value(fields, name, str, place) for name in fields}


def _pair(pair: Any, place: str) -> tuple[str, str]:
    match pair:
        case [str(name), str(value)]:
            return name, value
    raise DocumentError(f"{place}: {repr(pair)[:60]} is not a [name, value] of texts. Write it so.")


def _shown(fields: Mapping[str, Any], name: str) -> str:
    return repr(fields[name])[:60] if name in fields else "missing"


def _refuse_unknown(fields: Mapping[str, Any], known: Iterable[str], place: str) -> None:
    names = tuple(known)
    for name in fields:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)[0]
            raise DocumentError(f"{place}: {name[:60]!r} is not known. The nearest is {near!r}. Correct or remove it.")

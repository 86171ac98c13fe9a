"""What a cassette says about itself, and when two recordings are the same.

Decides the format's version, what the header record holds, which facts of a recording are volatile, and the canonical
order. Refuses a cassette of a newer format. Reads and writes no file: that is `shell/store`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, replace
from typing import Any, TypeAlias

from ..version import __version__
from .errors import CassetteForeign
from .framing import AMENDMENT, HEADER_KIND, Buffer, frame
from .payload import RecordError, member, pack, unpack
from .records import size_of
from .values import valueclass
from .wire import (
    Chunk,
    Interaction,
    Pause,
    Script,
    SessionMark,
    body_of,
    has_frames,
    head_of,
    is_complete,
)

FORMAT = 1
"""Raised when a reader of the last version would misread a file; new record kinds do not raise it."""

Rules: TypeAlias = Mapping[str, Any]
"""JSON-like: what `core/matching.py` and `core/scrub.py` need to build their rules again."""


@valueclass(frozen=True, slots=True)
class CassetteSettings:
    """The header record, with the amendments that follow it."""

    match: Rules = field(default_factory=dict)
    """The projections of the key, in the words of `core/matching.py`."""
    scrub: Rules = field(default_factory=dict)
    """The scrub rules that were applied before storing and apply before matching."""
    seed: int | None = None
    initial: Rules = field(default_factory=dict)
    """What a replay needs from the recording to repeat it (the clock's instant, for example)."""
    allowed: tuple[str, ...] = ()
    """Fingerprints of false alarms of the secret scan."""
    created_by: str = __version__
    """The version of Sagetape that created the file."""


@valueclass(frozen=True, slots=True)
class Summary:
    """One interaction without its bodies, as the index knows it."""

    number: int
    key: bytes
    endpoint: str
    operation: str
    status: int
    """0 when the answer broke before its head."""
    request_bytes: int
    response_bytes: int
    recorded_at: float
    offset: int
    session: SessionMark | None
    is_complete: bool
    is_synthetic: bool


# --- header record ----------------------------------------------------------------------------------------------


def header_record(settings: CassetteSettings) -> list[Buffer]:
    """The first record of a file."""
    return frame(HEADER_KIND, pack(settings_values(settings)))


def settings_values(settings: CassetteSettings) -> dict[str, Any]:
    """The header's map."""
    return {
        "format": FORMAT,
        "created_by": settings.created_by,
        "match": _sorted(settings.match),
        "scrub": _sorted(settings.scrub),
        "seed": settings.seed,
        "initial": _sorted(settings.initial),
        "allowed": list(settings.allowed),
    }


def settings_from(values: Mapping[str, Any], *, path: str) -> CassetteSettings:
    """The settings of a header's map. Raises CassetteForeign for a format that is newer than this code."""
    version = member(values, "format", int)
    if version != FORMAT:
        raise CassetteForeign(_newer(path, version, str(values.get("created_by", "an unknown version"))), path=path)
    seed = values.get("seed")
    if seed is not None:
        member(values, "seed", int)
    return CassetteSettings(
        match=member(values, "match", dict),
        scrub=member(values, "scrub", dict),
        seed=seed,
        initial=member(values, "initial", dict),
        allowed=_fingerprints(values),
        created_by=member(values, "created_by", str),
    )


def _newer(path: str, version: int, creator: str) -> str:
    return (
        f"{path} has cassette format {version}, written by Sagetape {creator[:40]}. "
        f"Sagetape {__version__} reads format {FORMAT}. "
        "Upgrade with `pip install --upgrade sagetape`, or record the cassette again with this version."
    )


def _fingerprints(values: Mapping[str, Any]) -> tuple[str, ...]:
    found = member(values, "allowed", list)
    if not all(type(one) is str for one in found):
        raise RecordError("`allowed` is not a list of texts")
    return tuple(found)


def _sorted(value: Any) -> Any:
    """The same with the keys of all maps in order, so that equal settings are equal bytes."""
    if isinstance(value, Mapping):
        return {str(key): _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(one) for one in value]
    return value


def amendment_record(allowed: Iterable[str] = (), initial: Rules | None = None) -> list[Buffer]:
    """A later addition to the header: more false alarms, and new values in `initial`."""
    values: dict[str, Any] = {"allowed": list(allowed)}
    if initial:
        values["initial"] = _sorted(initial)
    return frame(AMENDMENT, pack(values))


def amended(settings: CassetteSettings, payload: Buffer) -> CassetteSettings:
    """The settings after an amendment record; what it names is added, what it does not know is left."""
    values = unpack(payload)
    more = _fingerprints(values)
    initial = member(values, "initial", dict) if "initial" in values else {}
    return replace(
        settings,
        allowed=(*settings.allowed, *(one for one in more if one not in settings.allowed)),
        initial={**settings.initial, **initial} if initial else settings.initial,
    )


# --- facts and order --------------------------------------------------------------------------------------------


def summary_from(values: Mapping[str, Any], *, number: int, key: bytes, offset: int) -> Summary:
    """The summary of an interaction record's map."""
    call, origin, steps = member(values, "call", dict), member(values, "origin", dict), member(values, "steps", list)
    heads = [step[1] for step in steps if isinstance(step, list) and step[:1] == ["head"] and len(step) == 3]
    mark = values.get("session")
    return Summary(
        number=number,
        key=key,
        endpoint=member(call, "endpoint", str),
        operation=member(call, "operation", str),
        status=heads[0] if heads and type(heads[0]) is int else 0,
        request_bytes=size_of(call.get("body")),
        response_bytes=sum(size_of(step[1]) for step in steps if _is_chunk(step)),
        recorded_at=member(origin, "at", float),
        offset=offset,
        session=None if mark is None else _mark(mark),
        is_complete=bool(steps) and steps[-1] == ["end"],
        is_synthetic=member(origin, "synthetic", bool),
    )


def _is_chunk(step: Any) -> bool:
    return isinstance(step, list) and len(step) == 2 and step[0] == "chunk"


def _mark(values: Any) -> SessionMark:
    if not isinstance(values, dict):
        raise RecordError("`session` is not a map")
    lifetime = member(values, "lifetime", float) if "lifetime" in values else None
    return SessionMark(
        member(values, "lane", str), member(values, "step", int), lifetime, member(values, "closes", bool)
    )


def summary_of(interaction: Interaction, *, number: int, key: bytes, offset: int) -> Summary:
    """The summary of an interaction that is at hand."""
    head = head_of(interaction.script)
    return Summary(
        number=number,
        key=key,
        endpoint=interaction.call.endpoint,
        operation=interaction.call.operation,
        status=head.status if head else 0,
        request_bytes=len(interaction.call.body),
        response_bytes=sum(len(step.data) for step in interaction.script if isinstance(step, Chunk)),
        recorded_at=interaction.origin.recorded_at,
        offset=offset,
        session=interaction.session,
        is_complete=is_complete(interaction.script),
        is_synthetic=interaction.origin.synthetic,
    )


def canonical_order(summaries: Iterable[Summary]) -> list[int]:
    """Interaction numbers in the order of a compacted cassette: it does not depend on who was answered first.

    By endpoint, operation, session and step, key; takes of one key stay in the order in which they were recorded.
    """
    return [one.number for one in sorted(summaries, key=_place)]


def _place(one: Summary) -> tuple[str, str, str, int, bytes, int]:
    lane, step = (one.session.lane, one.session.step) if one.session else ("", 0)
    return one.endpoint, one.operation, lane, step, one.key, one.number


# --- sameness ---------------------------------------------------------------------------------------------------


def is_same_recording(old: Interaction, new: Interaction) -> bool:
    """Whether recording again brought nothing new: equal but for when, by which version, and how fast.

    Outside event streams the parts in which a body arrived are the network's whim, and only the bytes count.
    """
    return _lasting(old) == _lasting(new) and _lasting_script(old.script) == _lasting_script(new.script)


def _lasting(one: Interaction) -> tuple[Any, ...]:
    call = replace(one.call, request_id="", invocation_id=None, members=dict(one.call.members))
    mark = None if one.session is None else replace(one.session, lifetime_s=None)
    return call, mark, one.origin.source, one.origin.synthetic, dict(one.notes)


def _lasting_script(script: Script) -> tuple[Any, ...]:
    steps = tuple(step for step in script if not isinstance(step, Pause))
    if has_frames(script):
        return steps
    return (*(step for step in steps if not isinstance(step, Chunk)), body_of(script))


Rekey: TypeAlias = Callable[[Interaction], bytes]
"""Gives the 16 bytes of an interaction's key under the matching rules in force."""

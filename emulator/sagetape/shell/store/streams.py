"""A stream while it is recorded: begun, part by part, and closed as whole, broken or dropped.

The parts go to the file as they arrive, as evidence: a recorder that dies leaves a stream that is known to be
incomplete, and no reader serves it. Only the end makes an interaction of it, in one record that refers to large parts
and repeats small ones; `compact` removes the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...core.bodies import address
from ...core.errors import CassetteUnwritten
from ...core.framing import STREAM_BEGIN, STREAM_CLOSE, STREAM_PART, Buffer, frame
from ...core.payload import pack
from ...core.records import call_values, origin_values, session_values
from ...core.wire import Abort, Call, Chunk, End, Head, Interaction, Pause, Provenance, SessionMark, Step

if TYPE_CHECKING:
    from .cassette import Cassette


class StreamRecording:
    """One stream under way. Close it with exactly one of `end`, `abort` and `drop`; later calls change nothing.

    A part that cannot be written raises CassetteUnwritten and is kept in memory: the stream may go on, and `end` tries
    to write all of it.
    """

    def __init__(
        self,
        cassette: Cassette,
        call: Call,
        head: Head,
        *,
        key: bytes,
        origin: Provenance,
        session: SessionMark | None = None,
    ) -> None:
        self._cassette = cassette
        self._call, self._key, self._origin, self._session = call, key, origin, session
        self._steps: list[Step] = [head]
        self._part_count = 0
        self._tag: bytes | None = None
        self._is_open = True
        self._begin(head)

    def _begin(self, head: Head) -> None:
        values: dict[str, Any] = {"key": self._key, "origin": origin_values(self._origin), "status": head.status}
        if self._session is not None:
            values["session"] = session_values(self._session)
        self._tag = self._cassette.write_stream_record(
            STREAM_BEGIN, lambda place: {**values, "call": call_values(self._call, place)}, tag=None
        )

    def part(self, data: Buffer, wait_s: float = 0.0) -> None:
        """The next chunk of the body, as it is on the wire, after a wait in seconds."""
        if wait_s > 0:
            self._steps.append(Pause(wait_s))
        chunk = data if isinstance(data, bytes) else bytes(data)
        self._steps.append(Chunk(chunk))
        number, self._part_count = self._part_count, self._part_count + 1
        self._cassette.write_stream_record(
            STREAM_PART, lambda place: {"part": number, "wait": float(wait_s), "data": place(chunk)}, tag=self._tag
        )

    def end(self, *, notes: Mapping[str, str] | None = None, session: SessionMark | None = None) -> int:
        """The answer is whole: makes it an interaction; its number. Call it before the client sees the end."""
        return self._keep(End(), notes, session)

    def abort(self, reason: str = "", *, notes: Mapping[str, str] | None = None) -> int:
        """The upstream broke the answer off: makes it an interaction that replays broken at the same place."""
        return self._keep(Abort(reason), notes, None)

    def drop(self, reason: str = "") -> None:
        """Nothing is kept (the client left, for example). The file says that it was dropped on purpose."""
        if self._is_open:
            self._is_open = False
            self._cassette.write_stream_record(
                STREAM_CLOSE, lambda _: {"outcome": "dropped", "reason": reason}, tag=self._tag
            )

    def _keep(self, last: Step, notes: Mapping[str, str] | None, session: SessionMark | None) -> int:
        if not self._is_open:
            raise CassetteUnwritten(
                f"{self._cassette.path}: this stream was closed before. Close a stream once.", path=self._cassette.path
            )
        script = (*self._steps, last)
        kept = Interaction(self._call, script, self._origin, session or self._session, dict(notes or {}))
        assert self._tag is not None
        closing = frame(STREAM_CLOSE, pack({"outcome": "kept"}), tag=self._tag)
        number = self._cassette.keep([(kept, self._key)], after=closing)
        self._is_open = False
        return number


def stream_tag(key: bytes, offset: int) -> bytes:
    """Names a stream in its file: no two streams begin at one offset."""
    return address(key + offset.to_bytes(8, "little"))

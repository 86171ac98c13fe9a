"""A frame of an event stream whose checksum is wrong. Source: the Amazon Event Stream specification of Smithy."""

from __future__ import annotations

from collections.abc import Iterable

from ..values import valueclass
from ..wire import Chunk, Head, Step, is_event_stream
from .kind import Kind, Level, Scene, param

PLACES = {"message": -1, "prelude": 11}
"""The last byte of each checksum in a frame."""


@valueclass(frozen=True, slots=True)
class Parameters:
    """Which checksum of which frame."""

    part: int = param(0, "The frame, counted from 0.", low=0)
    which: str = param(
        "message", "The checksum: of the whole message, or of its first eight bytes.", choices=tuple(PLACES)
    )


class Checksum:
    """The wrong checksum of one stream."""

    def __init__(self, parameters: Parameters, _scene: Scene) -> None:
        self._left = parameters.part
        self._place = PLACES[parameters.which]
        self._is_events = False

    def feed(self, step: Step) -> Iterable[Step]:
        if isinstance(step, Head):
            self._is_events = is_event_stream(step)
        elif isinstance(step, Chunk) and self._is_events:
            self._left -= 1
            if self._left == -1 and len(step.data) >= 16:
                data = bytearray(step.data)
                data[self._place] ^= 0x01
                return (Chunk(bytes(data)),)
        return (step,)


KIND = Kind("checksum", "Breaks the checksum of a frame.", Level.FRAME, Parameters, edit=Checksum)

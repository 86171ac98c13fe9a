"""A slow line: every byte of the body takes its time. Bodies that are no event stream leave in small pieces."""

from __future__ import annotations

from collections.abc import Iterable

from ..values import valueclass
from ..wire import Chunk, Head, Pause, Step, is_event_stream
from .kind import Kind, Level, Scene, param

PIECES_PER_SECOND = 10  # smooth enough to see, few enough to cost nothing


@valueclass(frozen=True, slots=True)
class Parameters:
    """How slow."""

    bytes_per_s: int = param(65536, "Bytes of the body in one second.", low=1)


class Bandwidth:
    """The line of one reply."""

    def __init__(self, parameters: Parameters, _scene: Scene) -> None:
        self._bytes_per_s = parameters.bytes_per_s
        self._is_events = False

    def feed(self, step: Step) -> Iterable[Step]:
        if isinstance(step, Head):
            self._is_events = is_event_stream(step)
        if not isinstance(step, Chunk) or not len(step.data):
            yield step
            return
        size = len(step.data) if self._is_events else max(1, self._bytes_per_s // PIECES_PER_SECOND)
        data = memoryview(step.data)
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            yield Pause(len(piece) / self._bytes_per_s)
            yield Chunk(piece)


KIND = Kind("bandwidth", "Sends the body at so many bytes per second.", Level.STEP, Parameters, edit=Bandwidth)

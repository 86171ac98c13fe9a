"""The same bytes in other parts: inside a UTF-8 character, inside a line, one byte each, or anywhere.

Decides the cuts, never the bytes: what a client joins is what it would have got. A model's parts are where its
container happened to write, so a client that takes a part for a line or a document fails here and not in production.
Frames that are no part of the model's answer stay as they are, in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from ..eventstream import payload_part
from ..values import valueclass
from ..wire import Chunk, Head, Pause, Step, is_event_stream
from .kind import Kind, Level, Scene, param, part_of


@valueclass(frozen=True, slots=True)
class Parameters:
    """Where the cuts are."""

    cut: str = param(
        "anywhere",
        "Inside each UTF-8 character of several bytes, inside each line, after each byte, or anywhere by the seed.",
        choices=("character", "line", "byte", "anywhere"),
    )
    part_bytes: int = param(16, "anywhere: the largest part.", low=1)


class Rechunk:
    """The parts of one reply. With `anywhere` the end of a part may go over into the next."""

    def __init__(self, parameters: Parameters, scene: Scene) -> None:
        self._parameters = parameters
        self._scene = scene
        self._is_events = False
        self._held = b""
        self._draws = 0
        self._size = self._draw()

    def feed(self, step: Step) -> Iterable[Step]:
        if isinstance(step, Head):
            self._is_events = is_event_stream(step)
            return (step,)
        payload = self._payload(step)
        if payload is None:
            return (step,) if isinstance(step, Pause) else (*self._flush(), step)
        if self._parameters.cut == "anywhere":
            return self._cut_anywhere(payload)
        return tuple(map(self._made, pieces(payload, _CUTS[self._parameters.cut](payload))))

    def _payload(self, step: Step) -> bytes | None:
        if not isinstance(step, Chunk):
            return None
        return part_of(step) if self._is_events else bytes(step.data)

    def _cut_anywhere(self, payload: bytes) -> Iterable[Step]:
        """Cuts that depend on the bytes' places alone, not on the parts in which they came."""
        data, at = self._held + payload, 0
        made: list[Step] = []
        while len(data) - at >= self._size:
            made.append(self._made(data[at : at + self._size]))
            at += self._size
            self._size = self._draw()
        self._held = data[at:]
        return made

    def _draw(self) -> int:
        self._draws += 1
        purpose, chance = self._scene.purpose_of("rechunk"), self._scene.chance
        return 1 + chance.below(purpose, self._parameters.part_bytes, nth=self._draws)

    def _flush(self) -> tuple[Step, ...]:
        held, self._held = self._held, b""
        return (self._made(held),) if held else ()

    def _made(self, data: bytes) -> Chunk:
        return Chunk(payload_part(data) if self._is_events else data)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """`data` cut at ascending offsets; what would be empty is left out, but for the whole of an empty part."""
    edges = [0, *cuts, len(data)]
    made = [data[start:end] for start, end in pairwise(edges) if start < end]
    return made or [data]


def in_characters(data: bytes) -> list[int]:
    """After the first byte of every UTF-8 character that has several."""
    return [at for at in range(1, len(data)) if data[at] & 0xC0 == 0x80 and data[at - 1] & 0xC0 == 0xC0]


def in_lines(data: bytes) -> list[int]:
    """In the middle of every line of at least two bytes."""
    cuts, start = [], 0
    for line in data.splitlines(keepends=True):
        if len(line) > 1:
            cuts.append(start + len(line) // 2)
        start += len(line)
    return cuts


def in_bytes(data: bytes) -> list[int]:
    """After every byte."""
    return list(range(1, len(data)))


_CUTS: Mapping[str, Callable[[bytes], list[int]]] = {"character": in_characters, "line": in_lines, "byte": in_bytes}

KIND = Kind("rechunk", "Cuts the same bytes into other parts.", Level.FRAME, Parameters, edit=Rechunk)

"""What a deck asks of its cassettes. The shell's `shell/library.py` answers, from files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from .platform import VARIANT_HEADER
from .wire import Interaction, Pause, Script, SessionMark, head_of


@dataclass(slots=True)
class Take:
    """A recorded answer, read and ready to be served any number of times."""

    number: int
    """The interaction's number in the library."""
    interaction: Interaction
    cassette: str
    script: Script = ()
    """The answer at the speed that was asked for last; decks of one server rarely differ in it."""
    speed: float = -1.0
    seconds: float = 0.0
    """What the recorded answer took."""
    waits_s: float = 0.0
    """What it takes at this speed."""
    said: tuple[int, str, str] = (0, "", "")
    """Status, error type and variant of the answer."""
    prepared: object = field(default=None, compare=False)
    """What the performer wants to remember of a script that leaves in one write; the core never looks at it."""

    def turn_to(self, speed: float) -> None:
        """Sets `script` for a speed."""
        if speed != self.speed:
            self.script, self.speed, self.prepared = at_speed(self.interaction.script, speed), speed, None
            self.seconds = waits(self.interaction.script)
            self.waits_s = waits(self.script)
            self.said = said_by(self.script)


class Library(Protocol):
    """All recordings that a deck plays, numbered as one."""

    def takes(self, key: bytes) -> Sequence[int]:
        """Interactions of a key, in recorded order; empty when there are none. Reads no body."""

    def read(self, number: int) -> Take:
        """One interaction. Raises CassetteDamaged when its bytes are not what was written."""

    def has_endpoint(self, endpoint: str) -> bool:
        """Whether any recording names the endpoint."""

    def nearest(self, operation: str, endpoint: str) -> Iterable[Take]:
        """Recordings worth comparing with a call that missed: same endpoint and operation first, bounded."""

    def in_sessions(self) -> Iterable[tuple[int, bytes, SessionMark]]:
        """Number, key and mark of every interaction that stands in a recorded session."""

    def __len__(self) -> int:
        """How many interactions there are."""


def at_speed(script: Script, speed: float) -> Script:
    """The script with its recorded waits multiplied by `speed`: 0 drops them, 1 keeps them, 0.5 halves them."""
    if speed == 1.0:
        return script
    if speed == 0.0:
        return tuple(step for step in script if not isinstance(step, Pause))
    return tuple(Pause(step.seconds * speed) if isinstance(step, Pause) else step for step in script)


def said_by(script: Script) -> tuple[int, str, str]:
    """Status, error type and variant, as an answer's head says them; zero and empty where there is no head."""
    head = head_of(script)
    if head is None:
        return 0, "", ""
    code = (head.header("x-amzn-ErrorType") or "").partition(":")[0]
    return head.status, code, head.header(VARIANT_HEADER) or ""


def waits(script: Script) -> float:
    """Seconds that the recorded answer took."""
    return sum(step.seconds for step in script if isinstance(step, Pause))

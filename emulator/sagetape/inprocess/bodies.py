"""The body of an answer as botocore reads it from urllib3: whole at once, or step by step with its waits and breaks.

botocore asks for `stream`, `read`, `readinto`, `readlines`, `tell` and `close`; what breaks raises what urllib3 raises,
because botocore's own classes translate those errors and the user's code is written against the result.
"""

from __future__ import annotations

import http.client
import io
from collections.abc import Callable, Iterator
from typing import Any, Final

from urllib3.exceptions import IncompleteRead, ProtocolError

from ..core.wire import Abort, Chunk, Pause, Step
from .patience import OutOfPatience, Patience

PIECE_BYTES: Final = 65_536  # urllib3's own piece in `stream`


class WholeBody(io.BytesIO):
    """A body that is known whole."""

    def stream(self, amt: int = PIECE_BYTES, decode_content: Any = None) -> Iterator[bytes]:
        """The rest of the body in pieces."""
        while data := self.read(amt):
            yield data


class SteppedBody(io.RawIOBase):
    """A body that is performed while it is read: parts as they are, pauses waited for, breaks raised.

    `announced_bytes` is the Content-Length that the head claims, None for a chunked body; `passed` hears of every part.
    """

    def __init__(
        self,
        steps: Iterator[Step],
        *,
        wait: Callable[[float], None],
        patience: Patience,
        announced_bytes: int | None = None,
        passed: Callable[[], None] = lambda: None,
    ) -> None:
        self._steps = steps
        self._wait = wait
        self._patience = patience
        self._announced_bytes = announced_bytes
        self._passed = passed
        self._held = b""
        self._read_bytes = 0
        self._at = 0

    def stream(self, amt: int = PIECE_BYTES, decode_content: Any = None) -> Iterator[bytes]:
        """The parts as they come, one for each that was sent."""
        if self._held:
            held, self._held = self._held, b""
            yield held
        while data := self._next_part():
            self._at += len(data)
            yield data

    def read(self, size: int | None = -1, *_: Any, **__: Any) -> bytes:
        """At most `size` bytes, waiting for them as for a socket; all that is left without a size."""
        wanted = -1 if size is None else size
        while wanted < 0 or len(self._held) < wanted:
            data = self._next_part()
            if not data:
                break
            self._held += data
        cut = len(self._held) if wanted < 0 else wanted
        found, self._held = self._held[:cut], self._held[cut:]
        self._at += len(found)
        return found

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer as far as one read goes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        """Bytes given so far."""
        return self._at

    def close(self) -> None:
        """Ends the performance; what was not read is not waited for."""
        close = getattr(self._steps, "close", None)
        if close is not None:
            close()
        super().close()

    def __del__(self) -> None:
        """Nothing, where Python would close: on whichever thread this runs, nobody may be waited for there."""

    def _next_part(self) -> bytes:
        """The next bytes, b"" at the end. Raises ProtocolError where it breaks, ReadTimeoutError where it hangs."""
        try:
            return self._performed()
        except OutOfPatience:
            raise self._patience.in_body() from None

    def _performed(self) -> bytes:
        for step in self._steps:
            if isinstance(step, Pause):
                self._patience.bear(step.seconds, self._wait)
            elif isinstance(step, Chunk):
                data = bytes(step.data)
                self._patience.hear()
                self._read_bytes += len(data)
                self._passed()
                if data:
                    return data
            elif isinstance(step, Abort):
                raise broken(step, self._read_bytes, self._announced_bytes)
        missing = (self._announced_bytes or 0) - self._read_bytes
        if missing > 0:
            raise broken(Abort(), self._read_bytes, self._announced_bytes)
        return b""


def broken(step: Abort, read_bytes: int, announced_bytes: int | None) -> ProtocolError:
    """What urllib3 raises when the connection ends before the body does."""
    if step.reason == "reset":
        cause: Exception = ConnectionResetError(104, "Connection reset by peer")
        return ProtocolError(f"Connection broken: {cause!r}", cause)
    if announced_bytes is None:
        cause = http.client.IncompleteRead(b"")  # a chunked body that stops
    else:
        cause = IncompleteRead(read_bytes, announced_bytes - read_bytes)
    return ProtocolError(f"Connection broken: {cause!r}", cause)

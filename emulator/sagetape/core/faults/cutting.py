"""Answers that end in the middle: what `reset` and `truncation` have in common.

Decides after which byte of the body the connection breaks. The head announces the whole length (where it is known), so
that no client can take the rest for the whole.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..wire import Abort, Chunk, End, Head, Step, is_event_stream
from .kind import Scene


class Cut:
    """The break of one reply. `after_bytes` counts bytes of the body; `has_head` false breaks before the status."""

    def __init__(self, scene: Scene, *, after_bytes: int, reason: str, has_head: bool) -> None:
        self._left = after_bytes
        self._length = scene.body_bytes
        self._reason = reason
        self._has_head = has_head

    def feed(self, step: Step) -> Iterable[Step]:
        if not self._has_head:
            return (Abort(self._reason),)
        if isinstance(step, Head):
            return (self._announce(step),)
        if isinstance(step, End):
            return (Abort(self._reason),)
        if not isinstance(step, Chunk):
            return (step,)
        data = memoryview(step.data)
        if len(data) < self._left:
            self._left -= len(data)
            return (step,)
        kept = Chunk(data[: self._left])
        return (kept, Abort(self._reason)) if self._left else (Abort(self._reason),)

    def _announce(self, head: Head) -> Head:
        is_known = self._length is not None and not is_event_stream(head)
        if not is_known or head.header("Content-Length") is not None:
            return head
        # One byte more where the body is shorter than the cut: the answer must not look whole.
        length = max(self._length or 0, self._left + 1)
        return Head(head.status, (*head.headers, ("Content-Length", str(length))))

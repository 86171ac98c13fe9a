"""The platform's limit for an answer, over waits that are steps: a declared latency, a recorded pause.

Decides whether an answer comes too late, and what the caller gets instead: the 424 of a model that did not answer, or,
in a stream that has begun, the exception frame that ends it. An upstream that takes real time is held to the same limit
by the clock (`shell/clock.py`). A wait of exactly the limit is too long.
Sources: those of `core/platform.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from . import platform
from .wire import End, Head, Pause, Script, Step


def within_limit(script: Script, ask: platform.Ask) -> Script:
    """A stored script, cut short where its waits reach the limit. The same script when they do not."""
    if not any(isinstance(step, Pause) for step in script):
        return script
    if ask.call.is_stream:
        limit = Limit(ask)
        return tuple(after for step in script for after in limit.feed(step))
    # A client of a whole answer has seen nothing until all of it is there.
    if sum(step.seconds for step in script if isinstance(step, Pause)) < ask.timeout_s:
        return script
    return (Pause(ask.timeout_s), *platform.timed_out(ask))


class Limit:
    """The limit of one stream, fed step by step; nothing comes after it was met."""

    def __init__(self, ask: platform.Ask) -> None:
        self._ask = ask
        self._left_s = ask.timeout_s
        self._has_begun = False
        self.is_met = False

    def feed(self, step: Step) -> Iterable[Step]:
        """What goes on in the place of `step`."""
        if self.is_met:
            return ()
        if isinstance(step, Head):
            self._has_begun = True
        if not isinstance(step, Pause):
            return (step,)
        if step.seconds < self._left_s:
            self._left_s -= step.seconds
            return (step,)
        self.is_met = True
        rest = Pause(self._left_s)
        if self._has_begun:
            return (rest, platform.stream_timed_out(self._ask), End())
        return (rest, *platform.timed_out(self._ask))

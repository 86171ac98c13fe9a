"""The platform's time limit over a script: 60 seconds for an answer, 8 minutes for a stream.

Live upstreams meet the limit while they are waited for; this is for waits that are written down: recorded pauses,
declared latency, faults. Nothing waits twice: a script that is cut here holds no more waits than the limit.
"""

from __future__ import annotations

from . import platform
from .platform import Ask
from .wire import EVENT_STREAM, End, Head, Pause, Script, Step


def total_wait_s(script: Script) -> float:
    """Seconds that the script waits."""
    return sum(step.seconds for step in script if isinstance(step, Pause))


def within_limit(script: Script, ask: Ask) -> Script:
    """The script, or what the client gets when it would take `ask.timeout_s` or longer."""
    if total_wait_s(script) < ask.timeout_s:
        return script
    before_head: list[Step] = []
    waited_s = 0.0
    for step in script:
        if isinstance(step, Head):
            break
        waited_s += step.seconds if isinstance(step, Pause) else 0.0
        before_head.append(step)
    else:
        return script
    is_stream = (step.header("Content-Type") or "").startswith(EVENT_STREAM)
    if waited_s >= ask.timeout_s or not is_stream:
        return (Pause(ask.timeout_s), *platform.timed_out(ask))
    return _cut(script, ask)


def _cut(script: Script, ask: Ask) -> Script:
    """A stream up to the limit, then the exception frame that ends it."""
    kept: list[Step] = []
    left_s = ask.timeout_s
    for step in script:
        if isinstance(step, Pause):
            if step.seconds >= left_s:
                return (*kept, Pause(left_s), platform.stream_timed_out(ask), End())
            left_s -= step.seconds
        kept.append(step)
    return tuple(kept)

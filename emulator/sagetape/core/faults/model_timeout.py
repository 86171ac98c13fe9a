"""A container that does not answer within the platform's limit: a wait, then 424 ModelError (`core/platform.py`).

A stream that never began fails in the same way; one that began and then took too long is `stream-error` with the code
`ModelInvocationTimeExceeded`.
"""

from __future__ import annotations

from .. import platform
from ..values import valueclass
from ..wire import Pause, Script
from .kind import Kind, Level, Scene, param


@valueclass(frozen=True, slots=True)
class Parameters:
    """How long the caller waits for nothing."""

    after_s: float | None = param(None, "Seconds until the error; left out: the endpoint's own limit.", low=0)


def answer(parameters: Parameters, scene: Scene) -> Script:
    """The wait and the 424 after it."""
    wait_s = scene.ask.timeout_s if parameters.after_s is None else parameters.after_s
    return (Pause(wait_s), *platform.timed_out(scene.ask))


KIND = Kind(
    "model-timeout", "A wait as long as the limit, then 424 ModelError.", Level.ANSWER, Parameters, answer=answer
)

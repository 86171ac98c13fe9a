"""An event stream that ends with an exception frame instead of its rest.

Source: botocore sagemaker-runtime 2017-05-13, shapes ModelStreamError and InternalStreamFailure; for `error` frames the
Amazon Event Stream specification of Smithy. An answer that is no event stream passes unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..eventstream import encode, exception
from ..values import valueclass
from ..wire import Abort, Chunk, End, Head, Step, is_event_stream
from .kind import Kind, Level, Scene, param

TYPES = ("ModelStreamError", "InternalStreamFailure", "error")
CODES = ("ModelInvocationTimeExceeded", "StreamBroken")


@valueclass(frozen=True, slots=True)
class Parameters:
    """When the stream fails, and how it says so."""

    after_parts: int = param(1, "Parts that still come.", low=0)
    type: str = param("ModelStreamError", "The exception; `error` is a frame that is not modelled.", choices=TYPES)
    code: str = param("StreamBroken", f"ErrorCode; AWS's own are {' and '.join(CODES)}.")
    text: str = param("The response stream was broken before it was complete.", "The message.")


class StreamError:
    """The failure of one stream."""

    def __init__(self, parameters: Parameters, _scene: Scene) -> None:
        self._parameters = parameters
        self._left = parameters.after_parts
        self._is_events = False

    def feed(self, step: Step) -> Iterable[Step]:
        if isinstance(step, Head):
            self._is_events = is_event_stream(step)
            is_due = self._is_events and self._left == 0
            return (step, *self._end()) if is_due else (step,)
        if not self._is_events or isinstance(step, Abort):
            return (step,)
        if isinstance(step, End):  # fewer parts than asked for: it fails all the same
            return self._end()
        if isinstance(step, Chunk):
            self._left -= 1
            return (step, *self._end()) if self._left == 0 else (step,)
        return (step,)

    def _end(self) -> tuple[Step, ...]:
        return Chunk(frame(self._parameters)), End()


def frame(parameters: Parameters) -> bytes:
    """The frame that ends the stream."""
    if parameters.type == "error":
        headers = ((":message-type", "error"), (":error-code", parameters.code), (":error-message", parameters.text))
        return encode(headers, b"")
    code = parameters.code if parameters.type == "ModelStreamError" else None
    return exception(parameters.type, parameters.text, error_code=code)


KIND = Kind("stream-error", "Ends an event stream with an exception frame.", Level.FRAME, Parameters, edit=StreamError)

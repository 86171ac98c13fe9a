"""A request that is throttled. Source: opensearch-project/ml-commons#2438, a body of `{"message":null}`."""

from __future__ import annotations

from .. import refusals
from ..values import valueclass
from ..wire import Script
from .kind import Kind, Level, Scene, param


@valueclass(frozen=True, slots=True)
class Parameters:
    """What may be chosen."""

    text: str | None = param(None, "The message; left out: null, as the service sends it.")


def answer(parameters: Parameters, _scene: Scene) -> Script:
    """The error instead of an answer."""
    text = parameters.text
    return (refusals.throttled() if text is None else refusals.throttled(text)).script()


KIND = Kind(
    "throttle",
    "400 ThrottlingException, its message null as AWS sends it; SDKs try again.",
    Level.REQUEST,
    Parameters,
    answer=answer,
)

"""A failure of the service. Source: botocore sagemaker-runtime 2017-05-13, shape InternalFailure."""

from __future__ import annotations

from .. import refusals
from ..values import valueclass
from ..wire import Script
from .kind import Kind, Level, Scene, param


@valueclass(frozen=True, slots=True)
class Parameters:
    """What may be chosen."""

    text: str | None = param(None, "The message; left out: the emulator's own.")


def answer(parameters: Parameters, _scene: Scene) -> Script:
    """The error instead of an answer."""
    text = parameters.text
    return (refusals.internal_failure() if text is None else refusals.internal_failure(text)).script()


KIND = Kind(
    "internal",
    "500 InternalFailure: the service itself failed; SDKs try again.",
    Level.REQUEST,
    Parameters,
    answer=answer,
)

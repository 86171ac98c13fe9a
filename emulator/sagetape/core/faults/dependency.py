"""A failure of what the service needs. Source: botocore sagemaker-runtime, shape InternalDependencyException."""

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
    return (refusals.dependency_failed() if text is None else refusals.dependency_failed(text)).script()


KIND = Kind(
    "dependency",
    "530 InternalDependencyException: something the service needs failed; SDKs do not try again.",
    Level.REQUEST,
    Parameters,
    answer=answer,
)

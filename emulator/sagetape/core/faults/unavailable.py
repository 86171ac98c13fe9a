"""A service that cannot answer. Source: botocore sagemaker-runtime 2017-05-13, shape ServiceUnavailable."""

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
    return (refusals.service_unavailable() if text is None else refusals.service_unavailable(text)).script()


KIND = Kind(
    "unavailable",
    "503 ServiceUnavailable: the service cannot answer now; SDKs try again.",
    Level.REQUEST,
    Parameters,
    answer=answer,
)

"""A model that is still loading. Source: botocore sagemaker-runtime 2017-05-13, shape ModelNotReadyException."""

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
    return (refusals.model_not_ready() if text is None else refusals.model_not_ready(text)).script()


KIND = Kind(
    "not-ready", "429 ModelNotReadyException: the model is still loading.", Level.REQUEST, Parameters, answer=answer
)

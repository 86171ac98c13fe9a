"""A container that answers with an error: 424 ModelError, worded as the platform words it (`core/platform.py`)."""

from __future__ import annotations

from .. import platform
from ..values import valueclass
from ..wire import Script
from .kind import Kind, Level, Scene, param


@valueclass(frozen=True, slots=True)
class Parameters:
    """The container's answer."""

    status: int = param(500, "The container's status, which becomes OriginalStatusCode.", low=300, high=599)
    text: str = param("", "The container's body, which becomes OriginalMessage.")


def answer(parameters: Parameters, scene: Scene) -> Script:
    """The 424 for that answer."""
    return platform.failed(scene.ask, parameters.status, parameters.text.encode("utf-8", "surrogatepass"))


KIND = Kind(
    "model-error", "424 ModelError: the container answered with an error.", Level.ANSWER, Parameters, answer=answer
)

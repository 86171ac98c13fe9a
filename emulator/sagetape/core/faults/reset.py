"""A connection that is reset: before the status line, or in the middle of the body."""

from __future__ import annotations

from ..values import valueclass
from .cutting import Cut
from .kind import Kind, Level, Scene, param


@valueclass(frozen=True, slots=True)
class Parameters:
    """Where."""

    after_bytes: int | None = param(
        None, "Bytes of the body before the reset; left out: before the status line.", low=0
    )


def edit(parameters: Parameters, scene: Scene) -> Cut:
    """The cut of one reply; `reset` is the reason that the player turns into a TCP reset."""
    after = parameters.after_bytes
    return Cut(scene, after_bytes=after or 0, reason="reset", has_head=after is not None)


KIND = Kind("reset", "Resets the connection.", Level.STEP, Parameters, edit=edit)

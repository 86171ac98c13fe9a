"""An answer that ends before its announced length, the connection closed in good order."""

from __future__ import annotations

from ..values import valueclass
from .cutting import Cut
from .kind import Kind, Level, Scene, param


@valueclass(frozen=True, slots=True)
class Parameters:
    """Where."""

    after_bytes: int | None = param(None, "Bytes of the body that still come; left out: half of it, or 16.", low=0)


def edit(parameters: Parameters, scene: Scene) -> Cut:
    """The cut of one reply. A stream's length is not known, so without a number it ends in its first frame."""
    after = parameters.after_bytes
    if after is None:
        after = 16 if scene.body_bytes is None else scene.body_bytes // 2
    return Cut(scene, after_bytes=after, reason="truncated", has_head=True)


KIND = Kind("truncation", "Ends the body too early.", Level.STEP, Parameters, edit=edit)

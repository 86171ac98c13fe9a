"""Images by their pixels: format, compression and metadata do not count; mode, size and every pixel do.

Only when the rules ask for it, and only with Pillow, which is imported when it is first needed. Refused: what Pillow
does not open, and images beyond `PIXELS_MAX`, which are never decoded.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import warnings
from typing import Any

from ..errors import ConfigError
from .reading import Reading
from .tree import Array, Tree, Unreadable

PIXELS_MAX = 32 * 2**20
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")


def require() -> None:
    """Raise ConfigError when Pillow is not installed."""
    if importlib.util.find_spec("PIL") is None:
        raise ConfigError(
            'Match rule images: "pixels" needs Pillow, which is not installed. '
            'The nearest without it is images = "bytes". Install it with: pip install "sagetape[images]".'
        )


def read(body: bytes, content_type: str, reading: Reading) -> Tree:
    """The image's mode, and its pixels as an array of bytes. Raises Unreadable."""
    del content_type, reading
    image_module = importlib.import_module("PIL.Image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which does not count here
            return _decoded(image_module, body)
    except Unreadable:
        raise
    except Exception as error:  # Pillow's plug-ins raise nearly anything on hostile input
        raise Unreadable(f"not an image that Pillow opens: {type(error).__name__}") from error


def _decoded(image_module: Any, body: bytes) -> dict[str, Tree]:
    with image_module.open(io.BytesIO(body), formats=_FORMATS) as image:
        width, height = image.size
        if width * height > PIXELS_MAX or getattr(image, "n_frames", 1) > 1:
            raise Unreadable("an image of too many pixels, or of several frames")
        shown = image.convert("RGBA") if image.mode in ("P", "PA") else image
        data = shown.tobytes()
        shape = (height, width, len(data) // max(width * height, 1))
        return {"mode": shown.mode, "pixels": Array("u1", shape, data)}

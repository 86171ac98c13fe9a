"""Images by their pixels: only when the rules ask for it, and only where Pillow is installed."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sagetape.core import meaning
from sagetape.core.errors import ConfigError
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.wire import Call

ROOT = Path(__file__).resolve().parents[2]
PIXELS = MatchRules(images="pixels")


def call(body: bytes, content_type: str = "image/png") -> Call:
    """A call that sends an image."""
    return Call("InvokeEndpoint", "seen", {"ContentType": content_type}, body, hashlib.sha256(body).digest())


@pytest.fixture
def image_module() -> Any:
    """Pillow's Image."""
    return pytest.importorskip("PIL.Image", reason="Pillow (the extra `images`) is not installed")


def encoded(image: Any, kind: str = "PNG", **options: Any) -> bytes:
    """An image as a file."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def gradient(image_module: Any, mode: str = "RGB") -> Any:
    """A small picture."""
    picture = image_module.new("RGB", (8, 4))
    picture.putdata([(x * 30, y * 60, 7) for y in range(4) for x in range(8)])
    return picture.convert(mode)


def test_pixels_without_pillow_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that ask for pixels where Pillow is missing are refused at start, with what to install."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs Pillow.*images = \"bytes\".*pip install"):
        Matcher(PIXELS)


def test_pixels_are_not_the_default() -> None:
    """Without being asked an image is its bytes: a key never depends on what is installed."""
    assert meaning.kind_of("image/png", MatchRules().reading()) == "bytes"
    assert meaning.kind_of("image/png", PIXELS.reading()) == "pixels"


def test_pixels_import_nothing_until_needed() -> None:
    """Matching itself never imports Pillow."""
    script = "import sys, sagetape.core.matching; sys.exit('PIL' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": str(ROOT / "emulator")})


def test_pixels_equal_whatever_the_file(image_module: Any) -> None:
    """Compression, format and metadata do not count."""
    matcher, picture = Matcher(PIXELS), gradient(image_module)
    files = [encoded(picture, compress_level=level) for level in (0, 9)] + [encoded(picture, dpi=(72, 72))]
    assert len(set(files)) == 3
    assert len({matcher.key(call(file)) for file in files}) == 1
    assert len({Matcher(MatchRules()).key(call(file)) for file in files}) == 3
    assert matcher.key(call(encoded(picture, "BMP"))) == matcher.key(call(files[0]))


def test_pixels_differ_when_a_pixel_does(image_module: Any) -> None:
    """One pixel, the size and the mode count, and the difference is named."""
    matcher, picture = Matcher(PIXELS), gradient(image_module)
    keys = {matcher.key(call(encoded(picture))), matcher.key(call(encoded(picture.convert("L"))))}
    keys.add(matcher.key(call(encoded(picture.resize((4, 8))))))
    other = picture.copy()
    other.putpixel((3, 2), (1, 2, 3))
    keys.add(matcher.key(call(encoded(other))))
    assert len(keys) == 4


@pytest.mark.parametrize(
    "damage", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0" + b"\xff" * 40, b"P6 99999 99999 255\n"]
)
def test_pixels_of_a_damaged_file_are_bytes(image_module: Any, damage: bytes) -> None:
    """What Pillow does not open, or what would be too large, is compared as bytes."""
    matcher = Matcher(PIXELS)
    assert matcher.understand(call(damage)).kind == "bytes"
    assert matcher.understand(call(encoded(gradient(image_module))[:50])).kind == "bytes"

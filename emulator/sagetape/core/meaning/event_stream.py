"""The model's answer inside an event stream: the payload parts, joined.

Where a model cuts its stream into parts has no meaning, so the parts are compared as one body, read by the content type
that the platform puts beside it (`X-Amzn-SageMaker-Content-Type`). An exception frame and bytes that are no frame are
given beside it, so that a broken stream is never equal to a whole one.
"""

from __future__ import annotations

from typing import NamedTuple

from ..eventstream import FrameError, decode, read_prelude


class Stream(NamedTuple):
    """What a stream said in all."""

    payload: bytes
    ending: str
    """Empty for a good stream; else the exception's type and text, or what was wrong with the frames."""


def join(data: bytes) -> Stream:
    """Read whole frames up to the first that is not a part of the answer. Never raises."""
    view = memoryview(data)
    parts: list[bytes] = []
    while view:
        try:
            size, _ = read_prelude(view)
            frame = decode(view[:size])
        except FrameError as error:
            return Stream(b"".join(parts), f"damaged: {error}")
        if not frame.is_part:
            kind = str(frame.header(":exception-type"))
            return Stream(b"".join(parts), f"{kind}: {frame.payload.decode('utf-8', 'replace')}")
        parts.append(frame.payload)
        view = view[size:]
    return Stream(b"".join(parts), "")

"""The id that stands in every answer. Decides nothing but its form, which is AWS's: a UUID of version 4."""

from __future__ import annotations

import uuid

from ..core.chance import draw, uuid_of


class RequestIds:
    """`x-amzn-RequestId`: a UUID of version 4 for each answer; random once per process, counted after that.

    One system call per answer would cost as much as the rest of a lookup. With a seed that was given, the deck makes
    the ids of calls; what is answered before a deck is reached has the seed's prefix here.
    """

    def __init__(self, seed: int | None = None) -> None:
        first = uuid.uuid4().bytes if seed is None else draw(seed, "request-ids", key=b"", occurrence=0)
        self._prefix = uuid_of(first)[:24].encode()
        self._count = 0

    def __call__(self) -> bytes:
        self._count += 1
        return b"%b%012x" % (self._prefix, self._count)

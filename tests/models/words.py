"""A model that streams words, as a function; called for a whole answer it gives them at once."""

from __future__ import annotations

from collections.abc import Iterator

from sagetape import Invocation

WORDS = ("naïve ", "café ", "雪 ", "end")


def words(invocation: Invocation) -> Iterator[bytes] | str:
    """Four words, one part each in a stream."""
    if invocation.operation == "InvokeEndpointWithResponseStream":
        return (word.encode() for word in WORDS)
    return "".join(WORDS)

"""Two stages of a pipeline, as functions: each puts its name around what it was given."""

from __future__ import annotations

from sagetape import Invocation, ModelFailure

GROWN_BYTES = 6_000_000  # over the 5 MB between two containers


def first(invocation: Invocation) -> bytes:
    """The first container."""
    if invocation.body == b"grow":
        return bytes(GROWN_BYTES)
    return b"first(" + invocation.body + b")"


def second(invocation: Invocation) -> bytes:
    """The second container, which fails on demand."""
    if b"fail second" in invocation.body:
        raise ModelFailure(500, b"on demand")
    return b"second(" + invocation.body + b")"

"""Two variants of a model, as functions: each says its own name."""

from __future__ import annotations


def blue(_invocation: object) -> str:
    """The variant that most calls reach."""
    return "blue"


def green(_invocation: object) -> str:
    """The variant that few calls reach."""
    return "green"

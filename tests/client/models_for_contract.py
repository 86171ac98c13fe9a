"""A model that tells what it was asked; the emulator imports it by name."""

from __future__ import annotations

import dataclasses
from typing import Any

from sagetape import Answer, Invocation, ModelFailure


def echo(invocation: Invocation) -> Any:
    """Every member that arrived; fails when asked to; a stream of two documents for the streaming operation."""
    if invocation.body == b"fail":
        raise ModelFailure(500, b"out of memory")
    if invocation.operation == "InvokeEndpointWithResponseStream":
        return iter([b'{"a": 1}\n{"b"', b": 2}\n"])
    told = {f.name: getattr(invocation, f.name) for f in dataclasses.fields(invocation)}
    kept = {name: value for name, value in told.items() if isinstance(value, str)}
    return Answer({**kept, "body": invocation.body.decode("latin-1")}, custom_attributes=invocation.custom_attributes)

"""Faults: failures on demand, each in a small file. `KINDS` is the table that everything else reads.

To add a fault, write a module with a `KIND` and name it here; command line, configuration, admin API and documentation
follow.
"""

from __future__ import annotations

from . import (
    bandwidth,
    checksum,
    dependency,
    internal,
    latency,
    model_error,
    model_timeout,
    not_ready,
    rechunk,
    reset,
    stream_error,
    throttle,
    truncation,
    unavailable,
)
from .kind import Editor, Kind, Level, Parameter, Scene

_MODULES = (
    throttle,
    model_error,
    model_timeout,
    not_ready,
    internal,
    dependency,
    unavailable,
    latency,
    bandwidth,
    reset,
    truncation,
    stream_error,
    checksum,
    rechunk,
)

KINDS: dict[str, Kind] = {module.KIND.name: module.KIND for module in _MODULES}

__all__ = ["KINDS", "Editor", "Kind", "Level", "Parameter", "Scene"]

"""What every case is given: how long to measure, on which cores, with which generator."""

from __future__ import annotations

from dataclasses import dataclass

from .load import Generator
from .machine import Cores


@dataclass(frozen=True, slots=True)
class Bench:
    """Sizes of one run."""

    load: Generator
    cores: Cores
    rounds: int
    sample_s: float
    requests_count: int
    """Signed beforehand for each server; used in turn."""
    many: int
    """Recordings of the large cassette."""
    large: int
    """Recordings of 5 MiB."""
    large_bytes: int
    upload_bytes: int
    recorded_calls: int
    is_quick: bool = False

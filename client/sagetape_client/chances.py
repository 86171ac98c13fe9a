"""Everything a client takes from outside its arguments, in one value: clocks, waiting, randomness, ids.

A test gives its own, and nothing waits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chances:
    """Everything a client takes from outside its arguments: clocks in seconds, waiting, randomness, ids."""

    now: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = lambda: int.from_bytes(os.urandom(6), "big") / 2**48
    new_id: Callable[[], str] = lambda: uuid4_text(os.urandom(16))


def uuid4_text(noise: bytes) -> str:
    """A version 4 UUID (RFC 9562) of 16 random bytes; `uuid` itself is slow to import."""
    value = bytearray(noise)
    value[6], value[8] = value[6] & 0x0F | 0x40, value[8] & 0x3F | 0x80
    digits = value.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

"""Everything that is random, as a function: seed, purpose, key of the request and how often that key occurred.

Decides numbers, choices and ids. Keeps no stream of random numbers: a draw depends on nothing that other requests do,
so that 64 threads in any order get, request for request, what one thread gets. The digest is BLAKE2b (RFC 7693), so a
draw is the same in every process and Python version; results of `math` are rounded to the nanosecond, beyond which C
libraries may differ.

The key leaves out what a client makes up anew on every run (InferenceId, CustomAttributes) and the session's id, in
whose place stands `Call.position`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from hashlib import blake2b
from statistics import NormalDist
from uuid import UUID

from .wire import Call

KEYS_MAX = 1_000_000
"""Keys whose occurrences are counted at once; beyond it the oldest is forgotten and counts from 0 again."""

_CHOSEN_BY_CLIENT = frozenset({"InferenceId", "CustomAttributes", "SessionId"})
_NORMAL = NormalDist()


def draw(seed: int, purpose: str, *, key: bytes, occurrence: int) -> bytes:
    """Sixteen bytes, evenly spread; the one source of everything below."""
    digest = blake2b(str(seed).encode(), digest_size=16, person=b"sagetape draw")
    for part in (purpose.encode(), key, str(occurrence).encode()):
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def key_of(call: Call) -> bytes:
    """Sixteen bytes naming what a call asks, without what differs between runs of the same program."""
    digest = blake2b(call.body_sha256, digest_size=16, person=b"sagetape call")
    names = sorted(call.members.keys() - _CHOSEN_BY_CLIENT)
    parts = [call.operation, call.endpoint, call.position, *(f"{name}={call.members[name]}" for name in names)]
    if call.members.get("SessionId") == "NEW_SESSION":
        parts.append("NEW_SESSION")
    for part in parts:
        encoded = part.encode("utf-8", "surrogateescape")
        digest.update(len(encoded).to_bytes(4, "big"))
        digest.update(encoded)
    return digest.digest()


class Chances:
    """One deck's chance: the seed, and how often each key occurred."""

    __slots__ = ("_seen", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._seen: dict[bytes, int] = {}

    def of(self, call: Call) -> Chance:
        """The chance of one request. Costs nothing until something is drawn."""
        return Chance(self, call)

    def occurrence(self, key: bytes) -> int:
        """How often `key` came before; counts this time."""
        before = self._seen.pop(key, 0)
        self._seen[key] = before + 1
        if len(self._seen) > KEYS_MAX:
            del self._seen[next(iter(self._seen))]
        return before

    def reset(self) -> None:
        """Start over, as a new process with the same seed would."""
        self._seen.clear()


class Chance:
    """The draws of one request. The same purpose drawn twice gives the same value; number them with `nth`."""

    __slots__ = ("_call", "_chances", "_key", "_occurrence")

    def __init__(self, chances: Chances, call: Call) -> None:
        self._chances = chances
        self._call = call
        self._key = b""
        self._occurrence = -1

    def bytes16(self, purpose: str, *, nth: int = 0) -> bytes:
        """Sixteen evenly spread bytes."""
        if self._occurrence < 0:
            self._key = key_of(self._call)
            self._occurrence = self._chances.occurrence(self._key)
        name = purpose if nth == 0 else f"{purpose}#{nth}"
        return draw(self._chances.seed, name, key=self._key, occurrence=self._occurrence)

    def unit(self, purpose: str, *, nth: int = 0) -> float:
        """A number from 0 up to, not including, 1, with 53 bits."""
        return unit_of(self.bytes16(purpose, nth=nth))

    def below(self, purpose: str, bound: int, *, nth: int = 0) -> int:
        """A whole number from 0 up to, not including, `bound`; the bias is under bound / 2**128."""
        return int.from_bytes(self.bytes16(purpose, nth=nth), "big") % bound

    def uniform(self, purpose: str, low: float, *, high: float, nth: int = 0) -> float:
        """A number from `low` to `high`, rounded to 1e-9."""
        return round(low + (high - low) * self.unit(purpose, nth=nth), 9)

    def lognormal(self, purpose: str, median: float, *, sigma: float, nth: int = 0) -> float:
        """A number whose logarithm is normal around log(median) with deviation `sigma`, rounded to 1e-9."""
        middle = (int.from_bytes(self.bytes16(purpose, nth=nth)[:6], "big") + 0.5) / (1 << 48)  # never 0, never 1
        return round(median * math.exp(sigma * _NORMAL.inv_cdf(middle)), 9)

    def choose(self, purpose: str, weights: Sequence[float], *, nth: int = 0) -> int:
        """An index, drawn by weight. At least one weight is positive, none is negative."""
        left = self.unit(purpose, nth=nth) * math.fsum(weights)
        last = 0
        for index, weight in enumerate(weights):
            if weight <= 0:
                continue
            last = index
            if left < weight:
                return index
            left -= weight
        return last  # rounding ate the remainder

    def uuid(self, purpose: str, *, nth: int = 0) -> str:
        """A text of the shape of a version 4 UUID, lower case."""
        return uuid_of(self.bytes16(purpose, nth=nth))


def unit_of(sixteen: bytes) -> float:
    """The first 53 bits as a number from 0 up to, not including, 1."""
    return (int.from_bytes(sixteen[:8], "big") >> 11) / (1 << 53)


def uuid_of(sixteen: bytes) -> str:
    """Version and variant bits set as RFC 9562 has them."""
    return str(UUID(bytes=sixteen, version=4))

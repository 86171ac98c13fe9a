"""Which of several recorded answers to one key is the next one.

Takes of a key play in the order in which they were recorded. Three things bend that order: an attempt that an SDK
repeats (same `amz-sdk-invocation-id`) gets what the recorded attempt got; recording plays each take once per run; and
when the takes are used up, the deck's setting decides. Choosing and marking are one step, so that two callers can never
be given the same turn.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from .values import valueclass

INVOCATIONS_MAX = 10_000  # SDK calls whose take is remembered; an SDK repeats within seconds

SERVED_AGAIN: Final = (
    "was served again after the last one; record as many takes as there are calls, or set "
    'exhausted = "miss" to be told at the call'
)
"""The guard's warning of a turn that `is_again`."""


@valueclass(frozen=True, slots=True)
class Turn:
    """The choice. `number` is the interaction's; None when nothing (more) plays."""

    number: int | None
    index: int = -1
    """Place among the takes of its key, from 0."""
    is_again: bool = False
    """Served after the takes were used up."""
    is_exhausted: bool = False
    """There are takes, all were served, and the setting says to stop."""


NOTHING = Turn(None)


@dataclass(slots=True)
class Takes:
    """How far each key has come. `exhausted` is `last`, `cycle` or `miss`."""

    exhausted: str = "last"
    once_per_run: bool = False
    """Recording: what was served in this run is not served again; an equal request is a new take."""
    is_retry: Callable[[int], bool] = lambda number: False
    """Whether an interaction was recorded as an SDK's repeated attempt of the take before it."""
    _next: dict[bytes, int] = field(default_factory=dict)
    _invocations: OrderedDict[tuple[str, bytes], int] = field(default_factory=OrderedDict)

    def choose(self, key: bytes, takes: Sequence[int], *, invocation_id: str | None) -> Turn:
        """The next take of a key, marked as served."""
        if not takes:
            return NOTHING
        if invocation_id is not None:
            before = self._invocations.get((invocation_id, key))
            if before is not None and before < len(takes):
                return self._repeat(key, takes, invocation_id=invocation_id, before=before)
        return self._advance(key, takes, invocation_id=invocation_id)

    def served(self, key: bytes) -> int:
        """How many turns the key has had."""
        return self._next.get(key, 0)

    def skip_to_end(self, key: bytes, count: int) -> None:
        """Marks the takes of a key as served, `count` being how many there are now: what was just recorded is not
        played in the same run."""
        self._next[key] = count

    def reset(self) -> None:
        """Back to the first take of everything."""
        self._next.clear()
        self._invocations.clear()

    def _repeat(self, key: bytes, takes: Sequence[int], *, invocation_id: str, before: int) -> Turn:
        following = before + 1
        if following < len(takes) and following == self._next.get(key, 0) and self.is_retry(takes[following]):
            # The recorded caller repeated too, and got this answer (a 503, then a 200).
            self._remember(invocation_id, key, index=following)
            self._next[key] = following + 1
            return Turn(takes[following], following)
        return Turn(takes[before], before)

    def _advance(self, key: bytes, takes: Sequence[int], *, invocation_id: str | None) -> Turn:
        turn = self._next.get(key, 0)
        index, is_again = turn, False
        if turn >= len(takes):
            if self.once_per_run:
                return NOTHING
            if self.exhausted == "miss":
                return Turn(None, is_exhausted=True)
            index = turn % len(takes) if self.exhausted == "cycle" else len(takes) - 1
            is_again = True
        self._next[key] = turn + 1
        if invocation_id is not None:
            self._remember(invocation_id, key, index=index)
        return Turn(takes[index], index, is_again)

    def _remember(self, invocation_id: str, key: bytes, *, index: int) -> None:
        self._invocations[invocation_id, key] = index
        if len(self._invocations) > INVOCATIONS_MAX:
            self._invocations.popitem(last=False)


@dataclass(slots=True)
class Attempts:
    """Which calls were forwarded before: while recording, an SDK's further attempt is marked as one."""

    _seen: dict[tuple[str, bytes], None] = field(default_factory=dict)

    def is_again(self, invocation_id: str | None, key: bytes) -> bool:
        """Whether an SDK repeats an attempt; remembers this one."""
        if invocation_id is None:
            return False
        mark = (invocation_id, key)
        if mark in self._seen:
            return True
        self._seen[mark] = None
        if len(self._seen) > INVOCATIONS_MAX:
            del self._seen[next(iter(self._seen))]
        return False

    def reset(self) -> None:
        """As if nothing had been forwarded."""
        self._seen.clear()

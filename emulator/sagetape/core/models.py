"""The life of models in one instance of a multi-model container: loading, waiting, making room.

Decides how long a call waits for its model, which models leave for it, and when it is told to come back later.
Performs nothing: a real container is asked by the shell, which reports back.
Source: SageMaker developer guide, "Invoke a multi-model endpoint" and "Build your own container for multi-model
endpoints".

Time. A call on a virtual clock waits in its own timeline, ahead of the deck. What it waited for must be there for the
next call, so the instance keeps the latest moment at which a call left it, and nobody meets it earlier than that. A
call that meets it later than its own time (by `ahead_s`) leaves it so much later, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from .values import valueclass

PATIENCE_S = 60.0  # developer guide: a load that takes longer gives ModelNotReadyException, and goes on
LOAD_MAX_S = 360.0  # developer guide: after 360 s the load itself is given up


@dataclass(slots=True)
class _Resident:
    """A model in memory, or on its way there."""

    started_at: float
    ready_at: float
    is_confirmed: bool
    users: int = 0


@valueclass(frozen=True, slots=True)
class Admission:
    """What one call has to go through before its model can be asked."""

    wait_s: float = 0.0
    is_refused: bool = False
    """After the wait the model is still not ready: ModelNotReadyException."""
    unload: tuple[str, ...] = ()
    load: bool = False
    ahead_s: float = 0.0
    """How far this instance's time is ahead of the caller's."""


class Models:
    """The models of one instance."""

    def __init__(self, *, capacity: int | None, load_s: float, is_real: bool, is_cached: bool = True) -> None:
        """`is_real`: a container loads and unloads, and says when it has."""
        self._capacity = capacity
        self._load_s = load_s
        self._is_real = is_real
        self._is_cached = is_cached
        self._residents: dict[str, _Resident] = {}  # least recently used first
        self._seen = 0.0

    @property
    def resident(self) -> tuple[str, ...]:
        """Models in memory or loading, least recently used first."""
        return tuple(self._residents)

    def enter(self, model: str, *, now: float) -> Admission:
        """A call for `model`. `leave` must follow, also when it is refused."""
        at = max(now, self._seen)
        resident = self._residents.pop(model, None)
        if resident is not None and at >= resident.started_at + LOAD_MAX_S and resident.ready_at > at:
            resident = None  # the load was given up; this call begins another
        is_new = resident is None
        unload: tuple[str, ...] = ()
        if resident is None:
            room = self._make_room()
            if room is None:
                return Admission(is_refused=True, ahead_s=at - now)
            unload = room if self._is_cached or not self._is_real else (*room, model)
            resident = _Resident(at, at + self._load_s, not self._is_real)
        self._residents[model] = resident
        resident.users += 1
        wait_s = max(0.0, resident.ready_at - at)
        load = is_new or not resident.is_confirmed
        return Admission(min(wait_s, PATIENCE_S), wait_s > PATIENCE_S, unload, load, at - now)

    def leave(self, model: str, *, now: float) -> None:
        """The call is over; `now` is the time as the call saw it, moved on by the `ahead_s` it was told."""
        self._seen = max(self._seen, now)
        resident = self._residents.get(model)
        if resident is None:
            return
        resident.users = max(0, resident.users - 1)
        if not self._is_cached and resident.users == 0 and resident.ready_at <= self._seen:
            del self._residents[model]

    def confirm(self, model: str) -> None:
        """The container has loaded it."""
        if model in self._residents:
            self._residents[model].is_confirmed = True

    def forget(self, model: str) -> None:
        """The container does not have it (any more): the next call loads it again."""
        self._residents.pop(model, None)

    def evict_for(self, model: str) -> str | None:
        """The container has no memory (507): the model that leaves; None when no other can."""
        victim = self._victim(besides=model)
        if victim is not None:
            del self._residents[victim]
        return victim

    def _make_room(self) -> tuple[str, ...] | None:
        """Drop the least recently used until one more fits; None when those that are there are all in use."""
        gone: list[str] = []
        while self._capacity is not None and len(self._residents) >= self._capacity:
            victim = self._victim(besides=None)
            if victim is None:
                return None
            del self._residents[victim]
            gone.append(victim)
        return tuple(gone)

    def _victim(self, *, besides: str | None) -> str | None:
        return next((name for name, one in self._residents.items() if one.users == 0 and name != besides), None)


def opaque_name(model: str) -> str:
    """The name under which a container knows a TargetModel: 32 hexadecimal digits (the platform's is opaque, too)."""
    return blake2b(model.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()

"""Places that come and go: the workers of a serverless endpoint, the copies of an inference component.

Decides who waits for a cold start, who is throttled, and when a component with no copies has one again.
Source: SageMaker developer guide, "Invoke a serverless endpoint"; AWS's scale-to-zero notebooks. On the time kept here
see `core/models.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import refusals
from .endpoints import Serverless
from .models import PATIENCE_S
from .values import valueclass


@dataclass(slots=True)
class _Worker:
    ready_at: float
    used_at: float
    is_busy: bool = True


@valueclass(frozen=True, slots=True)
class Place:
    """Where a serverless call runs, and what it waits for."""

    index: int
    wait_s: float = 0.0
    is_refused: bool = False
    """Provisioning takes longer than a call waits: ModelNotReadyException after the wait."""
    ahead_s: float = 0.0
    """How far the endpoint's time is ahead of the caller's."""


class Workers:
    """The workers of one serverless endpoint."""

    def __init__(self, declared: Serverless) -> None:
        self._declared = declared
        self._workers: dict[int, _Worker] = {}
        self._seen = 0.0

    def enter(self, *, now: float) -> Place:
        """A place for one call. Raises the throttling error when all are taken; else `leave` must follow."""
        at = max(now, self._seen)
        self._cool(at)
        index, worker = self._idle() or self._provision(at)
        worker.is_busy = True
        wait_s = max(0.0, worker.ready_at - at)
        return Place(index, min(wait_s, PATIENCE_S), wait_s > PATIENCE_S, at - now)

    def leave(self, index: int, *, now: float) -> None:
        """The call is over; `now` is the time as the call saw it, moved on by the `ahead_s` it was told."""
        self._seen = max(self._seen, now)
        worker = self._workers.get(index)
        if worker is not None:
            worker.is_busy = False
            worker.used_at = max(self._seen, worker.ready_at)

    def _cool(self, at: float) -> None:
        idle_s = self._declared.idle_s
        gone = [i for i, one in self._workers.items() if not one.is_busy and at - one.used_at > idle_s]
        for index in gone:
            del self._workers[index]

    def _idle(self) -> tuple[int, _Worker] | None:
        """The free worker that is ready first."""
        free = [(one.ready_at, index) for index, one in self._workers.items() if not one.is_busy]
        return (min(free)[1], self._workers[min(free)[1]]) if free else None

    def _provision(self, at: float) -> tuple[int, _Worker]:
        if len(self._workers) >= self._declared.max_concurrency:
            raise refusals.throttled()
        index = next(i for i in range(len(self._workers) + 1) if i not in self._workers)
        self._workers[index] = _Worker(at + self._declared.cold_start_s, at)
        return index, self._workers[index]


class Copies:
    """How many copies an inference component has."""

    def __init__(self, copies: int, scale_up_s: float | None) -> None:
        self.copies = copies
        self._scale_up_s = scale_up_s
        self._asked_at: float | None = None

    def require(self, *, now: float) -> int:
        """The number of copies, at least one. Raises "no capacity", and lets the first such call start the scaling."""
        if self.copies == 0 and self._scale_up_s is not None:
            if self._asked_at is None:
                self._asked_at = now
            if now - self._asked_at >= self._scale_up_s:
                self.scale(1)
        if self.copies == 0:
            raise refusals.component_no_capacity()
        return self.copies

    def scale(self, copies: int) -> None:
        """Set the number, as UpdateInferenceComponentRuntimeConfig does."""
        self.copies = copies
        self._asked_at = None

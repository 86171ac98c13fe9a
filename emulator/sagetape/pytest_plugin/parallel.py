"""Tests whose body runs in several threads at once (pytest-run-parallel): each has its own way through the takes.

Without this the first thread would use up the takes of a request, and all others would miss.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ..core.takes import Takes, Turn
from ..inprocess.opened import OpenDeck


class ThreadTakes(Takes):
    """How far each thread has come. For calls inside the process; on a socket all callers look alike."""

    __slots__ = ("_make", "_own")

    def __init__(self, make: Callable[[], Takes]) -> None:
        super().__init__()
        self._make = make
        self._own: dict[int, Takes] = {}

    def choose(self, key: bytes, takes: Sequence[int], *, invocation_id: str | None) -> Turn:
        return self._of_thread().choose(key, takes, invocation_id=invocation_id)

    def served(self, key: bytes) -> int:
        return max((own.served(key) for own in self._own.values()), default=0)

    def skip_to_end(self, key: bytes, count: int) -> None:
        self._of_thread().skip_to_end(key, count)

    def reset(self) -> None:
        self._own.clear()

    def _of_thread(self) -> Takes:
        thread = threading.get_ident()
        if thread not in self._own:
            self._own[thread] = self._make()
        return self._own[thread]


def is_parallel(item: pytest.Item) -> bool:
    """Whether the plugin pytest-run-parallel runs this test's body in several threads."""
    mark: Any = item.get_closest_marker("parallel_threads")
    count = mark.args[0] if mark is not None and mark.args else item.config.getoption("parallel_threads", 1)
    return count == "auto" or (isinstance(count, int | str) and str(count).isdigit() and int(count) > 1)


def take_per_thread(item: pytest.Item, opened: OpenDeck) -> None:
    """Gives the threads of a parallel test their own takes."""
    if not is_parallel(item):
        return
    first = opened.deck.takes

    def make() -> Takes:
        return Takes(exhausted=first.exhausted, once_per_run=first.once_per_run, is_retry=first.is_retry)

    opened.deck.takes = ThreadTakes(make)

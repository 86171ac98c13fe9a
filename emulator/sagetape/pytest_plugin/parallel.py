"""Tests whose body runs in several threads at once (pytest-run-parallel): each has its own way through the takes.

Without this the first thread would use up the takes of a request, and all others would miss.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

import pytest

from ..core.errors import SagetapeError
from ..core.takes import Takes, Turn
from ..inprocess.opened import OpenDeck

PLUGIN: Final = "_run-parallel"
"""The name under which pytest-run-parallel registers what knows how many threads each test has."""
FORCING: Final = ("force_parallel_threads", "parallel_threads")
"""Its markers that give a test threads whatever the option says."""


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


def threads_of(item: pytest.Item) -> int:
    """In how many threads at once the plugin pytest-run-parallel runs this test's body."""
    plugin: Any = item.config.pluginmanager.get_plugin(PLUGIN)
    counts: dict[str, int] = getattr(plugin, "run_in_parallel", {})
    return max(1, counts.get(item.nodeid, 1))


def forcing_marker(item: pytest.Item) -> str:
    """The marker that gives a test its threads; empty where it is the option."""
    return next((name for name in FORCING if item.get_closest_marker(name) is not None), "")


def alone_option(item: pytest.Item) -> str:
    """What a command that records this test has to say, so that it runs in one thread; empty where it does anyway."""
    return " --parallel-threads=1" if threads_of(item) > 1 and not forcing_marker(item) else ""


def refuse_recording(item: pytest.Item) -> None:
    """Raises SagetapeError for a test in several threads: each would record takes, and a replay plays one thread's."""
    count, marker = threads_of(item), forcing_marker(item)
    if count == 1:
        return
    how = f"without its marker {marker}" if marker else "with --parallel-threads=1"
    raise SagetapeError(
        f"its {count} threads would each record what is to be recorded once. Record it {how}; every thread then "
        "replays the same takes."
    )


def parallel_hint(item: pytest.Item) -> str:
    """What a miss in a test with several threads may come of; empty for a test with one."""
    count = threads_of(item)
    if count == 1:
        return ""
    return (
        f"This test runs in {count} threads, which over HTTP use up its takes together. For takes of its own for each "
        "thread, call the client of the fixture sagemaker_runtime, or one that sagetape.attach(client) answers.\n"
    )


def take_per_thread(item: pytest.Item, opened: OpenDeck) -> None:
    """Gives the threads of a parallel test their own takes."""
    if threads_of(item) == 1:
        return
    first = opened.deck.takes

    def make() -> Takes:
        return Takes(exhausted=first.exhausted, once_per_run=first.once_per_run, is_retry=first.is_retry)

    opened.deck.takes = ThreadTakes(make)

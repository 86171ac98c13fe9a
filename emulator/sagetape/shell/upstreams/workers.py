"""Threads that run users' functions, one call per thread at a time.

A function that hangs or blocks its loop costs its own call and nobody else anything: the emulator's loop never runs a
line of it, and no other call shares its thread. Alternatives weighed: the emulator's own loop (one `time.sleep` stops
everything), one loop for all async functions (a blocking one stops the others), a thread and a loop made per call (ten
times the cost of a small call). Threads are daemons, so that a hung function does not hold up the end of the process.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final

from ...core.values import valueclass

WORKERS_MAX: Final = 512  # threads; more calls than that at once mean that functions hang
IDLE_MAX: Final = 32


class NoWorker(Exception):
    """As many calls as there may be threads are running or hanging."""


@valueclass(frozen=True, slots=True)
class Raised:
    """What a piece of work raised. A value, because a future cannot carry StopIteration nor survive SystemExit."""

    error: BaseException


Work = Callable[["Worker"], Any]


class Worker:
    """A thread that does its work in order, with an event loop of its own for what is awaitable."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Work, Future[Any]] | None] = SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._run, name="sagetape-function", daemon=True).start()

    async def run(self, work: Work) -> Any:
        """The result of `work`, or `Raised`. Cancelling the wait does not end the work: `interrupt` asks for that."""
        return await asyncio.wrap_future(self.post(work))

    def post(self, work: Work) -> Future[Any]:
        """Line up a piece of work."""
        future: Future[Any] = Future()
        self._work.put((work, future))
        return future

    def finish(self, awaitable: Awaitable[Any]) -> Any:
        """Await something to its end on this worker's loop. To be called by `work` itself."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        with self._lock:
            self._task = self._loop.create_task(awaited(awaitable))
        try:
            return self._loop.run_until_complete(self._task)
        finally:
            with self._lock:
                self._task = None

    def interrupt(self) -> None:
        """Cancel what is awaited now. A plain function cannot be interrupted; it runs to its end unheard."""
        with self._lock:
            if self._task is not None and self._loop is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    def stop(self) -> None:
        """End the thread after the work that is lined up."""
        self._work.put(None)

    def _run(self) -> None:
        while (entry := self._work.get()) is not None:
            work, future = entry
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work(self))
                except BaseException as error:  # SystemExit too: it is the function's, not ours
                    future.set_result(Raised(error))
            del entry, work, future  # nothing of a call outlives it in an idle thread
        if self._loop is not None:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


async def awaited(awaitable: Awaitable[Any]) -> Any:
    """Any awaitable as a coroutine, which a task needs."""
    return await awaitable


class Workers:
    """Idle workers, last used first: calls made one after another meet the same thread and loop."""

    def __init__(self) -> None:
        self._idle: deque[Worker] = deque()
        self._count = 0
        self._lock = threading.Lock()

    def take(self) -> Worker:
        """A worker for one call. Raises NoWorker when all are running or hanging."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._count >= WORKERS_MAX:
                raise NoWorker(f"{self._count} calls run or hang; that is as many as may")
            self._count += 1
        return Worker()

    def give_back(self, worker: Worker, *, left_over: Any = None) -> None:
        """Free a worker once its present work has ended, and close the iterator that was left over, if any."""
        worker.interrupt()

        def end(worker: Worker) -> None:
            try:
                close_iterator(left_over, worker)
            finally:
                self._park(worker)

        worker.post(end)

    def _park(self, worker: Worker) -> None:
        with self._lock:
            if len(self._idle) < IDLE_MAX:
                self._idle.append(worker)
                return
            self._count -= 1
        worker.stop()

    def close(self) -> None:
        """End the idle threads; hung ones end with the process."""
        with self._lock:
            idle, self._idle = list(self._idle), deque()
            self._count -= len(idle)
        for worker in idle:
            worker.stop()


def close_iterator(iterator: Any, worker: Worker) -> None:
    """Run a generator's `finally` blocks."""
    if inspect.isasyncgen(iterator):
        worker.finish(iterator.aclose())
    elif inspect.isgenerator(iterator):
        iterator.close()

"""The load generator: keep-alive connections over raw sockets, in a process of its own, on a core of its own.

Closed loop, as wrk is: each connection sends its next request when the answer to the last one is complete. Answers are
read to their end; one that is not a 200 ends the benchmark, because a fast refusal is no speed.
"""

from __future__ import annotations

import contextlib
import itertools
import pickle
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .machine import busy_s, cpu_s, memory_mib, pinned
from .servers import ROOT, environment

READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Stream:
    """Requests, by the name under which they were handed over, on so many connections."""

    name: str
    connections: int


@dataclass(frozen=True, slots=True)
class Sample:
    """What one run showed. Times in seconds; processor time is the server's."""

    seconds: float
    cpu_s: float
    others: float
    """Of one core, what neither server nor generator took."""
    counts: dict[str, int]
    latencies: dict[str, list[float]] = field(repr=False)
    anonymous_mib: float = 0.0
    """The most that was seen while it ran."""

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.count / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of the server's processor time per request."""
        return self.cpu_s / self.count * 1e6

    def percentile(self, name: str, share: float) -> float:
        """Seconds within which this share of the answers came."""
        found = sorted(self.latencies[name])
        return found[min(len(found) - 1, int(share * len(found)))]


class Connection:
    """One socket: what is still to be sent, and how much of the answer is still missing."""

    __slots__ = ("begun", "head", "missing", "name", "out", "requests", "sock")

    def __init__(self, port: int, name: str, requests: Iterator[bytes]) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock.setblocking(False)
        self.name, self.requests = name, requests
        self.out: memoryview | None = None
        self.head, self.missing, self.begun = b"", 0, 0.0

    def send_next(self) -> bool:
        """Whether all of the next request is gone already."""
        self.begun = time.perf_counter()
        data = next(self.requests)
        sent = self._send(data)
        self.out = None if sent == len(data) else memoryview(data)[sent:]
        return self.out is None

    def send_rest(self) -> bool:
        assert self.out is not None
        sent = self._send(self.out)
        self.out = None if sent == len(self.out) else self.out[sent:]
        return self.out is None

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0

    def receive(self, buffer: bytearray) -> bool:
        """Reads what is there; whether the answer is complete."""
        got = self.sock.recv_into(buffer)
        if not got:
            raise RuntimeError("the server closed a connection")
        if self.missing:
            self.missing -= got
            return self.missing <= 0
        self.head += buffer[:got]
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self.head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"the server answered {self.head[:600]!r}")
        at = self.head.find(b"Content-Length: ")
        size = int(self.head[at + 16 : self.head.find(b"\r\n", at)])
        self.missing = end + 4 + size - len(self.head)
        self.head = b""
        return self.missing <= 0


class Runner:
    """The generator's side: keeps requests, runs samples."""

    def __init__(self) -> None:
        self.requests: dict[str, Sequence[bytes]] = {}

    def hold(self, name: str, requests: Sequence[bytes]) -> None:
        """Requests for later runs."""
        self.requests[name] = requests

    def run(self, port: int, pid: int, streams: Sequence[Stream], seconds: float) -> Sample:
        """Warms up for a fifth of the time, then measures for so many seconds."""
        sources = {stream.name: itertools.cycle(self.requests[stream.name]) for stream in streams}
        made = [Connection(port, s.name, sources[s.name]) for s in streams for _ in range(s.connections)]
        with selectors.DefaultSelector() as selector:
            for one in made:
                self._go(selector, one, one.send_next(), is_new=True)
            self._loop(selector, {s.name: [] for s in streams}, time.perf_counter() + seconds / 5)
            latencies: dict[str, list[float]] = {s.name: [] for s in streams}
            before, start = (cpu_s(pid), busy_s(), time.process_time()), time.perf_counter()
            self._loop(selector, latencies, start + seconds)
            took = time.perf_counter() - start
            server, busy, own = cpu_s(pid) - before[0], busy_s() - before[1], time.process_time() - before[2]
            anonymous = memory_mib(pid, "RssAnon")
        for one in made:
            one.sock.close()
        others = max(0.0, busy - server - own) / took
        return Sample(took, server, others, {k: len(v) for k, v in latencies.items()}, latencies, anonymous)

    def each_once(self, port: int, pid: int, name: str) -> float:
        """Every request once on one connection, twice over; the most anonymous memory that was seen, in MiB."""
        held = self.requests[name]
        one = Connection(port, name, itertools.chain(held, held))
        buffer, most = bytearray(READ_BYTES), 0.0
        one.sock.setblocking(True)
        for _ in range(2 * len(held)):
            one.sock.sendall(next(one.requests))
            while not one.receive(buffer):
                most = max(most, memory_mib(pid, "RssAnon"))
        one.sock.close()
        return max(most, memory_mib(pid, "RssAnon"))

    @staticmethod
    def _go(selector: selectors.BaseSelector, one: Connection, is_sent: bool, *, is_new: bool = False) -> None:
        events = selectors.EVENT_READ if is_sent else selectors.EVENT_READ | selectors.EVENT_WRITE
        (selector.register if is_new else selector.modify)(one.sock, events, one)

    def _loop(self, selector: selectors.BaseSelector, latencies: dict[str, list[float]], until: float) -> None:
        buffer, clock = bytearray(READ_BYTES), time.perf_counter
        while clock() < until:
            for key, events in selector.select(1.0):
                one: Connection = key.data
                if events & selectors.EVENT_WRITE and one.send_rest():
                    self._go(selector, one, True)
                if events & selectors.EVENT_READ and one.receive(buffer):
                    latencies[one.name].append(clock() - one.begun)
                    if not one.send_next():
                        self._go(selector, one, False)


class Generator:
    """The benchmark's handle on the generator process."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def hold(self, name: str, requests: Sequence[bytes]) -> None:
        self._ask("hold", name, requests)

    def run(self, port: int, pid: int, streams: Sequence[Stream], *, seconds: float) -> Sample:
        sample: Sample = self._ask("run", port, pid, streams, seconds)
        return sample

    def each_once(self, port: int, pid: int, name: str) -> float:
        most: float = self._ask("each_once", port, pid, name)
        return most

    def _ask(self, name: str, *arguments: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump((name, arguments), self._process.stdin)
        self._process.stdin.flush()
        answer = pickle.load(self._process.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextlib.contextmanager
def generator(core: int) -> Iterator[Generator]:
    """A generator process on its core, until the block ends."""
    with tempfile.TemporaryDirectory() as home:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment(home),
            preexec_fn=pinned(core),
        )
        try:
            yield Generator(process)
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with contextlib.suppress(BrokenPipeError):  # it died with a command on its way
                        pipe.close()


def main() -> None:
    """Answers commands until its input ends."""
    runner = Runner()
    while True:
        try:
            name, arguments = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = getattr(runner, name)(*arguments)
        except Exception as error:  # passed on to the benchmark, which raises it
            answer = RuntimeError(f"{type(error).__name__}: {error}")
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    # Under its own name, so that pickled values are of the classes the benchmark knows.
    from tests.bench import load

    load.main()

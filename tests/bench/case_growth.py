"""Many recordings against few: processor time of a call, time until ready, memory; and large recordings."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from . import signed, tapes
from .case_small import compare, middle, ratio
from .machine import memory_mib
from .plan import Bench
from .servers import floor, replaying, started
from .table import Row, at_most

FEW = 10
SPREAD = 1_000  # recordings that the requests of the large cassette are spread over, evenly drawn from all
START_ROUNDS = 9


def rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """Needs most of the benchmark's time to write its cassette."""
    few, many = tapes.small(folder / "few.tape", FEW), tapes.small(folder / "many.tape", bench.many)
    yield from _per_call(bench, few, many)
    yield from _ready(bench, few, many)
    yield from _large(bench, folder)


def _per_call(bench: Bench, few: Path, many: Path) -> Iterator[Row]:
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(started(replaying(path), bench.cores.server))
            for name, path in (("few", few), ("many", many))
        }
        drawn = random.Random(7).sample(range(bench.many), min(SPREAD, bench.many))
        for name, numbers in (("few", list(range(FEW))), ("many", drawn)):
            bodies = [signed.body_of(number) for number in numbers]
            one = servers[name]
            bench.load.hold("warm", signed.requests(one.port, bodies, len(bodies)))
            bench.load.each_once(one.port, one.pid, "warm")
            bench.load.hold(f"spread {name}", signed.requests(one.port, bodies, bench.requests_count))
        rounds = compare(bench, servers, "spread")
    cpu = ratio(rounds, "many", "few", "cpu_us")
    detail = f"{middle(rounds, 'many', 'cpu_us'):.1f} against {middle(rounds, 'few', 'cpu_us'):.1f} µs a call"
    yield at_most(f"processor time of a call, {bench.many:,} recordings, times {FEW}", cpu, 1.1, detail=detail)


def _ready(bench: Bench, few: Path, many: Path) -> Iterator[Row]:
    commands = {"many": replaying(many), "few": replaying(few), "aiohttp": floor("aiohttp")}
    took: dict[str, list[float]] = {name: [] for name in commands}
    resident = 0.0
    for _ in range(1 if bench.is_quick else START_ROUNDS):
        for name, command in commands.items():
            with started(command, bench.cores.server) as one:
                took[name].append(one.ready_s)
                if name == "many":
                    resident = max(resident, memory_mib(one.pid))
    ready = {name: median(values) for name, values in took.items()}
    over = median(a / b for a, b in zip(took["many"], took["aiohttp"], strict=True))
    detail = ", ".join(f"{name} {value * 1e3:.0f} ms" for name, value in ready.items())
    yield at_most(f"ready with {bench.many:,} recordings of 1 KiB, times bare aiohttp", over, 2.0, detail=detail)
    yield at_most(f"resident when ready, {bench.many:,} recordings", resident, 100, unit=" MiB")


def _large(bench: Bench, folder: Path) -> Iterator[Row]:
    path = tapes.large_answers(folder / "large.tape", bench.large, bench.large_bytes)
    with started(replaying(path), bench.cores.server) as one:
        bodies = [signed.body_of(number) for number in range(bench.large)]
        bench.load.hold("large", signed.requests(one.port, bodies, bench.large))
        most = bench.load.each_once(one.port, one.pid, "large")
        resident = memory_mib(one.pid)
    name = f"anonymous memory while {bench.large} recordings of {bench.large_bytes >> 20} MiB are served"
    yield at_most(name, most, 60, unit=" MiB", detail=f"resident, mapped file included: {resident:.0f} MiB")

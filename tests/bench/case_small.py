"""Small calls: 1 KiB in and out, 64 connections, strict verification, beside the two floors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from . import signed, tapes
from .load import Sample, Stream
from .machine import QUIET_SHARE
from .plan import Bench
from .servers import Server, floor, replaying, started
from .table import Row, at_least, at_most

RECORDINGS = 100
CONNECTIONS = 64
STARTS = 5  # one process is up to half as fast again as another of the same code, likely by where its objects lie
ROUNDS = 2  # for each start


def quiet(rounds: Sequence[dict[str, Sample]]) -> list[dict[str, Sample]]:
    """The rounds in which others took little; the quieter half where they always took more."""
    found = sorted(rounds, key=lambda one: max(sample.others for sample in one.values()))
    calm = [one for one in found if max(sample.others for sample in one.values()) <= QUIET_SHARE]
    return calm or found[: (len(found) + 1) // 2]


def compare(bench: Bench, servers: dict[str, Server], stream: str) -> list[dict[str, Sample]]:
    """Rounds over all servers in turn, the quiet ones."""
    return quiet(rounds_over(bench, servers, stream, rounds=bench.rounds))


def rounds_over(bench: Bench, servers: dict[str, Server], stream: str, *, rounds: int) -> list[dict[str, Sample]]:
    """So many rounds over all servers in turn, whatever others did meanwhile."""
    return [
        {
            name: bench.load.run(one.port, one.pid, [Stream(f"{stream} {name}", CONNECTIONS)], seconds=bench.sample_s)
            for name, one in servers.items()
        }
        for _ in range(rounds)
    ]


def ratio(rounds: Sequence[dict[str, Sample]], name: str, other: str, field: str) -> float:
    """Median over the rounds of one server's figure over another's in the same round."""
    return median(getattr(one[name], field) / getattr(one[other], field) for one in rounds)


def middle(rounds: Sequence[dict[str, Sample]], name: str, field: str) -> float:
    """Median of one server's figure."""
    return median(getattr(one[name], field) for one in rounds)


def rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """Against the floors, then many recordings against few."""
    tape = tapes.small(folder / "small.tape", RECORDINGS)
    bodies = [signed.body_of(number) for number in range(RECORDINGS)]
    commands = {"ours": replaying(tape), "aiohttp": floor("aiohttp"), "raw": floor("raw")}
    rounds: list[dict[str, Sample]] = []
    for _ in range(1 if bench.is_quick else STARTS):
        with ExitStack() as stack:
            servers = {name: stack.enter_context(started(c, bench.cores.server)) for name, c in commands.items()}
            for name, one in servers.items():
                bench.load.hold(f"small {name}", signed.requests(one.port, bodies, bench.requests_count))
            rounds += rounds_over(bench, servers, "small", rounds=1 if bench.is_quick else ROUNDS)
    rounds = quiet(rounds)
    yield from _against_floors(rounds)


def _against_floors(rounds: Sequence[dict[str, Sample]]) -> Iterator[Row]:
    def shown(field: str, unit: str) -> str:
        return ", ".join(f"{name} {middle(rounds, name, field):,.0f}" for name in rounds[0]) + f" {unit}"

    others = median(max(sample.others for sample in one.values()) for one in rounds)
    detail = f"{shown('rate', 'requests/s')}; others took {others:.2f} of a core"
    by_round = sorted(one["ours"].rate / one["aiohttp"].rate for one in rounds)
    detail += f"; {len(by_round)} rounds from {by_round[0]:.2f} to {by_round[-1]:.2f}"
    yield at_least(
        "small calls per second, times bare aiohttp", ratio(rounds, "ours", "aiohttp", "rate"), 0.6, detail=detail
    )
    cpu = ratio(rounds, "ours", "aiohttp", "cpu_us")
    yield at_most("processor time of a small call, times bare aiohttp", cpu, 1 / 0.6, detail=shown("cpu_us", "µs"))
    raw = ratio(rounds, "ours", "raw", "rate")
    yield Row("small calls per second, times a raw protocol", f"{raw:.2f}")
    p50, p99 = (
        ", ".join(f"{n} {median(one[n].percentile(f'small {n}', q) for one in rounds) * 1e3:.2f}" for n in rounds[0])
        for q in (0.5, 0.99)
    )
    yield Row(f"latency of a small call, {CONNECTIONS} connections", "", detail=f"p50 {p50} ms; p99 {p99} ms")

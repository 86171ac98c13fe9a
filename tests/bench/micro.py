"""The rows of the benchmarks of single parts, which run alone too: `python tests/bench/bench_<name>.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from . import bench_decide, bench_matching, bench_scan, bench_sigv4, bench_store
from .plan import Bench
from .table import Row


def signature_rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """Verification against its floor and against botocore's signer."""
    if bench.is_quick:
        bench_sigv4.ROUNDS = 3
    for case, measured, target in bench_sigv4.rows():
        ratio = float(measured.split()[0])
        sign, ceiling = target.split()
        met = ratio <= float(ceiling) if sign == "<=" else ratio >= float(ceiling)
        yield Row(case, f"{ratio:.2f}", target, met, measured.partition(" ")[2].strip("()"))


def part_rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """Keys, the secret scan, the store, a decision. They take a minute, so not in a quick run."""
    if bench.is_quick:
        return
    for case, measured, target in bench_matching.rows(rounds=9):
        yield Row(case, "", target, detail=measured)
    for case, size, took_us, hash_us in bench_scan.rows():
        yield Row(f"{case}, {size:,} B, times its SHA-256", f"{took_us / hash_us:.1f}", detail=f"{took_us:,.1f} µs")
    for case, measured, relative in bench_store.rows():
        yield Row(f"store: {case}", relative, detail=measured)
    figures = bench_decide.measure()
    base = figures["cassette only"]
    for case, took_us in figures.items():
        yield Row(f"`decide`, {case}, times cassette only", f"{took_us / base:.2f}", detail=f"{took_us:.1f} µs")

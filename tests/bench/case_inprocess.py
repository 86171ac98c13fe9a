"""Calls answered inside the process, over the least that any handler costs, and what the plugin costs when unused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from .machine import pinned
from .plan import Bench
from .servers import ROOT, environment
from .table import Row, at_least, at_most

ROUNDS = 7
CALLS = 1000
OVER_FLOOR = 0.7  # of a handler that returns a constant
OVER_MOTO = 1.5
IMPORT_CEILING = 3  # times `python -c pass`


def rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """Rounds of all ways in turn, then the import."""
    rounds = [_round(bench, folder) for _ in range(1 if bench.is_quick else ROUNDS)]
    yield _against(rounds, "floor", OVER_FLOOR)
    if "moto" in rounds[0]:
        yield _against(rounds, "moto", OVER_MOTO)
    else:
        yield Row("`attach` calls, times moto's decorator", "-", f">= {OVER_MOTO:g}", None, "moto is not installed")
    stub = median(one["attach"] / one["Stubber"] for one in rounds)
    yield Row("`attach` calls, times Stubber", f"{stub:.2f}", detail="Stubber makes no request at all")
    yield _import_row(bench, folder)


def _round(bench: Bench, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.bench.inprocess_calls", str(30 if bench.is_quick else CALLS)]
    done = subprocess.run(
        command,
        capture_output=True,
        check=True,
        cwd=ROOT,
        env=_environ(folder),
        preexec_fn=pinned(bench.cores.server),
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _environ(folder: Path) -> dict[str, str]:
    path = os.pathsep.join(str(place) for place in (ROOT / "emulator", ROOT / "client", ROOT))
    return {**environment(str(folder)), "PYTHONPATH": path}


def _against(rounds: list[dict[str, float]], name: str, target: float) -> Row:
    ratio = median(one["attach"] / one[name] for one in rounds)
    words = {"floor": "a constant before-send handler", "moto": "moto's decorator"}
    rate, other = (median(one[key] for one in rounds) for key in ("attach", name))
    detail = f"{rate:.0f} against {other:.0f} calls/s"
    return at_least(f"`attach` calls, times {words[name]}", ratio, target, detail=detail)


def _import_row(bench: Bench, folder: Path) -> Row:
    """What the plugin adds to pytest's start, over a Python that does nothing."""
    programs = {"pass": "pass", "pytest": "import pytest", "plugin": "import pytest, sagetape.testing"}
    took: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(2 if bench.is_quick else ROUNDS * 2):
        for name, code in programs.items():
            start = time.perf_counter()
            subprocess.run(
                [sys.executable, "-c", code],
                check=True,
                cwd=folder,
                env=_environ(folder),
                preexec_fn=pinned(bench.cores.server),
            )
            took[name].append(time.perf_counter() - start)
    least = {name: min(times) for name, times in took.items()}  # a busy machine only ever adds
    added = max(least["plugin"] - least["pytest"], 0.0)
    ratio = (least["pass"] + added) / least["pass"]
    detail = f"adds {added * 1e3:.1f} ms to importing pytest"
    return at_most("unused plugin, times `python -c pass`", ratio, IMPORT_CEILING, detail=detail)

"""`python -m tests.bench`: one run, one Markdown table. `--quick` runs every case small, to see that it works."""

from __future__ import annotations

import argparse
import datetime
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from .servers import ROOT

for folder in ("client", "emulator"):  # a checkout that was not installed runs too
    sys.path.insert(0, str(ROOT / folder))

from . import case_cli, case_growth, case_inprocess, case_recording, case_small, case_uploads, micro  # noqa: E402
from .load import generator  # noqa: E402
from .machine import busy_s, description, pick_cores  # noqa: E402
from .plan import Bench  # noqa: E402
from .table import HEAD, Row, line  # noqa: E402

CASES: dict[str, Callable[[Bench, Path], Iterator[Row]]] = {
    "small": case_small.rows,
    "growth": case_growth.rows,
    "uploads": case_uploads.rows,
    "recording": case_recording.rows,
    "signature": micro.signature_rows,
    "cli": case_cli.rows,
    "in-process": case_inprocess.rows,
    "parts": micro.part_rows,
}


def main() -> int:
    """Prints the table as it grows. The exit code says nothing of the figures: a benchmark is no test."""
    if not sys.platform.startswith("linux"):
        print("make bench reads /proc and pins processes to cores, so it runs on Linux only.", file=sys.stderr)
        return 2
    given = _arguments()
    cores = pick_cores()
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, {description()}.")
    print(
        f"Server on core {cores.server}, load on core {cores.load}; others took {idle_share():.2f} of a core before.\n"
    )
    print("\n".join(HEAD), flush=True)
    with generator(cores.load) as load, tempfile.TemporaryDirectory(prefix="sagetape-bench-") as scratch:
        bench = _plan(load, cores, is_quick=given.quick)
        for name in given.only or CASES:
            folder = Path(scratch) / name
            folder.mkdir()
            for row in CASES[name](bench, folder):
                print(line(row), flush=True)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    parser.add_argument("--only", action="append", choices=tuple(CASES), help="this case; may be repeated")
    return parser.parse_args()


def _plan(load, cores, *, is_quick: bool) -> Bench:  # type: ignore[no-untyped-def]
    if is_quick:
        return Bench(load, cores, 1, 0.1, 300, 60, 3, 1 << 20, 1 << 20, 4, is_quick=True)
    return Bench(load, cores, 7, 1.5, 30_000, 100_000, 200, 5 << 20, 6 << 20, 200)


def idle_share() -> float:
    """How much of a core others take while this waits: the median of a few short looks."""
    seen = []
    for _ in range(5):
        before, start = busy_s(), time.perf_counter()
        time.sleep(0.1)
        seen.append((busy_s() - before) / (time.perf_counter() - start))
    return median(seen)


if __name__ == "__main__":
    sys.exit(main())

"""What opening and appending cost: time and memory of 10 against 100,000 interactions, and of large ones.

Each figure of opening is taken in a process of its own, the minimum of several rounds; memory is what opening adds to a
process that has imported the store. Run it alone: `python tests/bench/bench_store.py`.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sagetape.core.wire import Call, Interaction, Provenance, whole
from sagetape.shell.store import Cassette

ROUNDS = 5
ORIGIN = Provenance(1.0, "aws", "0.1.0")
JSON = (("Content-Type", "application/json"),)

OPEN = """
import json, sys, time
from sagetape.shell.store import Cassette
def memory():
    rows = dict(line.split(":") for line in open("/proc/self/status") if ":" in line)
    return [int(rows[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")]
before = memory()
start, cpu = time.perf_counter(), time.process_time()
cassette = Cassette.open(sys.argv[1])
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
after = memory()
if sys.argv[2] == "all":
    for number in cassette.numbers():
        cassette.script(number)
served = memory()
key = cassette.key(len(cassette) // 2)
rounds = []
for _ in range(200):
    start = time.perf_counter()
    for _ in range(100):
        cassette.takes(key)
    rounds.append((time.perf_counter() - start) / 100)
print(json.dumps([wall, cpu, after[0] - before[0], served[1] - before[1], min(rounds)]))
"""


def make(path: Path, count: int, body_bytes: int) -> float:
    """Records a cassette; seconds of processor time for each append, the best of ten parts."""
    rounds: list[float] = []
    with Cassette.open(path, writable=True) as cassette:
        part = max(count // 10, 1)
        for first in range(0, count, part):
            ready = [_interaction(number, body_bytes) for number in range(first, min(first + part, count))]
            start = time.process_time()
            for key, one in ready:
                cassette.append(one, key)
            rounds.append((time.process_time() - start) / len(ready))
    return min(rounds)


def _interaction(number: int, body_bytes: int) -> tuple[bytes, Interaction]:
    body = os.urandom(body_bytes)
    call = Call(
        "InvokeEndpoint", "churn", {"ContentType": "application/json"}, body[:1024], hashlib.sha256(body).digest()
    )
    key = hashlib.blake2b(number.to_bytes(8, "big"), digest_size=16).digest()
    return key, Interaction(call, whole(200, JSON, body), ORIGIN)


def opened(path: Path, *, reads: str = "none") -> list[float]:
    """Wall and processor seconds, MiB added resident, MiB added anonymous after reading, seconds of a lookup."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    best: list[float] = []
    for _ in range(ROUNDS):
        out = subprocess.run(
            [sys.executable, "-c", OPEN, str(path), reads], capture_output=True, check=True, env=environment
        )
        found: list[float] = json.loads(out.stdout)
        best = [min(pair) for pair in zip(best, found, strict=True)] if best else found
    return best


def rows(*, counts: tuple[int, ...] = (10, 100_000), large: int = 200, large_bytes: int = 5 * 2**20) -> list[list[str]]:
    """The table's rows: what, measured, relative to the smallest cassette."""
    with tempfile.TemporaryDirectory() as folder:
        found: list[list[str]] = []
        base: list[float] = []
        for count in counts:
            path = Path(folder) / f"{count}.tape"
            append_s = make(path, count, 1024)
            wall, cpu, resident, _, lookup = one = opened(path)
            base = base or one
            name = f"{count:,} x 1 KiB"
            found.append([f"open {name}", f"{wall * 1e3:.1f} ms", f"{wall / base[0]:.1f}"])
            found.append([f"open {name}, processor", f"{cpu * 1e3:.1f} ms", f"{cpu / base[1]:.1f}"])
            found.append([f"open {name}, resident added", f"{resident:.1f} MiB", ""])
            found.append([f"lookup in {name}", f"{lookup * 1e6:.2f} µs", f"{lookup / base[4]:.2f}"])
            found.append([f"append to {name}, processor", f"{append_s * 1e6:.0f} µs", ""])
            os.truncate(path, path.stat().st_size - 1)
            found.append([f"open {name} without index", f"{opened(path)[0] * 1e3:.1f} ms", ""])
        path = Path(folder) / "large.tape"
        make(path, large, large_bytes)
        wall, _, _, anonymous, _ = opened(path, reads="all")
        name = f"{large} x {large_bytes / 2**20:.0f} MiB"
        found.append([f"open {name}", f"{wall * 1e3:.1f} ms", f"{wall / base[0]:.1f}"])
        found.append([f"read all of {name}, anonymous added", f"{anonymous:.1f} MiB", ""])
        return found


def main() -> None:
    """Prints the table."""
    print("| what | measured | relative |\n|---|---:|---:|")
    for row in rows():
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()

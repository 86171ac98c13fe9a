"""Measures the secret scan against the SHA-256 of the same body, and the scrubbing of a call that needs none.

`python tests/bench/bench_scan.py` prints the table; `rows()` gives it as data. The fastest of some rounds is taken,
because other programs on the machine only ever add.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulator"))

from sagetape.core.scrub import Scrubber, ScrubRules
from sagetape.core.secrets import Scanner
from sagetape.core.wire import Call

ROUNDS = 5
SIZES = (1024, 65_536, 6 * 1024 * 1024)
LIVE = ("wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzSECRET", "IQoJ" + "b3JpZ2luX2VjE" * 40)


def bodies(size: int) -> Iterator[tuple[str, bytes]]:
    """What is sent to models and what they answer, of about this many bytes."""
    draw = random.Random(1)
    yield "random bytes", draw.randbytes(size)
    yield "float32", struct.pack(f"<{size // 4}f", *(draw.gauss(0, 1) for _ in range(size // 4)))
    yield "numbers as JSON", json.dumps({"e": [draw.gauss(0, 0.05) for _ in range(size // 22)]}).encode()
    yield (
        "text as JSON",
        json.dumps({"inputs": 'The quick brown fox, jumps over "the" lazy dög. ' * (size // 50)}).encode(),
    )
    yield "base64 in JSON", json.dumps({"image": base64.b64encode(draw.randbytes(size * 3 // 4)).decode()}).encode()


def fastest_us(work: Callable[[], object], *, repeats: int) -> float:
    """Microseconds of one call, the best of the rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        best = min(best, (time.perf_counter() - start) / repeats)
    return best * 1e6


def rows() -> list[tuple[str, int, float, float]]:
    """Name, body bytes, microseconds of the work, microseconds of the body's SHA-256."""
    scanner, table = Scanner(LIVE), []
    for size in SIZES:
        repeats = max(1, 50_000 // size)
        for name, body in bodies(size):
            scan = fastest_us(lambda body=body: scanner.scan(body, place="body"), repeats=repeats)  # type: ignore[misc]
            hashed = fastest_us(lambda body=body: hashlib.sha256(body), repeats=repeats)  # type: ignore[misc]
            table.append((f"scan, {name}", len(body), scan, hashed))
    scrubber = Scrubber(ScrubRules(), account="111122223333")
    body = json.dumps({"inputs": "x" * 1000}).encode()
    members = {
        "ContentType": "application/json",
        "Accept": "*/*",
        "TargetModel": "de.tar.gz",
        "CustomAttributes": "a=1",
    }
    call = Call("InvokeEndpoint", "churn", members, body, hashlib.sha256(body).digest())
    scrub = fastest_us(lambda: scrubber.call(call), repeats=2000)
    table.append(
        ("scrub a call, nothing to do", len(body), scrub, fastest_us(lambda: hashlib.sha256(body), repeats=2000))
    )
    return table


if __name__ == "__main__":
    for name, size, work_us, hash_us in rows():
        print(f"{name:30s} {size:9d} B {work_us:10.1f} us  {work_us / hash_us:6.1f} x its SHA-256")

"""Measures what finding a recording costs before the dictionary is asked: the key of a call.

Floor: the SHA-256 of the same body, which is computed in any case while it arrives. All cases run in turn, round after
round, so that a busy machine slows them alike; the medians of the rounds are compared.
`python tests/bench/bench_matching.py` prints the table.
"""

from __future__ import annotations

import hashlib
import json
import random
import statistics
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulator"))

from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.wire import Call

ROUNDS = 31
MEMBERS = {"Accept": "application/json", "TargetModel": "models/de.tar.gz", "CustomAttributes": "trace=0123456789"}


def call(body: bytes, content_type: str) -> Call:
    """A call as the front end makes it."""
    return Call("InvokeEndpoint", "churn", MEMBERS | {"ContentType": content_type}, body, hashlib.sha256(body).digest())


def bodies() -> dict[str, tuple[bytes, str]]:
    """Bodies of the sizes and kinds that clients send."""
    chance = random.Random(7)
    numbers = [chance.random() for _ in range(300_000)]
    record = {"inputs": "word " * 190, "parameters": {"temperature": 0.7, "top_k": 50, "stop": ["a", "b"]}}
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (262144,), }".ljust(117) + "\n"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return {
        "JSON, 1 KiB": (json.dumps(record).encode(), "application/json"),
        "JSON of numbers, 6 MiB": (json.dumps(numbers).encode(), "application/json"),
        "CSV of numbers, 6 MiB": (b"\n".join(b"%f,%f,%f" % (a, a, a) for a in numbers[:230_000]), "text/csv"),
        "npy, 1 MiB": (npy + struct.pack("<262144f", *numbers[:262144]), "application/x-npy"),
        "bytes, 6 MiB": (chance.randbytes(6 * 2**20), "application/octet-stream"),
    }


def timed(function: Callable[[], object], repeat: int) -> float:
    """Seconds of one call, from the processor time of `repeat` of them."""
    start = time.process_time()
    for _ in range(repeat):
        function()
    return (time.process_time() - start) / repeat


def measure(body: bytes, content_type: str, *, rounds: int) -> tuple[float, float, float]:
    """Median seconds: SHA-256 of the body, key of a body not seen before, key of one seen before."""
    asked, repeat = call(body, content_type), 200 if len(body) < 10_000 else 1
    warm = Matcher(MatchRules())
    warm.key(asked)
    fresh = [Matcher(MatchRules()) for _ in range(repeat)]
    samples = []
    for _ in range(rounds):
        fresh = [Matcher(MatchRules()) for _ in range(repeat)]
        unseen = iter(fresh)
        samples.append(
            (
                timed(lambda: hashlib.sha256(body).digest(), repeat),
                timed(lambda unseen=unseen: next(unseen).key(asked), repeat),  # type: ignore[misc]
                timed(lambda: warm.key(asked), 1000),
            )
        )
    sha, first, again = (statistics.median(column) for column in zip(*samples, strict=True))
    return sha, first, again


def rows(*, rounds: int = ROUNDS) -> list[tuple[str, str, str]]:
    """Rows of the report: case, measured, target (none is set for the key alone)."""
    report = []
    for name, (body, content_type) in bodies().items():
        sha, first, again = measure(body, content_type, rounds=rounds if len(body) < 2**20 else min(rounds, 5))
        measured = f"{first * 1e6:,.1f} µs first, {again * 1e6:.1f} µs again (SHA-256 of the body: {sha * 1e6:,.1f} µs)"
        report.append((f"key of a call, {name}", measured, ""))
    return report


if __name__ == "__main__":
    print("| measured | result | target |\n|---|---|---|")
    for row in rows():
        print(f"| {' | '.join(row)} |")

"""Size and opening time of cassettes, before and after: python -m tests.soak.measure_cassettes prints the tables."""

from __future__ import annotations

import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sagetape.core.wire import Call, Interaction, Provenance, whole
from sagetape.shell.files import REAL
from sagetape.shell.store import Cassette, compact
from sagetape.shell.store.creation import open_existing

JSON = (("Content-Type", "application/json"),)
ROUNDS = 5


def call(number: int, body: bytes, answer: bytes) -> tuple[Interaction, bytes]:
    """An interaction and its key."""
    asked = Call("InvokeEndpoint", "embed", {"ContentType": "application/json"}, body, hashlib.sha256(body).digest())
    key = hashlib.blake2b(b"%d" % number, digest_size=16).digest()
    return Interaction(asked, whole(200, JSON, answer), Provenance(1.0, "aws", "0.1.0")), key


def embedding(chance: random.Random, dimensions: int = 1536) -> bytes:
    """What a text-embedding container answers: about 20 bytes for each number."""
    return json.dumps({"embedding": [chance.gauss(0, 0.03) for _ in range(dimensions)]}).encode()


def embeddings(path: Path, *, calls: int, texts: int) -> int:
    """Records calls about a few texts; bytes of all bodies."""
    chance = random.Random(7)
    answers = [embedding(chance) for _ in range(texts)]
    total = 0
    with Cassette.open(path, writable=True) as cassette:
        for number in range(calls):
            body = json.dumps({"inputs": f"text {number % texts}", "call": number}).encode()
            cassette.append(*call(number, body, answers[number % texts]))
            total += len(body) + len(answers[number % texts])
    return total


def many(path: Path, count: int, *, is_killed: bool) -> list[float]:
    """Small distinct calls; closed cleanly or left behind. Milliseconds of processor time of each append."""
    spent: list[float] = []
    cassette = Cassette.open(path, writable=True)
    first, _ = call(0, b"{}", b"")
    for number in range(count):
        body = b'{"row": %d}' % number
        answer = whole(200, JSON, b'{"score": %d}' % number * 20)
        one = replace(first, call=replace(first.call, body=body), script=answer)
        key, start = hashlib.blake2b(b"%d" % number, digest_size=16).digest(), time.process_time()
        cassette.append(one, key)
        spent.append((time.process_time() - start) * 1e3)
    if is_killed:
        cassette.discard()
    else:
        cassette.close()
    return spent


def best_ms(work: Callable[[], None]) -> float:
    """The shortest of some rounds, in milliseconds of processor time."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.process_time()
        work()
        rounds.append(time.process_time() - start)
    return min(rounds) * 1e3


def opened(path: Path) -> None:
    """Opens and reads one interaction."""
    with Cassette.open(path) as cassette:
        if len(cassette):
            cassette.read(len(cassette) // 2)


def walked(path: Path) -> None:
    """Opens as if there were neither index nor checkpoints."""
    open_existing(REAL, os.fspath(path), max_body_bytes=2**28, use_index=False).tape.close()


def size_row(folder: Path) -> str:
    """60 MB of repeated embeddings."""
    path = folder / "embeddings.tape"
    total = embeddings(path, calls=1900, texts=40)
    recorded = path.stat().st_size
    compact(path)
    after = path.stat().st_size
    return f"| {total / 1e6:.1f} MB | {recorded / 1e6:.2f} MB | {after / 1e6:.2f} MB |"


def main(count: int = 100_000) -> None:
    """Prints both tables."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sys.stdout.write("| bodies | recorded | compacted |\n|---:|---:|---:|\n" + size_row(folder) + "\n\n")
        many(folder / "one.tape", 1, is_killed=False)
        spent = many(folder / "killed.tape", count * 7 // 5, is_killed=True)
        longest = f"{max(spent):.1f} ms, median {sorted(spent)[len(spent) // 2]:.3f} ms"
        sys.stdout.write(f"longest of {len(spent)} appends: {longest}\n\n")
        (folder / "killed.tape").unlink()
        many(folder / "killed.tape", count, is_killed=True)
        many(folder / "closed.tape", count, is_killed=False)
        sys.stdout.write("| cassette | opened | without index and checkpoints |\n|---|---:|---:|\n")
        for shown in ("one", "closed", "killed"):
            path = folder / f"{shown}.tape"
            row = (
                f"| {shown} | {best_ms(lambda p=path: opened(p)):.1f} ms | {best_ms(lambda p=path: walked(p)):.1f} ms |"  # type: ignore[misc]
            )
            sys.stdout.write(row + "\n")


if __name__ == "__main__":
    main()

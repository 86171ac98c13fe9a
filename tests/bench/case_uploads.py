"""Large uploads: their processor time over that of their SHA-256, and what small calls beside them wait."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from . import signed, tapes
from .load import Sample, Stream
from .machine import pinned
from .plan import Bench
from .servers import Server, environment, floor, replaying, started
from .table import Row, at_most

UPLOADERS = 4
BESIDE = 2  # uploaders beside the small calls
UPLOADS = 24  # requests held; large, so few
OCTETS = "application/octet-stream"

HASH = """
import hashlib, sys, time
body = bytes(int(sys.argv[1]))
hashlib.sha256(body)
start = time.process_time()
for _ in range(int(sys.argv[2])):
    hashlib.sha256(body).digest()
print((time.process_time() - start) / int(sys.argv[2]))
"""


def hash_s(bench: Bench) -> float:
    """Seconds of processor time of one SHA-256 of an upload, on the server's core."""
    out = subprocess.run(
        [sys.executable, "-c", HASH, str(bench.upload_bytes), "1" if bench.is_quick else "60"],
        capture_output=True,
        check=True,
        preexec_fn=pinned(bench.cores.server),
        env=environment("/"),
    )
    return float(out.stdout)


def rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """Octets, then JSON of the same size, whose meaning is its key."""
    octets = random.Random(7).randbytes(bench.upload_bytes)
    path = tapes.large_request(folder / "upload.tape", octets, content_type=OCTETS)
    with ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(started(replaying(path), bench.cores.server)),
            "aiohttp": stack.enter_context(started(floor("aiohttp"), bench.cores.server)),
        }
        hashing = stack.enter_context(started(floor("hashing"), bench.cores.server))
        _hold(bench, "hashing", hashing, [octets], OCTETS)
        for name, one in servers.items():
            _hold(bench, name, one, [octets], OCTETS)
        hashes, samples, floors = _uploads(bench, servers["ours"], hashing)
        once = median(hashes)
        name = f"processor time of a {bench.upload_bytes >> 20} MiB upload, times"
        detail = f"{_ms(samples):.2f} against {once * 1e3:.2f} ms"
        yield at_most(f"{name} its SHA-256", _over(samples, hashes), 1.6, detail=detail)
        detail = f"{_ms(floors):.2f} against {once * 1e3:.2f} ms; keeps and hashes the body, and does nothing else"
        yield Row(f"the floor of this: {name} its SHA-256", f"{_over(floors, hashes):.2f}", detail=detail)
        yield from _beside(bench, servers, once, "octets")
    yield from _json(bench, folder, once)


def _hold(bench: Bench, name: str, one: Server, bodies: list[bytes], content_type: str) -> None:
    uploads = signed.requests(one.port, bodies, UPLOADS // (6 if bench.is_quick else 1), content_type=content_type)
    bench.load.hold(f"upload {name}", uploads)
    bench.load.hold(f"beside {name}", signed.requests(one.port, [signed.body_of(0)], 400))


def _uploads(bench: Bench, ours: Server, hashing: Server) -> tuple[list[float], list[Sample], list[Sample]]:
    """One SHA-256 in seconds, and a sample of both servers, in each round."""
    hashes: list[float] = []
    samples: dict[str, list[Sample]] = {"ours": [], "hashing": []}
    for _ in range(bench.rounds):
        hashes.append(hash_s(bench))
        for name, one in (("ours", ours), ("hashing", hashing)):
            streams = [Stream(f"upload {name}", UPLOADERS)]
            samples[name].append(bench.load.run(one.port, one.pid, streams, seconds=bench.sample_s))
    return hashes, samples["ours"], samples["hashing"]


def _ms(samples: list[Sample]) -> float:
    return median(sample.cpu_us for sample in samples) / 1e3


def _over(samples: list[Sample], hashes: list[float]) -> float:
    return median(sample.cpu_s / sample.count / hashed for sample, hashed in zip(samples, hashes, strict=True))


def _mixed(bench: Bench, name: str, one: Server) -> Sample:
    streams = [Stream(f"upload {name}", BESIDE), Stream(f"beside {name}", 1)]
    return bench.load.run(one.port, one.pid, streams, seconds=bench.sample_s)


def _beside(bench: Bench, servers: dict[str, Server], once: float, kind: str) -> Iterator[Row]:
    rounds = [{name: _mixed(bench, name, one) for name, one in servers.items()} for _ in range(bench.rounds)]
    waits = {
        name: [median(one[name].percentile(f"beside {name}", share) for one in rounds) for share in (0.5, 0.99)]
        for name in servers
    }
    detail = "; ".join(f"{n}: p50 {p50 * 1e3:.1f}, p99 {p99 * 1e3:.1f} ms" for n, (p50, p99) in waits.items())
    name = f"a small call beside {BESIDE} uploads of {kind}: median wait, times one SHA-256 of an upload"
    yield at_most(name, waits["ours"][0] / once, 1.0, detail=detail)


def _json(bench: Bench, folder: Path, once: float) -> Iterator[Row]:
    """Each body is new to the server, so that nothing is remembered of its meaning."""
    bodies = [_numbers(seed, bench.upload_bytes) for seed in range(2 if bench.is_quick else UPLOADS)]
    path = tapes.write(
        folder / "json.tape",
        len(bodies) + 1,
        lambda n: tapes.interaction(bodies[n] if n < len(bodies) else signed.body_of(0), b'{"label":"stays"}'),
    )
    with started(replaying(path), bench.cores.server) as one:
        bench.load.hold("upload json", signed.requests(one.port, bodies, len(bodies)))
        bench.load.hold("beside json", signed.requests(one.port, [signed.body_of(0)], 400))
        sample = _mixed(bench, "json", one)
    small = [sample.percentile("beside json", share) * 1e3 for share in (0.5, 0.99, 1.0)]
    detail = f"p99 {small[1]:.1f}, longest {small[2]:.0f} ms; each body new to the server"
    name = f"a small call beside {BESIDE} uploads of JSON numbers: median wait, times one SHA-256 of an upload"
    yield at_most(name, small[0] / 1e3 / once, 1.0, detail=detail)


def _numbers(seed: int, size: int) -> bytes:
    chance = random.Random(seed)
    return json.dumps([chance.random() for _ in range(size // 21)]).encode()

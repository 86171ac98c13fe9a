"""What recording adds to a small call, beside what vcrpy adds to the same call in the same run.

The upstream is the raw floor, so that nearly all of a call is client and recorder. vcrpy is installed into a folder
that lives as long as this case; where that fails the row says so.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from .machine import pinned
from .plan import Bench
from .servers import ROOT, Server, environment, floor, sagetape, started
from .table import Row

CLIENT = Path(__file__).with_name("recording_client.py")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "AWS_DEFAULT_REGION": "us-east-1",
}
INSTALL_S = 120
ROUNDS = 5


def rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """Three ways in turn: straight to the upstream, through our recorder, through vcrpy."""
    packages, problem = (folder / "packages", "left out of a quick run") if bench.is_quick else _install(folder)
    ways = ["direct", "ours"] if problem else ["direct", "ours", "vcrpy"]
    took: dict[str, list[float]] = {way: [] for way in ways}
    with ExitStack() as stack:
        upstream = stack.enter_context(started(floor("raw"), bench.cores.load))
        spec = f"aws+http://127.0.0.1:{upstream.port}"
        record = sagetape("record", str(folder / "ours.tape"), "--no-config", "--port", "0", "--upstream", spec)
        ours = stack.enter_context(started(record, bench.cores.server, env=CREDENTIALS))
        for turn in range(1 if bench.is_quick else ROUNDS):
            for way in ways:
                took[way].append(_call(bench, way, turn, upstream=upstream, ours=ours, packages=packages))
    yield from _report(took, problem)


def _install(folder: Path) -> tuple[Path, str]:
    """vcrpy in a folder of its own; why not, when the package cannot be had."""
    packages = folder / "packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "vcrpy", "boto3"]
    try:
        subprocess.run([*command, "--target", str(packages)], check=True, capture_output=True, timeout=INSTALL_S)
    except (subprocess.SubprocessError, OSError) as error:
        return packages, f"vcrpy could not be installed ({type(error).__name__})"
    return packages, ""


def _call(bench: Bench, way: str, turn: int, *, upstream: Server, ours: Server, packages: Path) -> float:
    url = f"http://127.0.0.1:{ours.port if way == 'ours' else upstream.port}"
    cassette = str(packages.with_name(f"vcr{turn}.yaml")) if way == "vcrpy" else "direct"
    out = subprocess.run(
        [sys.executable, str(CLIENT), url, str(bench.recorded_calls), cassette, str(turn * 100_000)],
        capture_output=True,
        env={**environment("/"), "PYTHONPATH": str(packages)},
        cwd=ROOT,
        preexec_fn=pinned(bench.cores.load),
    )
    if out.returncode:
        raise RuntimeError(f"the {way} client of the recording case failed: {out.stderr.decode()[-2000:]}")
    return float(out.stdout)


def _report(took: dict[str, list[float]], problem: str) -> Iterator[Row]:
    added = {
        way: median(a - b for a, b in zip(values, took["direct"], strict=True)) * 1e3
        for way, values in took.items()
        if way != "direct"
    }
    calls = ", ".join(f"{way} {median(values) * 1e3:.2f} ms" for way, values in took.items())
    case = "what recording adds to a small boto3 call, times what vcrpy adds"
    if problem:
        yield Row(case, "", "<= 1", None, f"{problem}; ours adds {added['ours']:.2f} ms; {calls}")
        return
    over = added["ours"] / added["vcrpy"]
    detail = f"{added['ours']:.2f} against {added['vcrpy']:.2f} ms; medians: {calls}"
    yield Row(case, f"{over:.2f}", "<= 1", over <= 1, detail)

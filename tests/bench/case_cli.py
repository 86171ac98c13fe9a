"""What `--help` and `--version` cost, over a Python that does nothing, and what they must not import."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from .machine import pinned
from .plan import Bench
from .servers import environment, sagetape
from .table import Row, at_most

ROUNDS = 15
FORBIDDEN = ("aiohttp", "botocore", "boto3")
CEILING = 12  # times `python -c pass`
INVOKE_CEILING = 15  # the same, for a whole call against an emulator


def rows(bench: Bench, folder: Path) -> Iterator[Row]:
    """All commands in turn, round after round; `invoke` asks an emulator in this process."""
    from sagetape import Emulator

    (folder / "invoked.py").write_text("def model(invocation):\n    return {}\n")
    endpoints = {"model": {"upstream": "function:invoked:model"}}
    with Emulator(endpoints=endpoints, python_path=folder) as emulator:
        yield from _rows(bench, emulator.url)


def _rows(bench: Bench, url: str) -> Iterator[Row]:
    keys = ["--access-key", "test", "--secret-key", "test", "--region", "us-east-1"]
    commands = {
        "pass": [sys.executable, "-c", "pass"],
        "--version": sagetape("--version"),
        "--help": sagetape("--help"),
        "replay --help": sagetape("replay", "--help"),
        "invoke --help": sagetape("invoke", "--help"),
        "invoke": sagetape("invoke", "model", "--body", "{}", "--endpoint-url", url, *keys),
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as home:
        for _ in range(1 if bench.is_quick else ROUNDS):
            for name, command in commands.items():
                start = time.perf_counter()
                _run(bench, command, home)
                took[name].append(time.perf_counter() - start)
        for name in list(commands)[1:]:
            over = median(a / b for a, b in zip(took[name], took["pass"], strict=True))
            imported = _imported(bench, commands[name], home)
            detail = (
                f"{median(took[name]) * 1e3:.0f} ms; imports {', '.join(imported) or 'neither aiohttp nor botocore'}"
            )
            ceiling = INVOKE_CEILING if name == "invoke" else CEILING
            row = at_most(f"`sagetape {name}`, times `python -c pass`", over, ceiling, detail=detail)
            yield row if not imported else Row(row.case, row.measured, row.target, False, detail)


def _run(bench: Bench, command: list[str], home: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command,
        capture_output=True,
        check=True,
        env=environment(home),
        cwd=home,
        preexec_fn=pinned(bench.cores.server),
    )


def _imported(bench: Bench, command: list[str], home: str) -> list[str]:
    told = _run(bench, [command[0], "-X", "importtime", *command[1:]], home).stderr.decode()
    modules = {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}
    return [name for name in FORBIDDEN if name in modules]

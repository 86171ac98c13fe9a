"""The command line as a user has it: in a process of its own, with an environment that the test chose."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON_PATH = os.pathsep.join([str(ROOT / "emulator"), str(ROOT / "client")])
TIMEOUT_S = 60


def environment(folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of this machine's but what a process needs; the folder is the home."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG") if name in os.environ}
    own = {"HOME": str(folder), "PYTHONPATH": PYTHON_PATH, "PYTHONDONTWRITEBYTECODE": "1"}
    return {**kept, **own, **(extra or {})}


def sagetape(folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs `sagetape <words>` in a folder to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sagetape", *words],
        cwd=folder,
        env=environment(folder, environ),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def started(folder: Path, *words: str, environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Starts `sagetape <words>` in a folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "sagetape", *words],
        cwd=folder,
        env=environment(folder, environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )

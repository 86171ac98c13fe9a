"""Stock AWS clients in environments of their own, installed when they are first needed.

Each is installed once into `.clients/` by the registry's ordinary client; where that is not possible, the tests that
need it are skipped with the reason.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.models.running import ROOT

CLIENTS = ROOT / ".clients"
INSTALL_WITHIN_S = 100


@contextmanager
def locked(name: str) -> Iterator[Path]:
    """The client's folder, held by one process at a time: tests run in parallel."""
    folder = CLIENTS / name
    folder.mkdir(parents=True, exist_ok=True)
    with (CLIENTS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def install(*commands: list[str], folder: Path) -> None:
    """Runs the commands; skips the test with the last line that they said when one fails."""
    for command in commands:
        try:
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_WITHIN_S)
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"cannot be installed: {error}")
        if done.returncode != 0:
            said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
            pytest.skip(f"cannot be installed: {' '.join(command[:4])} ended with {done.returncode}: {said[-1][:200]}")


def aws_cli() -> Path:
    """The AWS CLI v1; it pins a botocore of its own, hence its own environment."""
    with locked("awscli") as folder:
        program = folder / "bin" / "aws"
        if not program.exists():
            pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            install([sys.executable, "-m", "venv", str(folder)], [*pip, "awscli<2"], folder=folder)
        return program


def javascript() -> tuple[str, Path]:
    """node, and the folder in which the JavaScript SDK v3 is installed."""
    node = shutil.which("node")
    npm = shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are not installed on this machine")
    with locked("javascript") as folder:
        if not (folder / "node_modules" / "@aws-sdk" / "client-sagemaker-runtime").exists():
            quiet = ["--silent", "--no-audit", "--no-fund"]
            install([npm, "install", *quiet, "@aws-sdk/client-sagemaker-runtime@3"], folder=folder)
        return node, folder


def surroundings(url: str) -> dict[str, str]:
    """The environment of a client process: the emulator's endpoint and a well-known key, nothing of the user's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "NODE_NO_WARNINGS": "1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }

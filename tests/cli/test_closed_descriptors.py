"""Descriptors 0, 1 and 2 closed, as cron and supervisors start programs: every end and every code is the usual one."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import TIMEOUT_S, environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell's redirections")

SERVE = ("serve", "--no-config", "--port", "0", "--idle-timeout-s", "0.05")
CLOSED = ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]
FD_NAMES = "import os; print([os.readlink(f'/proc/self/fd/{number}') for number in (0, 2)])"


def with_redirections(folder: Path, redirections: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs `sagetape <words>` from a shell that closes some of its descriptors."""
    return subprocess.run(
        ["sh", "-c", f"exec {shlex.join([sys.executable, '-m', 'sagetape', *words])} {redirections}"],
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("redirections", CLOSED)
def test_server_lives_and_ends_as_ever(redirections: str, tmp_path: Path) -> None:
    """What is still open is written to; the event loop finds no descriptor of its own below 3."""
    done = with_redirections(tmp_path, redirections, *SERVE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("sagetape ready url=") == (">&-" not in redirections.replace("2>&-", ""))
    assert ("sagetape ended: 0 requests" in done.stderr) == ("2>&-" not in redirections)


@pytest.mark.parametrize("redirections", CLOSED)
def test_error_keeps_its_code(redirections: str, tmp_path: Path) -> None:
    """Nowhere to say it is no other error."""
    assert with_redirections(tmp_path, redirections, "cassette", "ls", "nope.tape").returncode == 6


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are looked up in /proc")
def test_command_under_exec_has_all_three(tmp_path: Path) -> None:
    """It inherits the null device, not nothing."""
    words = ("exec", "--no-config", "--", sys.executable, "-c", FD_NAMES)
    done = with_redirections(tmp_path, "<&- 2>&-", *words)
    assert (done.returncode, done.stdout) == (0, "['/dev/null', '/dev/null']\n")

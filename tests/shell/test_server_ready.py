"""What a server cannot say of itself when it is ready: the files beside it, and standard output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest
from tests.cli.command_line import ROOT, TIMEOUT_S, environment, sagetape

TAPE = ROOT / "cassettes" / "text.tape"
OPTIONS = ("--no-config", "--port", "0", "--idle-timeout-s", "0.05")
FULL = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device that is always full")
NO_ROOM = "sagetape: error: Standard output cannot be written: No space left on device. Lead it to "


def written_to(output: IO[Any] | int, folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs `sagetape <words>` with a standard output of one's own."""
    return subprocess.run(
        [sys.executable, "-m", "sagetape", *words],
        cwd=folder,
        env=environment(folder, environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.mark.parametrize("flag", ["--port-file", "--token-file"])
@pytest.mark.parametrize(("place", "reason"), [("nowhere/file", "No such file or directory"), (".", "it is a folder")])
def test_file_that_cannot_be_written_is_found_before_anything_is_made(
    flag: str, place: str, reason: str, tmp_path: Path
) -> None:
    """8, one line with the path and the remedy; no cassette, no line that says ready, no scratch file."""
    words = ("record", "new.tape", "--upstream", "http://127.0.0.1:9", *OPTIONS, flag, place)
    done = sagetape(tmp_path, *words)
    assert (done.returncode, done.stdout) == (8, "")
    assert done.stderr == (
        f"sagetape: error: {flag} {tmp_path / place} cannot be written: {reason}. "
        "Name a file in a folder that you may write to.\n"
    )
    assert not list(tmp_path.iterdir())


def test_link_that_lies_in_wait_for_the_port_is_not_followed(tmp_path: Path) -> None:
    """Under any name that could be guessed: what it leads to is as it was."""
    kept = tmp_path / "kept"
    kept.write_text("as it was")
    (tmp_path / "port").symlink_to(kept)
    assert sagetape(tmp_path, "serve", *OPTIONS, "--port-file", "port").returncode == 0
    assert kept.read_text() == "as it was"
    assert list(tmp_path.iterdir()) == [kept]


@FULL
def test_ready_line_that_cannot_be_written_ends_the_server(tmp_path: Path) -> None:
    """8 in one line, and the port file is gone again."""
    with open("/dev/full", "w") as full:
        done = written_to(full, tmp_path, "serve", *OPTIONS, "--port-file", "port")
    assert done.returncode == 8
    assert done.stderr.startswith(NO_ROOM)
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_ready_line_that_nobody_reads_ends_the_server(tmp_path: Path) -> None:
    """A closed pipe: whoever started it would wait for ever."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = written_to(writing, tmp_path, "serve", *OPTIONS)
    finally:
        os.close(writing)
    assert done.returncode == 8
    assert done.stderr.startswith("sagetape: error: Standard output cannot be written: Broken pipe. Lead it to ")
    assert done.stderr.count("\n") == 1


@FULL
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize(
    "words",
    [("--help",), ("serve", "--help"), ("env",), ("cassette", "ls", str(TAPE)), ("cassette", "export", str(TAPE))],
    ids=" ".join,
)
def test_output_without_room_is_no_defect(words: tuple[str, ...], buffered: str, tmp_path: Path) -> None:
    """Whoever writes it: a command, or click itself."""
    with open("/dev/full", "w") as full:
        done = written_to(full, tmp_path, *words, PYTHONUNBUFFERED=buffered)
    assert done.returncode == 8
    assert done.stderr.startswith(NO_ROOM)
    assert done.stderr.count("\n") == 1

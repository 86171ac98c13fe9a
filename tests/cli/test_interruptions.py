"""Long work in a process of its own, interrupted by a real signal: 130, a sentence, and nothing left behind."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cassette_line import made, output, write
from command_line import environment

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to one process there")

COUNT = 200
STOPPING = """
import sys
from sagetape.cli import main, progress
percent, seen = int(sys.argv.pop(1)), []
def call(self, done, whole):
    seen.append((done, whole))
    if done * 100 >= whole * percent:
        print(len(seen), len(set(seen)), flush=True)
        sys.stdin.read()
progress.Progress.__call__ = call
main()
"""
"""The command line, which waits where its progress has come to so many percent: there the signal meets it."""


def interrupted(folder: Path, percent: int, *words: object) -> tuple[int, int, str]:
    """Exit code of a command that got SIGINT at some percent; how often it had told its progress; standard error."""
    running = subprocess.Popen(
        [sys.executable, "-c", STOPPING, str(percent), *map(str, words)],
        cwd=folder,
        env=environment(folder, {"SAGETAPE_NO_CONFIG": "1"}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    there = running.stdout.readline().split()
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)  # which closes its input, should the signal have come before it read
    assert there, said
    return running.returncode, int(there[1]), said


def digests(folder: Path) -> dict[str, str]:
    """What is in a folder, but for the locks that stay beside cassettes."""
    files = (path for path in folder.iterdir() if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.suffix != ".lock"}


def big_file(folder: Path) -> Path:
    """One HTTP Archive of many calls."""
    tape = write(folder / "source.tape", *(made(f"{number}") for number in range(COUNT)))
    output("cassette", "export", tape, "-o", folder / "big.har", "--format", "har")
    tape.unlink()
    return folder / "big.har"


@pytest.mark.parametrize("percent", [10, 50, 90])
@pytest.mark.parametrize("has_target", [False, True])
def test_interrupted_import_of_one_big_file_leaves_nothing(tmp_path: Path, percent: int, has_target: bool) -> None:
    """While it reads an old target, takes entries in, and writes: the folder is as it was, to the byte."""
    source = big_file(tmp_path)
    if has_target:
        write(tmp_path / "a.tape", *(made(f"old {number}") for number in range(COUNT)))
    before = digests(tmp_path)
    code, told, said = interrupted(tmp_path, percent, "cassette", "import", source, "-o", tmp_path / "a.tape")
    assert code == 130
    assert "Stopped by Ctrl-C" in said
    assert "Traceback" not in said
    assert digests(tmp_path) == before
    assert told >= COUNT * (percent // 40) // 2  # its progress moves inside the one file
    output("cassette", "import", source, "-o", tmp_path / "a.tape")


@pytest.mark.parametrize("command", ["compact", "merge", "scan", "scrub", "verify", "diff"])
def test_interrupted_work_on_a_cassette_leaves_it(tmp_path: Path, command: str) -> None:
    """The siblings of import: at 60 of 100 the old files are as they were, and nothing is beside them."""
    tape = write(tmp_path / "a.tape", *(made(f"{number}") for number in range(COUNT)))
    other = write(tmp_path / "b.tape", *(made(f"{number}", b'"other"') for number in range(COUNT // 2, COUNT * 2)))
    words = {"merge": (tmp_path / "none.tape", tape, other), "diff": (tape, other)}.get(command, (tape,))
    before = digests(tmp_path)
    code, told, said = interrupted(tmp_path, 60, "cassette", command, *words)
    assert (code, digests(tmp_path)) == (130, before)
    assert "Stopped by Ctrl-C" in said
    assert "Traceback" not in said
    assert told > 10

"""`docs/cassettes.md` is run from top to bottom, in a scratch folder, with the real command, git and boto3."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sagetape.cli.commands import CASSETTE_COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "cassettes.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def environment(folder: Path) -> dict[str, str]:
    """A home of its own, with `sagetape` and `python` on the path."""
    tools = folder / "bin"
    tools.mkdir()
    paths = os.pathsep.join([str(ROOT / "emulator"), str(ROOT / "client")])
    for name, words in {"sagetape": [sys.executable, "-m", "sagetape"], "python": [sys.executable]}.items():
        script = tools / name
        script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(paths)} exec {shlex.join(words)} "$@"\n')
        script.chmod(0o755)
    who = {f"GIT_{role}_{what}": "doc@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **who,
    }


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_walk_through_runs_and_says_what_it_promises(tmp_path: Path) -> None:
    """Every block in its order; what the page says about the outcome is checked behind it."""
    environ = environment(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    said: dict[str, str] = {}
    for kind, file, text in BLOCKS:
        if kind == "python":
            (work / file).write_text(text)
            continue
        for line in text.splitlines():
            done = subprocess.run(
                shlex.split(line), cwd=work, env=environ, capture_output=True, text=True, timeout=60, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            said[line] = done.stdout + done.stderr
    assert said["sagetape cassette ls churn.tape"].startswith("churn.tape: 5 interactions")
    assert re.search(r'^\+ +"months": 24', said["git diff"], re.MULTILINE)
    assert not re.search(r'^[+-] +"months": (3|12)', said["git diff"], re.MULTILINE)
    assert "no secrets found" in said["sagetape cassette scan churn.tape"]
    replayed = said["sagetape exec --replay churn.tape -- python ask.py 3 12 24 36 48"]
    assert re.findall(r'^(\d+) {"label": ?"(\w+)"', replayed, re.MULTILINE) == [
        ("3", "leaves"),
        ("12", "stays"),
        ("24", "stays"),
        ("36", "stays"),
        ("48", "stays"),
    ]
    assert b"anna@example.com" not in (work / "churn.tape").read_bytes()
    assert "5 imported" in said["sagetape cassette import churn.har -o from_har.tape"]


def test_page_names_every_command() -> None:
    """A command that the page does not mention is one that nobody finds."""
    for name in CASSETTE_COMMANDS:
        assert name in PAGE, name

"""A tape that was damaged at opening is told by every line that a person or a script reads, and is never clean."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cassette_line import made, write
from command_line import sagetape, started

from sagetape.shell.store import Cassette

WORDS = ("--", sys.executable, "-c", "pass")


def truncated(tape: Path) -> None:
    """Ends within the last interaction, as a full disk or a copy that was cut off leaves it."""
    with Cassette.open(tape) as cassette:
        offset = max(one.offset for one in cassette.summaries())
    tape.write_bytes(tape.read_bytes()[: offset + 45])


def flipped(tape: Path) -> None:
    """One bit of the last interaction is another, in a tape whose recorder was killed before it wrote an index."""
    with Cassette.open(tape) as cassette:
        offset, end = max(one.offset for one in cassette.summaries()), cassette.contents.end
    data = bytearray(tape.read_bytes()[:end])
    data[offset + 8] ^= 1
    tape.write_bytes(bytes(data) + data[: len(data) // 4])  # what comes after it, so that it is no torn tail


DAMAGES = pytest.mark.parametrize("damage", [truncated, flipped], ids=lambda one: one.__name__)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Three interactions, closed cleanly."""
    (tmp_path / ".git").mkdir()
    return write(tmp_path / "a.tape", made("a"), made("b"), made("c"))


def ended(tape: Path, *words: str) -> tuple[str, subprocess.Popen[str], str]:
    """A replay that is told to stop when it is ready: the ready line, the process, the rest of standard error."""
    server = started(tape.parent, "replay", str(tape), "--port=0", *words)
    assert server.stdout is not None
    ready = server.stdout.readline()
    server.send_signal(signal.SIGTERM)
    _, errors = server.communicate(timeout=30)
    return ready, server, errors


@DAMAGES
def test_replay_tells_damage_when_ready_and_at_the_end(tape: Path, damage: Callable[[Path], None]) -> None:
    """A count on the ready line, a sentence in the log, the count again in the summary."""
    damage(tape)
    ready, server, errors = ended(tape)
    count = int(dict(part.split("=") for part in ready.split()[2:])["damage"])
    assert count >= 1
    assert server.returncode == 0
    assert f"cassettes damaged in {count} place" in errors


@DAMAGES
def test_replay_tells_damage_to_scripts(tape: Path, damage: Callable[[Path], None]) -> None:
    """The same as JSON: a number in both lines, and the sentences in the last one."""
    damage(tape)
    ready, _, errors = ended(tape, "--json")
    last: dict[str, Any] = next(json.loads(line) for line in errors.splitlines() if '"ended"' in line)
    assert json.loads(ready)["damage"] == last["damage"] == len(last["damaged_places"]) >= 1
    assert str(tape) in last["damaged_places"][0]


@DAMAGES
def test_exec_is_not_clean_over_a_damaged_tape(tape: Path, damage: Callable[[Path], None]) -> None:
    """What is intact is played, and the verdict says that it was not all; under --strict nothing is played."""
    damage(tape)
    done = sagetape(tape.parent, "exec", "--replay", str(tape), *WORDS)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 0
    assert "cassettes damaged in" in last
    assert last.endswith(", not clean")
    strict = sagetape(tape.parent, "exec", "--replay", str(tape), "--strict", *WORDS)
    assert strict.returncode == 6
    assert "A cassette is damaged" in strict.stderr


@DAMAGES
def test_exec_that_records_tells_what_it_found(tape: Path, damage: Callable[[Path], None]) -> None:
    """A recorder repairs a torn end; that something was lost is told by the run that found it, not by the next."""
    damage(tape)
    (tape.parent / "models.py").write_text("def model(invocation):\n    return 1\n")
    words = ("exec", "--record", str(tape), "--upstream", "function:models:model", *WORDS)
    done = sagetape(tape.parent, *words)
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].endswith(", not clean")
    if damage is truncated:
        assert sagetape(tape.parent, *words).stderr.splitlines()[-1].endswith(", clean")


def test_sound_tape_is_clean(tape: Path) -> None:
    """No damage is the number 0, and no word of it anywhere else."""
    ready, server, errors = ended(tape)
    assert ready.rstrip().endswith(" damage=0")
    assert server.returncode == 0
    assert "damage" not in errors
    done = sagetape(tape.parent, "exec", "--replay", str(tape), *WORDS)
    assert done.stderr.splitlines()[-1].endswith(", clean")

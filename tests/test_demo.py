"""`make demo` and `make cassettes`: what they run, run as they run it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command_line import PYTHON_PATH, environment, sagetape
from tests.models.record_cassettes import CASSETTES, main
from tests.models.running import ROOT
from tests.shell.independent_tape import interactions

DEMO_WITHIN_S = 60
STEPS = {
    "a JSON prediction": r"ok +a JSON prediction.*\n +200 application/json, labels \[0, 1\], variant AllTraffic\n",
    "a binary prediction": r"ok +a binary prediction.*\n +200 application/x-npy, float32 array of \(3, 10\): \[0 1 2\]",
    "a stream": r"ok +a stream of 16 parts\n +We the People \w+.*\n",
    "a session": r"ok +a stateful session.*\n +session [0-9a-f-]{36}, .*\n +\w+.*\n +\w+.*\n",
    "a model error": r"ok +a model error.*\n.* \(ModelError\) .* Received client error \(400\) from primary with ",
    "a miss": (
        r"ok +a miss.*\n.* \(SagetapeMiss\) .*\n +Nearest: interaction 0 in digits\.tape.*\n"
        r' +First difference: body, row 1, column 21: recorded "0", asked "1"\.\n +What to do: record the call: '
    ),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """The demo, from another folder than the checkout, to its end; nothing is typed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    return subprocess.run(
        [sys.executable, "-m", "tests.demo"],
        cwd=folder,
        env=environment(folder, {"PYTHONPATH": os.pathsep.join((PYTHON_PATH, str(ROOT)))}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEMO_WITHIN_S,
    )


def test_demo_ends_by_itself_and_leaves_nothing_running(demo: subprocess.CompletedProcess[str]) -> None:
    """With 0; its server no longer listens."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "Traceback" not in demo.stderr
    ready = re.search(r"ready at http://127\.0\.0\.1:(\d+) with 10 interactions", demo.stdout)
    assert ready is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(ready[1])), timeout=5)


@pytest.mark.parametrize("step", STEPS)
def test_demo_shows_each_step(step: str, demo: subprocess.CompletedProcess[str]) -> None:
    """What was asked, and the answer that is in the cassettes."""
    assert re.search(STEPS[step], demo.stdout), demo.stdout


def test_demo_shows_as_many_steps_as_it_says(demo: subprocess.CompletedProcess[str]) -> None:
    """None beside those above, none wrong."""
    assert len(re.findall(r"^(?:ok|WRONG) ", demo.stdout, re.MULTILINE)) == len(STEPS)
    assert f"{len(STEPS)} steps, 0 wrong." in demo.stdout


# --- the cassettes that it plays


def told(cassette: Path) -> list[str]:
    """What a cassette holds, but for when and how fast, and with one name for every session."""
    found = []
    for _, kept in interactions(cassette.read_bytes()):
        steps = [step for step in kept["steps"] if step[0] != "pause"]
        text = repr((kept["call"], steps))
        text = re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<session>", text)
        found.append(re.sub(r"Expires=[0-9TZ:-]+", "Expires=<moment>", text))
    return found


def test_shipped_cassettes_are_what_is_recorded_now(tmp_path: Path) -> None:
    """Equal in meaning, through the product and the real models, whose arithmetic may differ in its last digits."""
    assert main(tmp_path) == 0
    for name in ("digits", "text"):
        shipped, made = (str(folder / f"{name}.tape") for folder in (CASSETTES, tmp_path))
        done = sagetape(tmp_path, "cassette", "diff", "--absolute", "0.001", shipped, made)
        assert (done.returncode, done.stdout) == (0, "no difference in meaning\n")
    assert told(CASSETTES / "conversation.tape") == told(tmp_path / "conversation.tape")
    assert (CASSETTES / "zero.csv").read_bytes() == (tmp_path / "zero.csv").read_bytes()

"""Recordings that would mislead: upstreams that are down, faults, damage, and doubts about sessions that are none."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

import pytest
from tests.cli.command_line import sagetape
from tests.shell.server_wire import PATH, Wire, kept, recorder, upstream

from sagetape import Emulator
from sagetape.core.guard import order_alone
from sagetape.core.library import Take
from sagetape.core.wire import Call, Interaction, Provenance, SessionMark, whole

CALL = """\
import http.client, os, sys, urllib.parse
url = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME"])
connection = http.client.HTTPConnection(url.hostname, url.port)
connection.request("POST", "/endpoints/model/invocations", sys.argv[1], {"Content-Type": "text/plain"})
try:
    print(connection.getresponse().status)
except OSError as error:
    print("broken")
sys.exit(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
"""
MODEL = 'def model(invocation):\n    return {"length": len(invocation.body)}\n'


def closed_port() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def made(folder: Path) -> Path:
    """A folder with a model and a tape of its answer to `a`."""
    (folder / "models.py").write_text(MODEL)
    (folder / ".git").mkdir()
    done = run(folder, "--record", "m.tape", "--upstream", "function:models:model", call="a")
    assert done.returncode == 0, done.stderr
    return folder / "m.tape"


def run(folder: Path, *words: str, call: str, code: int = 0):  # type: ignore[no-untyped-def]
    """`sagetape exec` with a command that makes one call and ends with a code."""
    command = (sys.executable, "-c", CALL, call, str(code))
    return sagetape(folder, "exec", *words, "--auth", "off", "--", *command)


@pytest.mark.parametrize("kind", ["", "aws+"])
def test_upstream_that_is_down_is_named_and_not_recorded(kind: str, tmp_path: Path) -> None:
    """The client gets the answer, the tape stays empty, and the verdict says which upstream it was."""
    (tmp_path / ".git").mkdir()
    url = f"http://127.0.0.1:{closed_port()}"
    pair = {"AWS_ACCESS_KEY_ID": "AKIDOFTHERECORDER000", "AWS_SECRET_ACCESS_KEY": "the-recorders-own-secret"}
    words = ("exec", "--record", "m.tape", "--upstream", kind + url, "--auth", "off")
    done = sagetape(tmp_path, *words, "--", sys.executable, "-c", CALL, "a", environ=pair)
    assert done.returncode == 5, done.stderr
    assert done.stdout.strip() == ("502" if kind else "424")
    assert f"{kind}{url} refused the connection; is the container running?" in done.stderr
    assert "clean" not in done.stderr
    assert kept(tmp_path / "m.tape") == []


def test_upstream_that_closes_without_a_status_is_not_recorded(tmp_path: Path) -> None:
    """The platform's 424 goes to the client; only --record-errors keeps it."""
    for keeps in (False, True):
        tape = tmp_path / f"{keeps}.tape"
        with (
            upstream(lambda connection, _: connection.close()) as running,
            recorder(tape, running.url, record_errors=keeps) as emulator,
            Wire(emulator.url) as wire,
        ):
            wire.post(b"{}", "Content-Type: application/json", path=PATH)
            assert wire.answer().status == 424
            (text,) = emulator.verdict().unreached
        assert "took the call and gave no HTTP answer" in text
        assert len(kept(tape)) == keeps


def test_faults_that_struck_are_told_apart_in_the_verdict(tmp_path: Path) -> None:
    """An answer that a fault cut off is recorded all the same, and the verdict says so."""
    made(tmp_path)
    done = run(tmp_path, "--replay", "m.tape", "--fault", "reset", call="a")
    assert "struck by faults: 1 reset" in done.stderr
    with Emulator(tmp_path / "m.tape", auth="off", faults=[{"fault": "latency", "seconds": 0.001}]) as emulator:
        with Wire(emulator.url) as wire:
            wire.post(b"a", "Content-Type: text/plain", path="/endpoints/model/invocations")
            wire.answer()
        assert emulator.verdict().struck == {"latency": 1}


def test_recording_that_cannot_be_read_is_damage_and_no_miss(tmp_path: Path) -> None:
    """A flipped byte in a record ends exec with 6, under a source of its own."""
    tape = made(tmp_path)
    data = bytearray(tape.read_bytes())
    data[data.index(b'"length"') + 2] ^= 1
    tape.write_bytes(data)
    done = run(tmp_path, "--replay", "m.tape", call="a")
    assert done.returncode == 6, done.stderr
    assert "1 damaged" in done.stderr
    assert "miss" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="its server is killed, and says nothing more")
def test_rewrite_of_a_failed_command_keeps_the_old_tape(tmp_path: Path) -> None:
    """Only a clean end replaces; the verdict says what became of the recording."""
    tape = made(tmp_path)
    before = tape.read_bytes()
    words = ("--record", "m.tape", "--upstream", "function:models:model", "--mode", "rewrite")
    done = run(tmp_path, *words, call="other", code=3)
    assert done.returncode == 3
    assert "m.tape is as it was" in done.stderr
    assert "clean" not in done.stderr
    assert tape.read_bytes() == before
    assert run(tmp_path, *words, call="other").returncode == 0
    assert [bytes(one.call.body) for one in kept(tape)] == [b"other"]


@pytest.mark.parametrize("server", ["thread", "process"])
def test_rewrite_in_a_block_that_raised_keeps_the_old_tape(server: str, tmp_path: Path) -> None:
    """An Emulator whose block ends with an exception replaces nothing."""
    tape = made(tmp_path)
    before = tape.read_bytes()
    asked = {"mode": "rewrite", "auth": "off", "upstream": ("function:models:model",), "python_path": tmp_path}
    with pytest.raises(ZeroDivisionError), Emulator(record_to=tape, server=server, **asked) as emulator:  # noqa: PT012
        with Wire(emulator.url) as wire:
            wire.post(b"other", "Content-Type: text/plain", path="/endpoints/model/invocations")
            assert wire.answer().status == 200
        raise ZeroDivisionError
    assert tape.read_bytes() == before


def test_truncated_tape_is_told_at_start_at_the_miss_and_by_ls(tmp_path: Path) -> None:
    """Under --strict it is not played at all."""
    tape = made(tmp_path)
    assert run(tmp_path, "--record", "m.tape", "--upstream", "function:models:model", call="bb").returncode == 0
    data = tape.read_bytes()
    tape.write_bytes(data[: data.rindex(b'"length"')])  # inside the second recording
    done = run(tmp_path, "--replay", "m.tape", call="bb")
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("an unfinished record of") >= 2  # at start, and in the verdict
    strict = run(tmp_path, "--replay", "m.tape", "--strict", call="a")
    assert strict.returncode == 6, strict.stderr
    assert "--salvage" in strict.stderr
    assert "an unfinished record of" in sagetape(tmp_path, "cassette", "ls", "m.tape").stderr
    with Emulator(tape, auth="off") as emulator, Wire(emulator.url) as wire:
        wire.post(b"bb", "Content-Type: text/plain", path="/endpoints/model/invocations")
        assert b"The answer may be in what is lost" in wire.answer().body


def test_openings_of_recorded_sessions_are_no_doubtful_order() -> None:
    """Each opening has an id of its own and steps of its own; without the marks they would be doubtful."""

    def take(number: int, *, is_opening: bool) -> Take:
        mark = SessionMark(f"lane-{number}", 0) if is_opening else None
        call = Call("InvokeEndpoint", "chat", {"SessionId": "NEW_SESSION"}, b"{}", b"")
        script = whole(200, (), json.dumps({"take": number}).encode())
        return Take(number, Interaction(call, script, Provenance(0.0, "aws", "1"), mark), "chat.tape")

    assert order_alone([take(0, is_opening=True), take(1, is_opening=True)]) is None
    assert order_alone([take(0, is_opening=False), take(1, is_opening=False)]) is not None

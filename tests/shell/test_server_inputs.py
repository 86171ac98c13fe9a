"""What is wrong at start, over the real command line: an exit code, what happened, what is near it, what to do."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.command_line import environment, sagetape
from tests.shell.server_wire import PATH, Wire, plain, recorder, says, upstream

from sagetape.core.framing import HEADER_KIND, frame
from sagetape.core.payload import pack

USUAL = ("--no-config", "--port", "0")


class Said(NamedTuple):
    """How a command ended."""

    code: int
    text: str


def said(folder: Path, *words: str) -> Said:
    """Runs a command that must fail by itself. Its text is never a traceback, and names no file of ours."""
    ended = sagetape(folder, *words)
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert 'File "' not in ended.stderr
    return Said(ended.returncode, ended.stderr)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """A sound cassette of one answer."""
    path = tmp_path / "churn.tape"
    with (
        upstream(says(plain(b'{"label":"stays"}' * 40))) as model,
        recorder(path, model.url) as emulator,
        Wire(emulator.url) as wire,
    ):
        wire.post(b"{}")
        assert wire.answer().status == 200
    return path


def test_missing_cassette_names_the_nearest(tape: Path, tmp_path: Path) -> None:
    """A typo in its name."""
    found = said(tmp_path, "replay", "chrun.tape", *USUAL)
    assert found.code == 6
    assert "chrun.tape" in found.text
    assert "churn.tape" in found.text


def test_foreign_file_is_no_cassette(tmp_path: Path) -> None:
    """A file of something else: 6, untouched, and what made it is not guessed at silently."""
    foreign = tmp_path / "notes.tape"
    foreign.write_text("interactions:\n- request: {}\n")
    for command in (["replay"], ["record", "--upstream", "http://127.0.0.1:1"]):
        found = said(tmp_path, command[0], str(foreign), *command[1:], *USUAL)
        assert found.code == 6
        assert "notes.tape" in found.text
        assert "cassette" in found.text
    assert foreign.read_text() == "interactions:\n- request: {}\n"


def test_newer_cassette_asks_for_a_newer_version(tmp_path: Path) -> None:
    """6, with both versions and the command that upgrades; for reading and for recording."""
    tape = tmp_path / "churn.tape"
    tape.write_bytes(b"".join(frame(HEADER_KIND, pack({"format": 2, "created_by": "9.9.0"}))))
    for command in (["replay"], ["record", "--upstream", "http://127.0.0.1:1"]):
        found = said(tmp_path, command[0], str(tape), *command[1:], *USUAL)
        assert found.code == 6
        for word in ("churn.tape", "format 2", "9.9.0", "pip install --upgrade"):
            assert word in found.text


def test_damaged_cassette_is_named_with_its_place(tape: Path, tmp_path: Path) -> None:
    """`cassette verify` ends with 6 and names the bytes."""
    data = bytearray(tape.read_bytes())
    data[data.index(b"label") + 2] ^= 1
    tape.write_bytes(data)
    ended = sagetape(tmp_path, "cassette", "verify", str(tape))
    assert ended.returncode == 6
    assert "bytes" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


def config(folder: Path, text: str) -> tuple[str, ...]:
    (folder / "sagetape.toml").write_text(text)
    return ("--config", str(folder / "sagetape.toml"), "--port", "0")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("recrod_mode = 'none'", ["recrod_mode", "record_mode", "sagetape.toml"]),
        ("record_mode = 'nune'", ["nune", "none"]),
        ("[endpoints.churn]\nupstraem = 'aws'", ["upstraem", "upstream"]),
        ("[endpoints.churn]\nupstream = 'function:no_such_models:churn'", ["no_such_models"]),
        ("[endpoints.churn]\nupstream = 'function:models:chrun'", ["chrun", "churn"]),
        ("[endpoints.churn]\nupstream = 'ftp://127.0.0.1'", ["ftp"]),
        ("port = 'x'", ["port"]),
        ("= 1", ["sagetape.toml"]),
    ],
)
def test_configuration_with_a_mistake_ends_with_8(text: str, words: list[str], tmp_path: Path) -> None:
    """Keys, values, modules, functions: the message names the mistake and what is near it."""
    (tmp_path / "models.py").write_text("def churn(invocation):\n    return 1\n")
    found = said(tmp_path, "serve", *config(tmp_path, text))
    assert found.code == 8
    for word in words:
        assert word in found.text


def test_configuration_lists_all_its_mistakes(tmp_path: Path) -> None:
    """At once, each with its line."""
    found = said(tmp_path, "serve", *config(tmp_path, "recrod_mode = 'none'\nsede = 7\nauth = 'strikt'\n"))
    assert found.code == 8
    for word in ("record_mode", "seed", "strict"):
        assert word in found.text


@pytest.mark.parametrize("spec", ["ftp://127.0.0.1", "asw", "function:nothing", "aws+ftp://x"])
def test_unknown_upstream_names_those_that_there_are(spec: str, tmp_path: Path) -> None:
    """A usage error, as for every flag, before anything listens."""
    found = said(tmp_path, "record", "churn.tape", "--upstream", spec, *USUAL)
    assert found.code == 2
    assert spec in found.text
    assert "http" in found.text or "module" in found.text
    assert not (tmp_path / "churn.tape").exists()


def test_taken_port_names_a_free_one(tmp_path: Path) -> None:
    """8, with what to say instead."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = said(tmp_path, "serve", "--no-config", "--port", str(port))
    assert found.code == 8
    assert f"Port {port}" in found.text
    assert "--port" in found.text


def test_second_recorder_of_a_cassette_is_refused(tmp_path: Path) -> None:
    """The first is named by its process, and goes on; nothing of it is lost."""
    tape = tmp_path / "churn.tape"
    with upstream(says(plain(b"[1]"))) as model:
        words = ("record", str(tape), "--upstream", model.url, "--auth", "off", *USUAL)
        first = subprocess.Popen(
            [sys.executable, "-m", "sagetape", *words],
            cwd=tmp_path,
            env=environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert first.stdout is not None
            url = first.stdout.readline().split("url=")[1].split()[0]
            with Wire(url) as wire:
                wire.post(b"{}", path=PATH)
                assert wire.answer().status == 200
                found = said(tmp_path, *words)
                wire.post(b"[]", path=PATH)
                assert wire.answer().status == 200
            first.terminate()
            first.wait(60)
            assert first.returncode == 0
        finally:
            first.kill()
            first.communicate()
    assert found.code == 6
    assert str(first.pid) in found.text
    assert sagetape(tmp_path, "cassette", "verify", str(tape)).returncode == 0


def test_cassette_in_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """At start, not at the first answer."""
    (tmp_path / "file").write_text("x")
    found = said(tmp_path, "record", "file/churn.tape", "--upstream", "http://127.0.0.1:1", *USUAL)
    assert found.code == 6
    assert "file" in found.text

"""The token of the admin API: where it comes from, who can read it, and how a program gets it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from admin_calls import AdminCalls

from sagetape import Emulator
from sagetape.core.errors import ConfigError
from sagetape.shell.token import VARIABLE, file_with_token, token_from

ROOT = Path(__file__).parents[2]


def environ(**more: str) -> dict[str, str]:
    """This process's, without anything of ours or of AWS, and with this code first on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SAGETAPE_", "AWS_"))}
    return {**kept, "PYTHONPATH": os.pathsep.join((str(ROOT / "emulator"), str(ROOT / "client"))), **more}


def test_token_is_new_on_every_start_unless_given() -> None:
    """128 bits as hexadecimal digits, or what the environment says."""
    first, second = token_from({}), token_from({VARIABLE: ""})
    assert first != second
    assert len(bytes.fromhex(first)) == 16
    assert token_from({VARIABLE: "x" * 16}) == "x" * 16


@pytest.mark.parametrize(
    "given", ["short", "x" * 15, "x" * 257, "with a space in it", "ümlaut-ümlaut-ümlaut", "x" * 16 + "\n"]
)
def test_token_that_can_be_guessed_or_not_be_sent_is_refused(given: str) -> None:
    """At start, without repeating it."""
    with pytest.raises(ConfigError, match="openssl rand -hex 16") as caught:
        token_from({VARIABLE: given})
    assert given not in str(caught.value)


def test_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Whatever stood there before: neither a link nor an open file keeps a reader."""
    elsewhere, path = tmp_path / "elsewhere", tmp_path / "token"
    elsewhere.write_text("mine\n")
    path.symlink_to(elsewhere)
    file_with_token(path, "x" * 32)
    assert not path.is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (path.read_text(), elsewhere.read_text()) == ("x" * 32 + "\n", "mine\n")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("token")] == ["token"]
    with pytest.raises(ConfigError, match="cannot be written"):
        file_with_token(tmp_path / "nowhere" / "token", "x" * 32)


def test_emulator_writes_and_removes_the_file(tmp_path: Path) -> None:
    """The token in it opens the admin API; the ready line's secrets are not in `ready`."""
    path = tmp_path / "token"
    with Emulator(token_file=path, clock="virtual", auth="off") as emulator:
        admin = AdminCalls(emulator.base_url, token=path.read_text().strip())
        admin.post("/decks/default/clock/advance", {"seconds": 1})
        assert "token_file" not in admin.get("/ready").json
    assert not path.exists()


def test_ready_line_names_the_file(tmp_path: Path) -> None:
    """From the ready line on the file is there; afterwards it is gone."""
    path = tmp_path / "token"
    command = [sys.executable, "-m", "sagetape", "serve", "--no-config", "--port", "0", "--json"]
    process = subprocess.Popen(
        [*command, "--token-file", str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environ(),
        text=True,
    )
    assert process.stdout is not None
    ready: dict[str, Any] = json.loads(process.stdout.readline())
    assert ready["token_file"] == str(path)
    admin = AdminCalls(ready["url"], token=Path(ready["token_file"]).read_text().strip())
    admin.post("/reset")
    assert admin.get("/ready").json["pid"] == ready["pid"]
    process.terminate()
    process.communicate(timeout=60)
    assert not path.exists()


def test_bad_token_ends_the_start_with_eight() -> None:
    command = [sys.executable, "-m", "sagetape", "serve", "--no-config", "--port", "0"]
    done = subprocess.run(
        command, env=environ(SAGETAPE_TOKEN="guess"), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (8, "")
    assert "SAGETAPE_TOKEN is no token" in done.stderr


def test_command_of_exec_steers_its_server() -> None:
    """It gets the token of a server that nobody else knows."""
    program = (
        "import os, urllib.request as u; "
        "url = os.environ['AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME'] + '/_sagetape/reset'; "
        "head = {'X-Sagetape-Token': os.environ['SAGETAPE_TOKEN'], 'Content-Type': 'application/json'}; "
        "print(u.urlopen(u.Request(url, data=b'{}', headers=head)).status)"
    )
    command = [sys.executable, "-m", "sagetape", "exec", "--no-config", "--", sys.executable, "-c", program]
    done = subprocess.run(command, env=environ(), capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "200"), done.stderr


@pytest.mark.parametrize("path", ["/endpoints/a/invocations", "/_sagetape/decks", "/nothing"])
def test_refused_head_has_no_body(path: str) -> None:
    """On one connection, the answer to the next request is read where it begins."""
    with Emulator(auth="off") as emulator:
        port = int(emulator.base_url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            sock.sendall(f"HEAD {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            sock.sendall(f"GET /ping HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            told = b"".join(iter(lambda: sock.recv(65536), b""))
    first, second, rest = told.split(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 40")
    assert second.startswith(b"HTTP/1.1 200 OK")
    assert rest == b""

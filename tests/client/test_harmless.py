"""What a server says reaches a terminal as text alone: no word of it moves the cursor, sets a title or hides a line."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner, Result

from sagetape_client import printing
from sagetape_client.cli import invoke
from tests.client.standin import ENVIRON, Answer, Standin, error
from tests.client.test_contract import python_path

ESC = "\x1b]0;owned\x07 \x1b[2J \u009b31m \x7f \x08"
SHOWN = "\\x1b]0;owned\\x07 \\x1b[2J \\x9b31m \\x7f \\x08"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
HEAD = "Content-Length: 0\r\nConnection: close\r\n\r\n"
ANSWERS = {  # each with the exit code that the command ends with
    "broken status line": (5, f"HTTP/{ESC} what\r\n{HEAD}"),
    "error type": (4, f"HTTP/1.1 400 Bad\r\nx-amzn-ErrorType: {ESC}\r\n{HEAD}"),
    "reason and request id": (4, f"HTTP/1.1 403 No\r\nX-Sagetape-Reason: {ESC}\r\nx-amzn-RequestId: {ESC}\r\n{HEAD}"),
}


@contextmanager
def server_that_says(answer: bytes) -> Iterator[str]:
    """The URL of a server that answers every request with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return  # the test is over
                with client:
                    client.recv(65536)
                    client.sendall(answer)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        serving.join()


def run(url: str, *words: str) -> Result:
    """`sagetape invoke churn <words>` with keys and a region."""
    return CliRunner().invoke(invoke, ["churn", "-b", "x", "--endpoint-url", url, *words], env=ENVIRON)


@pytest.mark.parametrize(("code", "answer"), ANSWERS.values(), ids=ANSWERS)
def test_head_of_an_answer_is_harmless_on_standard_error(code: int, answer: str) -> None:
    """Wherever in it the sequences stand."""
    with server_that_says(answer.encode("latin-1")) as url:
        words = ["-m", "sagetape_client", "churn", "-b", "x", "--endpoint-url", url]
        done = subprocess.run([sys.executable, *words], env=python_path(), capture_output=True, text=True)
    assert done.returncode == code
    assert done.stderr.startswith("sagetape invoke: ")
    assert CONTROL.search(done.stderr) is None


def test_error_of_the_service_is_shown_with_its_controls_spelled(service: Standin) -> None:
    """The text and the members; what is no control stays as it is."""
    service.script(error(424, "ModelError", f"nö {ESC}", OriginalMessage=ESC))
    done = run(service.url)
    assert done.exit_code == 4
    assert f"nö {SHOWN}" in done.stderr
    assert f"OriginalMessage: {SHOWN}" in done.stderr
    assert CONTROL.search(done.stderr) is None


def test_selected_member_is_harmless_on_a_terminal(service: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header of the answer is the server's word, too. In a pipe it is as it came."""
    answer = Answer(200, {"Content-Type": "text/plain", "X-Amzn-SageMaker-Custom-Attributes": "\x1b[2Jhm"}, b"")
    service.script(answer, answer)
    assert run(service.url, "--select", "CustomAttributes").stdout == "\x1b[2Jhm\n"
    monkeypatch.setattr("sagetape_client.ways._output.__enter__", lambda self: (sys.stdout.buffer, True))
    assert run(service.url, "--select", "CustomAttributes").stdout == "\\x1b[2Jhm\n"


def test_json_is_harmless_and_json(service: Standin) -> None:
    """JSON need not escape all controls, and a program must read what is printed."""
    service.script(Answer(200, {"Content-Type": "text/plain"}, ESC.encode()))
    done = run(service.url, "--json")
    assert CONTROL.search(done.stdout) is None
    assert json.loads(done.stdout)["Body"] == ESC


@pytest.mark.parametrize("is_terminal", [False, True])
def test_half_of_a_pair_is_escaped_in_json_and_in_text(is_terminal: bool) -> None:
    """A model may write it as an escape; a program that reads what is printed gets it back, and no broken UTF-8."""
    value = {"a\ud800": ["\udfff", "\U0001f600"]}
    printed = printing.selected_bytes(value, is_terminal=is_terminal)
    assert json.loads(printed.decode("utf-8")) == value
    assert "\U0001f600" in printed.decode("utf-8")
    assert printing.selected_bytes("a\ud800", is_terminal=is_terminal) == b"a\\ud800\n"

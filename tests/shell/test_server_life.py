"""A server's life as a process: ready line, port file, signals, drain, time-outs, exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.cli.command_line import environment
from tests.shell.server_wire import PATH, STREAM_PATH, Wire, kept, plain, says, upstream

from sagetape.shell import connections
from sagetape.shell.player import Dates

STOP_S = 60
OPTIONS = ("--no-config", "--port", "0", "--auth", "off")
SERVE = [sys.executable, "-m", "sagetape"]
NO_UVLOOP = [
    sys.executable,
    "-c",
    "import sys; sys.modules['uvloop'] = None; from sagetape.cli.root import main; sys.exit(main())",
]


class Server:
    """A process that serves, and everything that it said."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.line = process.stdout.readline()

    @property
    def url(self) -> str:
        return self.fields["url"]

    @property
    def fields(self) -> dict[str, str]:
        return dict(word.split("=", 1) for word in self.line.split()[2:])

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_S)

    def errors(self) -> str:
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def running(
    folder: Path, *words: str, program: list[str] = SERVE, environ: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`sagetape <words>`, ended in any case."""
    process = subprocess.Popen(
        [*program, *words],
        cwd=folder,
        env=environment(folder, environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process)
    finally:
        process.kill()
        process.communicate(timeout=STOP_S)


# --- ready


def test_ready_line_has_its_fields_in_order(tmp_path: Path) -> None:
    """One line, and the server answers from then on."""
    with running(tmp_path, "serve", *OPTIONS, "--seed", "7") as server:
        assert server.line.startswith("sagetape ready url=http://127.0.0.1:")
        assert list(server.fields) == ["url", "pid", "mode", "seed", "interactions", "damage"]
        assert server.fields["pid"] == str(server.process.pid)
        assert (server.fields["mode"], server.fields["seed"], server.fields["interactions"]) == ("none", "7", "0")
        with Wire(server.url) as wire:
            for path in ("/ping", "/_sagetape/health"):
                wire.send(f"GET {path} HTTP/1.1\r\nHost: {wire.host}\r\n\r\n".encode())
                assert wire.answer().status == 200
        assert server.end() == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""


def test_ready_line_as_json_has_the_same_fields(tmp_path: Path) -> None:
    """And the summary at the end is one line of JSON, too."""
    with running(tmp_path, "serve", *OPTIONS, "--json") as server:
        fields = json.loads(server.line)
        assert [name for name in fields if name != "event"] == ["url", "pid", "mode", "seed", "interactions", "damage"]
        assert server.end() == 0
        (line,) = [line for line in server.errors().splitlines() if line.startswith("{")]
        assert json.loads(line)["event"] == "ended"


def test_port_file_is_there_while_the_server_is(tmp_path: Path) -> None:
    """Written whole under its name, before the ready line; gone at the end."""
    file = tmp_path / "port"
    with running(tmp_path, "serve", *OPTIONS, "--port-file", str(file)) as server:
        assert file.read_text().strip() == server.url.rpartition(":")[2]
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith("port")] == ["port"]
        assert server.end() == 0
        assert not file.exists()


def test_files_of_a_later_server_stay(tmp_path: Path) -> None:
    """A server that ends while another has taken over its port file and token file removes neither."""
    port, token = tmp_path / "port", tmp_path / "token"
    words = ("serve", *OPTIONS, "--port-file", str(port), "--token-file", str(token))
    with running(tmp_path, *words) as first, running(tmp_path, *words) as second:
        assert first.end() == 0
        assert port.read_text().strip() == second.url.rpartition(":")[2]
        assert token.exists()
        assert second.end() == 0
        assert not port.exists()
        assert not token.exists()


# --- end


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130), (signal.SIGHUP, 0)])
def test_signal_ends_with_its_code(number: signal.Signals, code: int, tmp_path: Path) -> None:
    """0 when it was told to stop or its terminal was closed, 130 after Ctrl-C; a summary each time."""
    with running(tmp_path, "serve", *OPTIONS) as server:
        assert server.end(number) == code
        assert "sagetape ended: 0 requests" in server.errors()


def test_drain_lets_calls_and_streams_end(tmp_path: Path) -> None:
    """Ten calls, five of them streams, are under way when SIGTERM comes: all end whole and all are in the file."""
    tape, go = tmp_path / "churn.tape", threading.Event()
    begun = threading.Semaphore(0)

    def behave(client: socket.socket, request: bytes) -> None:
        body = request.rpartition(b"\r\n\r\n")[2]
        begun.release()
        assert go.wait(STOP_S)
        client.sendall(plain(b"[" + body + b"]"))

    with (
        upstream(behave) as model,
        running(tmp_path, "record", str(tape), "--upstream", model.url, *OPTIONS) as server,
        ExitStack() as stack,
    ):
        wires = [stack.enter_context(Wire(server.url)) for _ in range(10)]
        for number, wire in enumerate(wires):
            wire.post(b"%d" % number, path=STREAM_PATH if number % 2 else PATH)
        for _ in wires:
            assert begun.acquire(timeout=STOP_S)
        server.process.send_signal(signal.SIGTERM)
        refused_when_stopping(server.url)
        go.set()
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(Wire.answer, wires))
        assert [answer.status for answer in answers] == [200] * 10
        assert all(b"[%d]" % number in answer.body for number, answer in enumerate(answers))
        assert server.process.wait(STOP_S) == 0
    assert len(kept(tape)) == 10


@pytest.mark.parametrize(
    ("first", "headers", "length", "rest"),
    [
        (b"5\r\nhello\r\n", ("Transfer-Encoding: chunked",), None, b"5\r\nworld\r\n0\r\n\r\n"),
        (b"hello", (), 10, b"world"),
        (b"hello", ("Expect: 100-continue",), 10, b"world"),
        (b"hello", (), 200_000, b"w" * 199_995),
    ],
    ids=["chunks", "a small body", "an expected body", "a large body"],
)
def test_drain_lets_bodies_arrive(
    first: bytes, headers: tuple[str, ...], length: int | None, rest: bytes, tmp_path: Path
) -> None:
    """A call whose body is on its way when SIGTERM comes is answered and kept, however its body is read."""
    tape = tmp_path / "churn.tape"
    with (
        upstream(says(plain(b"[1]"))) as model,
        running(tmp_path, "record", str(tape), "--upstream", model.url, *OPTIONS) as server,
        Wire(server.url) as wire,
        Wire(server.url) as other,
    ):
        wire.post(first, *headers, length=length)
        other.send(f"GET /ping HTTP/1.1\r\nHost: {other.host}\r\n\r\n".encode())
        assert other.answer().status == 200  # by now the first half has been read
        server.process.send_signal(signal.SIGTERM)
        refused_when_stopping(server.url)
        wire.send(rest)
        answer = wire.answer()
        while answer.status == 100:
            answer = wire.answer()
        assert (answer.status, answer.body) == (200, b"[1]")
        assert server.process.wait(STOP_S) == 0
    assert len(kept(tape)) == 1


class Fresh(asyncio.Transport):
    """A client's end that nothing comes from."""

    is_closed = False

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize("is_late", [False, True])
async def test_fresh_connection_holds_no_end_up(is_late: bool) -> None:
    """Made in the very turn of the loop in which the server is told to end, or just behind it: no call is on it."""

    async def handler(_request: object) -> None:
        raise AssertionError("nothing was asked")

    server = connections.Server(handler, dates=Dates(), new_request_id=lambda: b"id", connections_max=10)
    transport = Fresh()
    if is_late:
        server.pre_shutdown()
    server().connection_made(transport)
    if not is_late:
        server.pre_shutdown()
    async with asyncio.timeout(STOP_S):
        await server.finish()
    assert transport.is_closed


def refused_when_stopping(url: str) -> None:
    """Returns once new connections are refused, which is when the signal has been heard."""
    while True:
        try:
            with Wire(url) as wire:
                wire.rest()
        except OSError:
            return


def test_drain_cuts_off_what_hangs(tmp_path: Path) -> None:
    """After `drain_s` a hanging call ends, the server too; nothing of it is kept, and no traceback is said."""
    tape, asked, never = tmp_path / "churn.tape", threading.Event(), threading.Event()

    def behave(client: socket.socket, request: bytes) -> None:
        client.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        asked.set()
        assert never.wait(STOP_S)

    with upstream(behave) as model:
        words = ("record", str(tape), "--upstream", model.url, "--drain-s", "0.2", *OPTIONS)
        with running(tmp_path, *words) as server, Wire(server.url) as wire:
            wire.post(b"{}", path=STREAM_PATH)
            assert asked.wait(STOP_S)
            assert wire.head().status == 200
            assert server.end() == 0
            said = server.errors()
        never.set()
    assert "still in flight after 0.2 seconds" in said
    assert "sagetape ended: 1 request (1 cut_off)" in said
    assert "Traceback" not in said
    assert not kept(tape)


HANGING = """
import asyncio, threading

never = threading.Event()

async def hangs(invocation):
    print("asked", flush=True)
    await asyncio.to_thread(never.wait)
"""


def test_function_whose_own_thread_hangs_holds_no_end_up(tmp_path: Path) -> None:
    """Python would wait at its end for the threads of executors; the call that was cut off is counted."""
    (tmp_path / "models.py").write_text(HANGING)
    words = ("serve", *OPTIONS, "--upstream", "function:models:hangs", "--drain-s", "0.2")
    with running(tmp_path, *words) as server, Wire(server.url) as wire:
        wire.post(b"{}")
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == "asked\n"
        assert server.end() == 0
        assert "sagetape ended: 1 request (1 cut_off)" in server.errors()


def test_second_signal_ends_at_once(tmp_path: Path) -> None:
    """Whatever is under way; what was acknowledged before is in the file."""
    tape, asked, never = tmp_path / "churn.tape", threading.Semaphore(0), threading.Event()

    def behave(client: socket.socket, request: bytes) -> None:
        asked.release()
        if not request.endswith(b"[1]"):
            assert never.wait(STOP_S)
        client.sendall(plain(b"[1]"))

    with upstream(behave) as model:
        words = ("record", str(tape), "--upstream", model.url, "--drain-s", "3600", *OPTIONS)
        with running(tmp_path, *words) as server, Wire(server.url) as wire:
            wire.post(b"[1]")
            assert wire.answer().status == 200
            wire.post(b"[2]")
            assert [asked.acquire(timeout=STOP_S) for _ in range(2)] == [True, True]
            server.process.send_signal(signal.SIGTERM)
            refused_when_stopping(server.url)
            assert server.end() == 1
        never.set()
    assert len(kept(tape)) == 1


def test_server_without_requests_ends_by_itself(tmp_path: Path) -> None:
    """After `--idle-timeout-s`."""
    with running(tmp_path, "serve", *OPTIONS, "--idle-timeout-s", "0.05") as server:
        assert server.process.wait(STOP_S) == 0


def test_server_ends_with_the_process_it_watches(tmp_path: Path) -> None:
    """`--parent-pid`."""
    parent = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with running(tmp_path, "serve", *OPTIONS, "--parent-pid", str(parent.pid)) as server:
        assert parent.stdin is not None
        assert server.process.poll() is None
        parent.stdin.close()
        parent.wait(STOP_S)
        assert server.process.wait(STOP_S) == 0


def test_server_runs_without_uvloop(tmp_path: Path) -> None:
    """asyncio's own loop: a call is recorded and the end is clean."""
    tape = tmp_path / "churn.tape"
    with upstream(says(plain(b"[1]"))) as model:
        words = ("record", str(tape), "--upstream", model.url, *OPTIONS)
        with running(tmp_path, *words, program=NO_UVLOOP) as server, Wire(server.url) as wire:
            wire.post(b"{}")
            assert wire.answer().body == b"[1]"
            assert server.end() == 0
    assert len(kept(tape)) == 1


NO_EXTENSIONS = {"AIOHTTP_NO_EXTENSIONS": "1"}


def test_server_refuses_to_start_on_the_python_parser(tmp_path: Path) -> None:
    """It ends with 8, says both ways out, and has made no cassette."""
    tape = tmp_path / "churn.tape"
    for words in (("serve",), ("record", str(tape), "--upstream", "http://127.0.0.1:9")):
        with running(tmp_path, *words, *OPTIONS, environ=NO_EXTENSIONS) as server:
            assert server.line == ""
            assert server.process.wait(STOP_S) == 8
            said = server.errors()
        assert said.startswith("sagetape: error: aiohttp runs with its Python HTTP parser")
        assert "pip install --force-reinstall --only-binary :all: aiohttp" in said
        assert "`--allow-python-parser`" in said
        assert "Traceback" not in said
    assert not tape.exists()


def test_server_starts_on_the_python_parser_when_told(tmp_path: Path) -> None:
    """A call is recorded and played on it, and what is no HTTP is refused as ever."""
    tape, words = tmp_path / "churn.tape", (*OPTIONS, "--allow-python-parser")
    with upstream(says(plain(b"[1]"))) as model:
        record = ("record", str(tape), "--upstream", model.url, *words)
        with running(tmp_path, *record, environ=NO_EXTENSIONS) as server, Wire(server.url) as wire:
            wire.post(b"{}")
            assert wire.answer().body == b"[1]"
            assert server.end() == 0
    with running(tmp_path, "replay", str(tape), *words, environ=NO_EXTENSIONS) as server, Wire(server.url) as wire:
        wire.post(b"{}")
        assert wire.answer().body == b"[1]"
        wire.send(b"GARBAGE\r\n\r\n")
        assert wire.answer().status == 400
        assert server.end() == 0


# --- verdicts


def test_strict_server_ends_with_3_after_a_miss(tmp_path: Path) -> None:
    """Without --strict with 0."""
    for words, code in ((("--strict",), 3), ((), 0)):
        with running(tmp_path, "serve", *OPTIONS, *words) as server, Wire(server.url) as wire:
            wire.post(b"{}")
            assert wire.answer().headers["x-amzn-errortype"] == "SagetapeMiss"
            assert server.end() == code


def test_server_that_kept_a_secret_off_the_disk_ends_with_7(tmp_path: Path) -> None:
    """The client has its answer, the cassette has not."""
    tape, secret = tmp_path / "churn.tape", "wJalrXUtnFEMIK7MDENGbPxRfiCYzzQ3vT8dLm5p"
    environ = {"AWS_ACCESS_KEY_ID": "AKIAQ3EGJ5XVWZ4TDN2A", "AWS_SECRET_ACCESS_KEY": secret}
    with upstream(says(plain(b'{"key":"%b"}' % secret.encode()))) as model:
        words = ("record", str(tape), "--upstream", model.url, *OPTIONS)
        with running(tmp_path, *words, environ=environ) as server, Wire(server.url) as wire:
            wire.post(b"{}")
            assert secret.encode() in wire.answer().body
            assert server.end() == 7
            said = server.errors()
    assert secret not in said
    assert "[scrub] in sagetape.toml" in said
    assert 'write there: allowed = ["' in said
    assert not kept(tape)
    assert not tape.exists() or secret.encode() not in tape.read_bytes()


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="files are limited by setrlimit")
def test_server_whose_cassette_cannot_grow_ends_with_6(tmp_path: Path) -> None:
    """The client has its answer all the same, and the file stays valid."""
    tape = tmp_path / "churn.tape"
    limited = [
        sys.executable,
        "-c",
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        "from sagetape.cli.root import main; sys.exit(main())",
    ]
    answer = os.urandom(100_000).hex().encode()
    with upstream(says(plain(b'"' + answer + b'"'))) as model:
        words = ("record", str(tape), "--upstream", model.url, *OPTIONS)
        with running(tmp_path, *words, program=limited) as server, Wire(server.url) as wire:
            wire.post(b"{}")
            assert answer in wire.answer().body
            assert server.end() == 6
            assert "Traceback" not in server.errors()
    assert not kept(tape)

"""Many clients that do not behave, on a real server process: all are cut off in time, and good ones are served."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from tests.shell.server_wire import PATH, Wire
from tests.shell.test_server_life import NO_UVLOOP, OPTIONS, SERVE, running

STRICT_MAX = 6_291_456  # botocore sagemaker-runtime 2017-05-13, shape BodyBlob
CROWD = 500
MODELS = """
def churn(invocation):
    return len(invocation.body)

def large(invocation):
    return b"x" * 20_000_000
"""
CONFIG = """
[endpoints.churn]
upstream = "function:crowd_models:churn"

[endpoints.large]
upstream = "function:crowd_models:large"
"""
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, {files}))
from sagetape.cli.root import main
sys.exit(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "crowd_models.py").write_text(MODELS)
    (tmp_path / "sagetape.toml").write_text(CONFIG)
    return tmp_path


WORDS = ("serve", "--config", "sagetape.toml", *OPTIONS[1:])


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """This process holds the other end of every connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4 * CROWD
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this process may open {hard} files; {wanted} are needed")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(url: str, count: int) -> Iterator[list[Wire]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Wire(url)) for _ in range(count)]


def is_ended(wire: Wire) -> bool:
    """Whether the server has ended a connection; waits for it, and reads what it said before."""
    try:
        while wire.socket.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


def ask(url: str) -> int:
    """The status that a good client gets."""
    with Wire(url) as wire:
        wire.post(b"{}")
        return wire.answer().status


def ask_again(url: str) -> int:
    """As `ask`, as soon as the server has seen that others left."""
    while True:
        try:
            return ask(url)
        except (OSError, IndexError):
            continue


def test_strict_limits_is_the_service_models_size(folder: Path) -> None:
    """As a flag: 6,291,456 bytes are served, one more is refused."""
    with running(folder, *WORDS, "--strict-limits") as server:
        for size, status in ((STRICT_MAX, 200), (STRICT_MAX + 1, 413)):
            with Wire(server.url) as wire:
                wire.post(b"x" * size) if status == 200 else wire.post(length=size)
                answer = wire.answer()
                assert answer.status == status
                assert answer.body == (b"6291456" if status == 200 else b"HTTP content length exceeded 6291456 bytes.")
        assert server.end() == 0


@pytest.mark.parametrize("program", [SERVE, NO_UVLOOP], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("begun", ["nothing", "head", "body"])
def test_crowd_that_does_not_go_on_is_cut_off(begun: str, program: list[str], folder: Path) -> None:
    """500 clients that send nothing, half a head, or half a body; a good one is served meanwhile."""
    limits = ("--keep-alive-s", "1.5", "--body-idle-s", "1.5")
    with running(folder, *WORDS, *limits, program=program) as server:
        with crowd(server.url, CROWD) as slow:
            for wire in slow:
                with suppress(ConnectionError):  # on a slow machine the first are cut off before the last have begun
                    if begun == "head":
                        wire.send(f"POST {PATH} HTTP/1.1\r\nHost: {wire.host}\r\nX-Drip: ".encode())
                    elif begun == "body":
                        wire.post(b"half", length=300_000)
            assert [ask(server.url) for _ in range(5)] == [200] * 5
            assert all(is_ended(wire) for wire in slow)
        assert ask(server.url) == 200
        assert server.end() == 0
        assert server.errors().count("\n") < 20


@pytest.fixture
def large(folder: Path) -> Path:
    """A cassette with an answer of 20 MB."""
    with running(folder, "record", "large.tape", "--upstream", "function:crowd_models:large", *OPTIONS) as recorder:
        assert ask(recorder.url) == 200
        assert recorder.end() == 0
    return folder / "large.tape"


def test_crowd_that_does_not_read_holds_nobody_up(folder: Path, large: Path) -> None:
    """500 clients that ask for 20 MB each and read none of it: the server keeps of each only what the system's buffers
    do not hold of one piece, and one that reads gets all."""
    with running(folder, "replay", large.name, *OPTIONS, "--drain-s", "0") as server:
        with crowd(server.url, CROWD) as slow:
            for wire in slow:
                wire.post(b"{}")
            assert [wire.head().status for wire in slow] == [200] * CROWD
            assert resident_mib(server.process.pid) < 250
            with Wire(server.url) as good:
                good.post(b"{}")
                assert len(good.answer().body) == 20_000_000
        assert server.end() == 0


def test_clients_that_do_not_read_are_cut_off(folder: Path, large: Path) -> None:
    """Each after the time that is set, and nobody else."""
    with running(folder, "replay", large.name, *OPTIONS, "--drain-s", "0", "--send-idle-s", "1") as server:
        with crowd(server.url, 20) as slow:
            for wire in slow:
                wire.post(b"{}")
            assert all(is_cut_off(wire) for wire in slow)
        assert ask(server.url) == 200
        assert server.end() == 0
        assert "read nothing of its answer for 1 second" in server.errors()


def is_cut_off(wire: Wire) -> bool:
    """Whether the server has ended a connection; waits for it."""
    poll = select.poll()
    poll.register(wire.socket, select.POLLHUP | select.POLLERR)  # reading would be what it waits for
    return bool(poll.poll(60_000))


def resident_mib(pid: int) -> float:
    """What a process holds in memory; 0 where that cannot be read."""
    path = Path(f"/proc/{pid}/statm")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if path.exists() else 0.0


@pytest.mark.parametrize("files", [64, 200])
def test_few_descriptors_are_shared_out(files: int, folder: Path) -> None:
    """A hard limit on open files: clients above it are refused with few lines, the others served, and it recovers."""
    limited = [sys.executable, "-c", LIMITED.format(files=files)]
    with running(folder, *WORDS, program=limited) as server:
        with crowd(server.url, 2 * files) as many:
            served = 0
            for wire in many:
                try:
                    wire.post(b"{}")
                    served += wire.answer().status == 200
                except (OSError, IndexError):  # refused: reset, or ended without a word
                    continue
            assert files // 4 <= served < files
        assert ask_again(server.url) == 200
        assert server.end() == 0
        assert server.errors().count("\n") < 20


def test_descriptors_that_run_out_all_the_same_are_survived(folder: Path) -> None:
    """Something else in the process takes the last of them: accepting pauses, and goes on when they are given back."""
    hoard = """
import os, resource, signal, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
hoarded = []
def turn(*_):
    if hoarded:
        while hoarded: os.close(hoarded.pop())
        return
    try:
        while True: hoarded.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        os.write(2, b"all taken\\n")
signal.signal(signal.SIGUSR1, turn)
from sagetape.cli.root import main
sys.exit(main())
"""
    with running(folder, *WORDS, program=[sys.executable, "-c", hoard]) as server:
        assert ask(server.url) == 200
        server.process.send_signal(signal.SIGUSR1)
        assert server.process.stderr is not None
        assert server.process.stderr.readline() == "all taken\n"
        with Wire(server.url) as waiting:
            waiting.post(b"{}")  # the kernel takes it in; nobody accepts it
            server.process.send_signal(signal.SIGUSR1)
            try:
                assert waiting.answer().status == 200
            except (OSError, IndexError):
                pass  # the loop may have dropped it; the next is served
        assert ask(server.url) == 200
        assert server.end() == 0
        assert server.errors().count("\n") < 20

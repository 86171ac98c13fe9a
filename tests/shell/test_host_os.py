"""What differs between operating systems, by table; what exists here, for real."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sagetape.core.errors import ConfigError
from sagetape.shell import host_os
from sagetape.shell.ports import bind_error, free_port_after

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="prctl and /proc are Linux's")


@pytest.mark.parametrize(
    ("platform", "stop", "forwarded"),
    [
        ("linux", ("SIGINT", "SIGTERM", "SIGHUP"), ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")),
        ("darwin", ("SIGINT", "SIGTERM", "SIGHUP"), ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")),
        ("win32", ("SIGINT", "SIGBREAK"), ("SIGBREAK",)),
    ],
)
def test_signals_are_those_that_the_system_delivers(
    platform: str, stop: tuple[str, ...], forwarded: tuple[str, ...]
) -> None:
    """Windows has no SIGTERM between processes."""
    assert host_os.stop_signals(platform) == stop
    assert host_os.forwarded_signals(platform) == forwarded


def test_signals_that_do_not_exist_here_are_left_out() -> None:
    """A name of another system is no error."""
    assert host_os.signals_named(("SIGINT", "SIGNOWHERE")) == (signal.SIGINT,)


@pytest.mark.parametrize(
    ("platform", "options"),
    [("linux", {"process_group": 0}), ("darwin", {"process_group": 0}), ("win32", {"creationflags": 0x200})],
)
def test_process_apart_has_a_group_of_its_own(platform: str, options: dict[str, Any]) -> None:
    """So that Ctrl-C on the terminal does not reach it."""
    assert host_os.apart_options(platform) == options


@pytest.mark.parametrize(("platform", "is_bound"), [("linux", True), ("darwin", False), ("win32", False)])
def test_child_is_bound_where_the_kernel_can(platform: str, is_bound: bool) -> None:
    """Only Linux can promise that any program ends with its starter."""
    assert ("preexec_fn" in host_os.bound_options(platform)) is is_bound


@pytest.mark.parametrize(("returncode", "status"), [(0, 0), (3, 3), (-2, 130), (-9, 137), (-15, 143)])
def test_exit_status_is_a_shells(returncode: int, status: int) -> None:
    """128 + n when signal n ended the child."""
    assert host_os.exit_status(returncode) == status


def test_process_is_alive_until_it_was_waited_for() -> None:
    """This process is, and a child that has ended and been waited for is not."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert host_os.is_alive(os.getpid())
    assert not host_os.is_alive(child.pid)


class Kernel:
    """Win32's part in `is_alive`: process 7 runs, 8 has ended, any other cannot be opened."""

    def __init__(self) -> None:
        self.closed: list[int] = []

    def OpenProcess(self, access: int, inherits: bool, pid: int) -> int:
        assert (access, inherits) == (0x00100000, False)
        return pid if pid in (7, 8) else 0

    def WaitForSingleObject(self, handle: int, wait_ms: int) -> int:
        assert wait_ms == 0
        return 0x102 if handle == 7 else 0

    def CloseHandle(self, handle: int) -> None:
        self.closed.append(handle)


@pytest.mark.parametrize(("pid", "is_alive", "closed"), [(7, True, [7]), (8, False, [8]), (9, False, [])])
def test_process_is_alive_on_windows_by_its_handle(pid: int, is_alive: bool, closed: list[int]) -> None:
    """Signal 0 would end it there; every handle that was opened is closed."""
    kernel = Kernel()
    library = SimpleNamespace(windll=SimpleNamespace(kernel32=kernel))
    assert host_os.is_alive_by_handle(pid, library) is is_alive
    assert kernel.closed == closed


def test_parent_that_ends_is_noticed_once() -> None:
    """By looking, where the kernel cannot be asked; the pause between looks is an argument."""
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    noticed = threading.Event()
    looked = threading.Event()

    def pause(_seconds: float) -> None:
        looked.set()
        child.wait()

    host_os.watch_parent(child.pid, noticed.set, pause=pause)
    assert looked.wait(30)
    assert not noticed.is_set()
    child.communicate(b"\n")
    assert noticed.wait(30)


@pytest.mark.parametrize(("platform", "number"), [("linux", signal.SIGTERM), ("win32", signal.SIGTERM)])
def test_server_is_stopped_by_a_signal_that_it_handles(platform: str, number: int) -> None:
    """CTRL_BREAK_EVENT exists on Windows only; where it does not, SIGTERM stands in."""
    assert host_os.stop_signal(platform) == number


# --- ports ------------------------------------------------------------------------------------------------------


@ON_LINUX
def test_port_owner_is_the_process_that_listens() -> None:
    """This one, while its socket listens, over IPv4 and IPv6."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert host_os.port_owner(port) == os.getpid()
        assert host_os.process_name(os.getpid())
    assert host_os.port_owner(port) is None


def test_port_owner_is_not_known_without_proc(tmp_path: Path) -> None:
    """macOS and Windows: nobody is named, and nothing fails."""
    assert host_os.port_owner(7243, tmp_path) is None
    assert host_os.process_name(1, tmp_path) == ""


def test_port_that_is_taken_names_owner_and_a_free_one() -> None:
    """The message is a problem of the configuration with a remedy that works."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.socket() as other, pytest.raises(OSError) as caught:
            other.bind(("127.0.0.1", port))
        error = bind_error(caught.value, "127.0.0.1", port)
    text = str(error)
    assert isinstance(error, ConfigError)
    assert f"Port {port} on 127.0.0.1 is taken" in text
    assert "--port" in text
    if sys.platform == "linux":
        assert f"by process {os.getpid()}" in text


@pytest.mark.parametrize(
    ("number", "said"),
    [
        ("EADDRNOTAVAIL", "is not an address of this machine"),
        ("EACCES", "by an administrator only"),
        ("EIO", "Cannot listen on 10.1.2.3 port 80"),
    ],
)
def test_address_that_cannot_be_had_says_why(number: str, said: str) -> None:
    """Each reason has its own sentence and remedy."""
    import errno

    text = str(bind_error(OSError(getattr(errno, number), "why"), "10.1.2.3", 80))
    assert said in text
    assert "--port" in text or "--host" in text


def test_free_port_is_the_next_that_can_be_had() -> None:
    """Never the one that was asked for, never one past the last."""
    assert free_port_after("127.0.0.1", 65535) is None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        free = free_port_after("127.0.0.1", port - 1)
        assert free is None or free > port


class Limits:
    """A stand-in for the module `resource`, of a system with these limits on open files."""

    RLIMIT_NOFILE, RLIM_INFINITY = 7, -1

    def __init__(self, soft: int, hard: int, *, is_fixed: bool = False) -> None:
        self.pair = (soft, hard)
        self.is_fixed = is_fixed

    def getrlimit(self, _which: int) -> tuple[int, int]:
        return self.pair

    def setrlimit(self, _which: int, pair: tuple[int, int]) -> None:
        if self.is_fixed:
            raise ValueError("not allowed to raise maximum limit")
        self.pair = pair


@pytest.mark.parametrize(
    ("limits", "files"),
    [
        (None, 8192),
        (Limits(1024, 4096), 4096),
        (Limits(1024, 1_000_000), 65_536),
        (Limits(1024, -1), 65_536),
        (Limits(-1, -1), 65_536),
        (Limits(100_000, 1_000_000), 100_000),
        (Limits(256, 4096, is_fixed=True), 256),
        (Limits(64, 64), 64),
    ],
)
def test_open_files_are_raised_as_far_as_they_go(limits: Any, files: int) -> None:
    """No limit known, a lower one that may be raised, one that may not, and none at all."""
    assert host_os.open_files_max(limits) == files


@pytest.mark.parametrize(
    ("platform", "reuses", "proxies", "shell"),
    [
        ("linux", True, ("NO_PROXY", "no_proxy"), "sh"),
        ("darwin", True, ("NO_PROXY", "no_proxy"), "sh"),
        ("win32", False, ("NO_PROXY",), "powershell"),
    ],
)
def test_small_things_differ(platform: str, reuses: bool, proxies: tuple[str, ...], shell: str) -> None:
    """Addresses, names of variables, shells."""
    assert host_os.reuses_addresses(platform) is reuses
    assert host_os.proxy_variables(platform) == proxies
    assert host_os.default_shell(platform) == shell


class DeafLoop(asyncio.SelectorEventLoop):
    """A loop like Windows': it knows no signals."""

    def add_signal_handler(self, *_: Any) -> None:
        raise NotImplementedError


@pytest.mark.skipif(os.name != "posix", reason="raises a signal of POSIX")
@pytest.mark.parametrize("kind", [asyncio.SelectorEventLoop, DeafLoop])
def test_signal_reaches_the_loop_in_its_own_turn(kind: type[asyncio.AbstractEventLoop]) -> None:
    """Also where the loop itself cannot listen."""
    before = signal.getsignal(signal.SIGUSR1)
    loop = kind()
    heard = loop.create_future()
    try:
        host_os.call_on_signal(loop, signal.SIGUSR1, heard.set_result)
        loop.call_soon(signal.raise_signal, signal.SIGUSR1)
        assert loop.run_until_complete(heard) == signal.SIGUSR1
    finally:
        loop.close()
        signal.signal(signal.SIGUSR1, before)

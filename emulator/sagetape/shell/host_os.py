"""Everything that differs between operating systems, but for files (`files.py`): signals, groups of processes, parents.

Each choice is a function of `sys.platform`, so that a table can test the branches of a system that is not at hand. On
Windows they were tested in that way only.
"""

from __future__ import annotations

import ctypes
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import asyncio

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
POLL_S: Final = 0.5
CREATE_NEW_PROCESS_GROUP: Final = 0x200  # Win32 process creation flags; subprocess has the name on Windows only


def stop_signals(platform: str = sys.platform) -> tuple[str, ...]:
    """Names of the signals that ask a server to end."""
    return ("SIGINT", "SIGBREAK") if platform == "win32" else ("SIGINT", "SIGTERM", "SIGHUP")


def abandoning_signal(platform: str = sys.platform) -> signal.Signals | None:
    """What ends a server as Ctrl-C does, so that a recording replaces nothing; None where only killing it does."""
    return None if platform == "win32" else signal.SIGINT


def stop_signal(platform: str = sys.platform) -> int:
    """What asks a server to end cleanly: on Windows the only signal that reaches a group of its own."""
    return int(getattr(signal, "CTRL_BREAK_EVENT", signal.SIGTERM)) if platform == "win32" else int(signal.SIGTERM)


def call_on_signal(
    loop: asyncio.AbstractEventLoop, number: signal.Signals, told: Callable[[signal.Signals], None]
) -> None:
    """Has the loop call `told`, between two of its turns, when a signal comes. Windows' loops know no signals."""
    try:
        loop.add_signal_handler(number, told, number)
    except NotImplementedError:
        signal.signal(number, lambda n, _: loop.call_soon_threadsafe(told, signal.Signals(n)))


def forwarded_signals(platform: str = sys.platform) -> tuple[str, ...]:
    """Names of the signals that a wrapper passes on to its child, beside those that the terminal sends to both."""
    return ("SIGBREAK",) if platform == "win32" else ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


def signals_named(names: tuple[str, ...]) -> tuple[signal.Signals, ...]:
    """The signals of these names that exist here."""
    return tuple(signal.Signals[name] for name in names if name in signal.Signals.__members__)


def apart_options(platform: str = sys.platform) -> dict[str, Any]:
    """Arguments of Popen for a process that Ctrl-C on the terminal does not reach."""
    if platform == "win32":
        return {"creationflags": CREATE_NEW_PROCESS_GROUP}
    return {"process_group": 0}


def bound_options(platform: str = sys.platform) -> dict[str, Any]:
    """Arguments of Popen for a child that must not outlive this process; only Linux promises that for any program."""
    if platform != "linux":
        return {}
    parent = os.getpid()
    kernel_call()  # looked up before the fork: after it, another thread's lock could be held for ever

    def bind() -> None:
        if die_with_parent() and os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)  # the parent ended before the kernel was asked

    return {"preexec_fn": bind}


@functools.cache
def kernel_call() -> Callable[..., int] | None:
    """Linux's `prctl`; None elsewhere."""
    try:
        found: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
    except (OSError, AttributeError, TypeError):  # Windows has no CDLL(None), macOS no prctl
        return None
    return found


def die_with_parent(number: int = signal.SIGTERM) -> bool:
    """Asks the kernel to signal this process when the thread that started it ends; False where it cannot be asked."""
    prctl = kernel_call()
    return prctl is not None and prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0) == 0


def shares_terminal() -> bool:
    """Whether a Ctrl-C on a terminal reaches this process, and so every child in its group too."""
    if not hasattr(os, "tcgetpgrp"):
        return True  # Windows sends it to every process of the console
    try:
        with open("/dev/tty", "rb") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False  # no terminal at all


def is_alive(pid: int, platform: str = sys.platform) -> bool:
    """Whether a process is still there. On Windows a signal 0 would end it, so its handle is asked."""
    if platform == "win32":
        return is_alive_by_handle(pid, ctypes)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it is there, and somebody else's
    return True


SYNCHRONIZE: Final = 0x00100000  # Win32 access right
WAIT_TIMEOUT: Final = 0x102  # Win32: the object is not signalled, so the process runs


def is_alive_by_handle(pid: int, library: Any) -> bool:
    """The same through Win32's `OpenProcess` and `WaitForSingleObject`."""
    kernel = library.windll.kernel32
    handle = kernel.OpenProcess(SYNCHRONIZE, False, pid)
    if not handle:
        return False
    try:
        return bool(kernel.WaitForSingleObject(handle, 0) == WAIT_TIMEOUT)
    finally:
        kernel.CloseHandle(handle)


def watch_parent(pid: int, ended: Callable[[], None], *, pause: Callable[[float], object] | None = None) -> None:
    """Calls `ended` once, from a thread of its own, when a process is gone. `pause` waits for so many seconds."""
    wait = pause or threading.Event().wait

    def look() -> None:
        while is_alive(pid):
            wait(POLL_S)
        ended()

    threading.Thread(target=look, name="sagetape-parent", daemon=True).start()


def exit_status(returncode: int) -> int:
    """What a shell says about a child: 128 + n when signal n ended it (POSIX sh, 2.8.2)."""
    return 128 - returncode if returncode < 0 else returncode


# --- what a process may have -------------------------------------------------------------------------------------

FILES_WANTED: Final = 65_536
FILES_WITHOUT_LIMIT: Final = 8192  # sockets at once where no limit is known: Windows


def open_files_max(limits: Any = resource) -> int:
    """Open files that this process may have, after raising the limit as far as it goes. `limits` is the module
    `resource`, or None where there is none."""
    if limits is None:
        return FILES_WITHOUT_LIMIT
    soft, hard = limits.getrlimit(limits.RLIMIT_NOFILE)
    wanted = FILES_WANTED if hard == limits.RLIM_INFINITY else min(hard, FILES_WANTED)
    if soft != limits.RLIM_INFINITY and soft < wanted:
        try:
            limits.setrlimit(limits.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):  # a container may forbid it; the old limit holds then
            return int(soft)
        soft = wanted
    return FILES_WANTED if soft == limits.RLIM_INFINITY else int(soft)


def reuses_addresses(platform: str = sys.platform) -> bool:
    """Whether SO_REUSEADDR means what it says: on Windows it lets two servers have one port."""
    return platform != "win32"


def proxy_variables(platform: str = sys.platform) -> tuple[str, ...]:
    """The spellings of NO_PROXY: both where case counts in names of variables."""
    return ("NO_PROXY",) if platform == "win32" else ("NO_PROXY", "no_proxy")


def default_shell(platform: str = sys.platform) -> str:
    """The shell whose syntax `sagetape env` writes unless told."""
    return "powershell" if platform == "win32" else "sh"


# --- who has a port --------------------------------------------------------------------------------------------


def port_owner(port: int, proc: Path = Path("/proc")) -> int | None:
    """The id of the process that listens on a TCP port, where Linux shows it: one of this user's processes."""
    inodes = listening_inodes(port, proc)
    if not inodes:
        return None
    for folder in proc.glob("[0-9]*/fd"):
        try:
            if any(link_of(entry) in inodes for entry in folder.iterdir()):
                return int(folder.parent.name)
        except OSError:
            continue  # somebody else's process, or one that has just ended
    return None


def link_of(entry: Path) -> str:
    """What a descriptor points to; empty when it was closed meanwhile."""
    try:
        return os.readlink(entry)
    except OSError:
        return ""  # closed between listing and reading


def listening_inodes(port: int, proc: Path) -> set[str]:
    """The sockets that listen on a port, as `/proc/<pid>/fd` names them (proc_pid_net(5): state 0A is LISTEN)."""
    found: set[str] = set()
    for name in ("tcp", "tcp6"):
        try:
            rows = (proc / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue  # no such file: not Linux, or no IPv6
        for row in rows:
            fields = row.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(f"socket:[{fields[9]}]")
    return found


def process_name(pid: int, proc: Path = Path("/proc")) -> str:
    """The name of a process's program; empty where the system does not show it."""
    try:
        return (proc / str(pid) / "comm").read_text().strip()
    except OSError:
        return ""  # gone, hidden, or not Linux

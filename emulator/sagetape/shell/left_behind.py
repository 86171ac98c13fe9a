"""Ends what a killed `sagetape exec` leaves behind: the kernel ends its command, and not what the command has started.

The server of that exec survives it for a moment, and asks every process of exec's own group that carries its mark to
end. So the command may stay in the terminal's foreground group, where Ctrl-C and standard input belong to it. What has
left the group (a daemon, a job of a shell with job control) is not touched. Only Linux shows what a process carries.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

VARIABLE: Final = "_SAGETAPE_RUN"
"""The mark: the id of the exec, and something that no other has. Not under our prefix, which is for settings."""
LOOKS_MAX: Final = 20  # for what forks while it is looked at


def new_mark(pid: int) -> str:
    """The mark of everything that an exec starts."""
    return f"{pid}-{secrets.token_hex(8)}"


class LeftBehind:
    """What belongs to the exec that started this server; nothing where none did."""

    def __init__(self, environ: Mapping[str, str], parent_pid: int | None) -> None:
        mark = environ.get(VARIABLE, "")
        self._parent_pid = parent_pid
        self._entry = f"\0{VARIABLE}={mark}\0".encode() if mark.startswith(f"{parent_pid}-") else b""
        self._group = None
        if self._entry and os.name == "posix":
            with contextlib.suppress(ProcessLookupError):  # it has ended already, and its command never began
                self._group = os.getpgid(parent_pid or 0)

    def end(self, proc: Path = Path("/proc")) -> None:
        """Asks all of it to end, when the exec itself is gone."""
        if self._group is None or os.getppid() == self._parent_pid:
            return
        told: set[int] = set()
        for _ in range(LOOKS_MAX):
            found = self._found(proc) - told
            if not found:
                return
            for pid in found:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGTERM)
            told |= found

    def _found(self, proc: Path) -> set[int]:
        return {
            int(folder.name)
            for folder in proc.glob("[0-9]*")
            if int(folder.name) != os.getpid() and self._is_of_it(folder)
        }

    def _is_of_it(self, folder: Path) -> bool:
        try:
            # proc_pid_stat(5): the name, in brackets, may hold anything; behind it are the state, parent and group.
            fields = (folder / "stat").read_text("latin-1").rpartition(")")[2].split()
            return int(fields[2]) == self._group and self._entry in b"\0" + (folder / "environ").read_bytes()
        except OSError:
            return False  # it has ended, or is somebody else's

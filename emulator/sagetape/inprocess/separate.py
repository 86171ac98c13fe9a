"""A server in a process of its own, controlled over a pipe: nothing that it does can touch this process.

The child (`child.py`) reads one JSON line per control and writes one per result; it ends when its input ends, so that
no orphan is left when this process is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from ..core.errors import CassetteError, CassetteMissing, ConfigError, CredentialsMissing, SagetapeError
from ..core.signing import Key
from ..shell.files import REAL
from ..shell.host_os import apart_options
from ..shell.server_process import importable
from ..shell.store.locks import RecorderLock

STOP_LIMIT_S: Final = 30.0  # beyond any drain
ERRORS: Final = {kind.__name__: kind for kind in (ConfigError, CassetteError, CassetteMissing, CredentialsMissing)}
"""What the child raises and this process raises again, by name."""
CHILD: Final = (sys.executable, "-m", "sagetape.inprocess.child")


class ProcessServer:
    """Starts and stops the process, and passes controls on."""

    def __init__(self, keywords: Mapping[str, Any]) -> None:
        self._keywords = keywords
        self._process: subprocess.Popen[str] | None = None
        self._ready: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._last: dict[str, Any] = {}

    def start(self) -> None:
        """Waits until it listens. Raises what it failed with, as its own words."""
        line = json.dumps(self._keywords, default=as_json)
        self._process = subprocess.Popen(
            CHILD,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=importable(os.environ),
            **apart_options(),
        )
        try:
            self._ready = self._exchange(line)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> list[str]:
        """Ends the process; what went wrong inside. Stopping twice does no harm."""
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return list(self._last.get("failures", ()))
        self._process = None
        with contextlib.suppress(BrokenPipeError):  # it has ended by itself: told below
            process.stdin.close()
        try:
            said = process.stdout.readline()
            code = process.wait(STOP_LIMIT_S)
            self._last = json.loads(said) if said else {"failures": [ended_text(code)] if self._ready else []}
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        if not self._last.get("decks"):
            forget_lock(self._keywords.get("record_to"))
        return list(self._last.get("failures", ()))

    @property
    def pid(self) -> int:
        return int(self._known["pid"])

    @property
    def url(self) -> str:
        return str(self._known["url"])

    @property
    def seed(self) -> int:
        return int(self._known["seed"])

    @property
    def key(self) -> Key:
        return Key(self._known["access_key_id"], self._known["secret_access_key"])

    @property
    def _known(self) -> dict[str, Any]:
        if not self._ready:
            raise SagetapeError("The emulator is not running. Use it in a `with` block.")
        return self._ready

    def control(self, name: str, deck: str, **arguments: Any) -> Any:
        """One row of `controls.CONTROLS`; after the end, what it was at the end."""
        if self._process is None:
            return self._last.get("decks", {}).get(deck, {}).get(name)
        return self._exchange(json.dumps({"control": name, "deck": deck, "arguments": arguments}, default=as_json))[
            "result"
        ]

    def _exchange(self, line: str) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            try:
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
            except BrokenPipeError:
                pass  # it has ended; what it said, if anything, is read below
            answer = self._process.stdout.readline()
        if not answer:
            raise SagetapeError(ended_text(self._process.wait(STOP_LIMIT_S)))
        found: dict[str, Any] = json.loads(answer)
        if "error" in found:
            raise ERRORS.get(found["kind"], SagetapeError)(found["error"])
        return found


def ended_text(code: int) -> str:
    """What is known of a process that ended by itself."""
    return (
        f"The emulator's process ended with {code} and said nothing. Its own words are on standard error; "
        'start it in a thread (server="thread") to see its traceback here.'
    )


def forget_lock(cassette: Any) -> None:
    """Removes the lock file that a recorder left which ended badly; one that somebody holds stays."""
    if cassette is None:
        return
    lock = RecorderLock(REAL, str(cassette), shared=False)
    with contextlib.suppress(CassetteError):  # another process records into it now, or its folder is gone
        lock.take()
        lock.release()


def as_json(value: Any) -> Any:
    """Paths and sequences of a keyword as JSON. Raises ConfigError for what cannot leave this process."""
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise ConfigError(
        f'{value!r} cannot be given to server="process": it is no text, number, list or table. '
        "Write functions as `function:<module>:<name>` and faults as texts, or use a thread."
    )

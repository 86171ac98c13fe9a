"""No connection leaves this machine while a cassette plays, but to hosts that are allowed.

An audit hook of the interpreter sees every `socket.connect` and `socket.getaddrinfo`, whichever library makes it, so
nothing is patched and nothing has to be restored; loops written in C that bypass Python's sockets are not seen. A hook
cannot be taken out again: it is installed by the first test that needs it, and does nothing while no guard is on.
"""

from __future__ import annotations

import ipaddress
import socket
import sys
import threading
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from ..core.errors import SagetapeError

LOCAL: Final = frozenset({"localhost", "ip6-localhost", "localhost.localdomain", ""})
METADATA: Final = frozenset({"169.254.169.254", "169.254.170.2", "fd00:ec2::254"})
"""Where SDKs look for credentials by themselves: refused as all others are, but no sign of a stray client."""


class NetworkBlocked(SagetapeError):
    """A test tried to reach another machine while a cassette plays. No SDK retries it."""


class Guard:
    """What one test may reach. `blocked` holds what it tried to."""

    def __init__(self, owner: str, allowed: Iterable[str]) -> None:
        self.owner = owner
        self.allowed = tuple(allowed)
        self.blocked: list[str] = []
        self._addresses: set[str] = set()
        self._lock = threading.Lock()

    def check_name(self, host: Any) -> None:
        """A name is about to be resolved."""
        name = host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or "")
        if is_local(name):
            return
        if not self._is_listed(name):
            self._refuse(name)
        with self._lock:
            known = {found[4][0] for found in resolved(name)}
            self._addresses.update(map(str, known))

    def check_address(self, address: Any) -> None:
        """A socket is about to connect."""
        if not isinstance(address, tuple) or len(address) < 2:
            return  # a socket of this machine's own kind
        host = str(address[0])
        if is_local(host) or host in self._addresses or self._is_listed(host):
            return
        self._refuse(f"{host}:{address[1]}")

    def _is_listed(self, host: str) -> bool:
        return any(fnmatchcase(host, pattern) for pattern in self.allowed)

    def _refuse(self, where: str) -> None:
        if where not in self.blocked and where.rpartition(":")[0] not in METADATA:
            self.blocked.append(where)
        raise NetworkBlocked(
            f"{self.owner} tried to reach {where} while a cassette plays, and was stopped. A client that was made "
            "before the test's deck keeps its old endpoint: make it inside the test or a function-scoped fixture, use "
            "the fixture sagemaker_runtime, or attach it: sagetape.attach(client). A host that is meant to be reached: "
            f"--sagetape-allow-host={where.partition(':')[0]} or @pytest.mark.sagetape(allow_hosts=[...])."
        )


_guards: list[Guard] = []
_state = threading.local()
_is_installed = False


def raise_guard(guard: Guard) -> None:
    """From now on the guard is asked; the last one raised counts."""
    global _is_installed
    if not _is_installed:
        sys.addaudithook(_hook)
        _is_installed = True
    _guards.append(guard)


def lower_guard(guard: Guard) -> None:
    """The guard is not asked any more."""
    if guard in _guards:
        _guards.remove(guard)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _guards or event not in ("socket.connect", "socket.getaddrinfo") or getattr(_state, "is_resolving", False):
        return
    guard = _guards[-1]
    if event == "socket.connect":
        guard.check_address(arguments[1])
    else:
        guard.check_name(arguments[0])


def is_local(host: str) -> bool:
    """Whether a name or an address is this machine's."""
    if host.lower() in LOCAL or host.lower().endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def resolved(name: str) -> list[Any]:
    """The addresses of an allowed name; none when it has none, which the caller will be told by its own call."""
    _state.is_resolving = True
    try:
        return socket.getaddrinfo(name, None)
    except OSError:
        return []  # the guarded call itself fails next, with the same error
    finally:
        _state.is_resolving = False

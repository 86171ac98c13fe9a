"""No connection leaves this machine while a cassette plays, but to hosts that are allowed.

An audit hook of the interpreter sees every connection, datagram and look-up of a name, whichever library makes it, so
nothing is patched and nothing has to be restored. A hook cannot be taken out again: it is installed by the first test
that needs it, and does nothing while no guard is on. uvloop's own calls, which no hook sees, are asked about apart.
Events: https://docs.python.org/3/library/audit_events.html

On this machine two places are no business of a test's either: the endpoint that the environment named before the deck,
and the address of a deck that was a process of its own and has ended.
"""

from __future__ import annotations

import errno
import functools
import ipaddress
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from ..core.errors import SagetapeError
from ..shell.client_env import ENDPOINT_VARIABLE

LOCAL: Final = frozenset({"localhost", "ip6-localhost", "localhost.localdomain", ""})
METADATA: Final = frozenset({"169.254.169.254", "169.254.170.2", "fd00:ec2::254"})
"""Where SDKs look for credentials by themselves: refused as all others are, but no sign of a stray client."""
INTERNET: Final = frozenset({socket.AF_INET, socket.AF_INET6})
HOSTS_FILE: Final = Path("/etc/hosts")
PROBE_LIMIT_S: Final = 1.0  # for a connection on this machine


class NetworkBlocked(SagetapeError):
    """A test tried to reach another machine while a cassette plays. No SDK retries it."""


class Guard:
    """What one test may reach. `blocked` holds what it tried to.

    `replaced` is the endpoint that the environment named before the deck, and `upstreams` what the deck itself may ask.
    `can_attach`: the deck answers clients inside the process.
    """

    def __init__(
        self,
        owner: str,
        allowed: Iterable[str],
        *,
        replaced: str | None = None,
        upstreams: Iterable[str] = (),
        can_attach: bool = True,
    ) -> None:
        self.owner = owner
        self.allowed = tuple(map(canonical, allowed))
        self.blocked: list[str] = []
        self._replaced = place_of(replaced)
        if self._replaced in map(place_of, upstreams):
            self._replaced = None
        self._can_attach = can_attach
        self._addresses: set[str] = set()
        self._lock = threading.Lock()

    def check_name(self, host: Any) -> None:
        """A name is about to be resolved."""
        name = canonical(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host or ""))
        if is_loopback(name):
            return
        if not is_own_name(name) and not self._is_listed(name):
            self._refuse(name, name)
        with self._lock:
            self._addresses.update(addresses_of(name))

    def check_address(self, address: Any) -> None:
        """A socket is about to connect, or to send."""
        host, port = canonical(str(address[0])), address[1]
        if is_loopback(host) or is_own_name(host):
            self._check_replaced(host, port)
        elif host not in self._addresses and not self._is_listed(host):
            self._refuse(host, f"[{host}]:{port}" if ":" in host else f"{host}:{port}")

    def note(self, where: str) -> None:
        """A finding of the test, once."""
        if (found := where.rstrip(",")) not in self.blocked:
            self.blocked.append(found)

    def _is_listed(self, host: str) -> bool:
        return any(fnmatchcase(host, pattern) for pattern in self.allowed)

    def _check_replaced(self, host: str, port: int) -> None:
        if self._replaced is None or self._replaced[1] != port or self._is_listed(host):
            return
        named = self._replaced[0]
        if host == named or addresses_of(host) & addresses_of(named):
            self._refuse(host, f"{host}:{port}, which {ENDPOINT_VARIABLE} named before the test's deck,")

    def _refuse(self, host: str, where: str) -> None:
        if host not in METADATA:
            self.note(where)
        attach = ", or attach it: sagetape.attach(client)" if self._can_attach else ""
        raise NetworkBlocked(
            f"{self.owner} tried to reach {where} while a cassette plays, and was stopped. A client that was made "
            "before the test's deck keeps its old endpoint: make it inside the test or a function-scoped fixture, use "
            f"the fixture sagemaker_runtime{attach}. A host that is meant to be reached: "
            f"--sagetape-allow-host={host} or @pytest.mark.sagetape(allow_hosts=[...])."
        )


# --- when it is asked -------------------------------------------------------------------------------------------------

_guards: list[Guard] = []
_ended: dict[int, str] = {}
"""Whose deck it was that listened on a port of this machine, in a process that has ended."""
_state = threading.local()
_is_installed = False


def raise_guard(guard: Guard) -> None:
    """From now on the guard is asked; the last one raised counts."""
    _install()
    _guards.append(guard)


def lower_guard(guard: Guard) -> None:
    """The guard is not asked any more."""
    if guard in _guards:
        _guards.remove(guard)


def remember_ended(url: str, owner: str) -> None:
    """A deck that listened there is gone: a client that outlives it is told so."""
    _install()
    _ended[place_of(url)[1]] = owner  # type: ignore[index]  # it has a host and a port


def _install() -> None:
    global _is_installed
    if _is_installed:
        return
    sys.addaudithook(_hook)
    _is_installed = True
    from .unseen import watch_uvloop

    watch_uvloop()


def ask_name(host: Any) -> None:
    """Raises NetworkBlocked for a name that must not be resolved now."""
    if _guards and not _is_ours():
        _guards[-1].check_name(host)


def ask_address(address: Any) -> None:
    """Raises NetworkBlocked for an address that must not be reached now."""
    if not isinstance(address, tuple) or len(address) < 2 or _is_ours():
        return
    if address[1] in _ended and is_loopback(canonical(str(address[0]))):
        _explain_ended(str(address[0]), address[1])
    if _guards:
        _guards[-1].check_address(address)


def _of_socket(arguments: tuple[Any, ...]) -> None:
    if arguments[0].family in INTERNET:
        ask_address(arguments[1])


EVENTS: Final[dict[str, Callable[[tuple[Any, ...]], None]]] = {
    "socket.connect": _of_socket,
    "socket.sendto": _of_socket,
    "socket.sendmsg": _of_socket,
    "socket.getaddrinfo": lambda arguments: ask_name(arguments[0]),
    "socket.gethostbyname": lambda arguments: ask_name(arguments[0]),
    "socket.gethostbyaddr": lambda arguments: ask_name(arguments[0]),
    "socket.getnameinfo": lambda arguments: ask_address(arguments[0]),
}


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if (_guards or _ended) and event in EVENTS:
        EVENTS[event](arguments)


def _is_ours() -> bool:
    return getattr(_state, "is_ours", False)


def _explain_ended(host: str, port: int) -> None:
    """Raises NetworkBlocked, unless somebody else listens there by now."""
    if is_listening(host, port):
        _ended.pop(port, None)
        return
    if _guards:
        _guards[-1].note(f"{host}:{port}, of the deck of {_ended[port]} that has ended,")
    raise NetworkBlocked(
        f"This client was made for the deck of {_ended[port]}, a process of its own that has ended. Make the client "
        "inside each test or in a function-scoped fixture, or give the tests one deck: "
        '@pytest.mark.sagetape(scope="module").'
    )


# --- names and addresses ----------------------------------------------------------------------------------------------


def canonical(host: str) -> str:
    """A host as it is compared: names in small letters, addresses in one spelling, IPv4's as such."""
    text = host.lower().rstrip(".")
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    return str(getattr(address, "ipv4_mapped", None) or address)


def place_of(url: str | None) -> tuple[str, int] | None:
    """The host and the port of a URL, or of an upstream that has one."""
    parts = urlsplit(url or "")
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme.removeprefix("aws+"))
    except ValueError:
        return None
    return (canonical(parts.hostname), port) if parts.hostname and port else None


def is_loopback(host: str) -> bool:
    """Whether a name or an address leads to this machine by its form alone."""
    if host in LOCAL or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def is_own_name(host: str) -> bool:
    """Whether this machine has given itself the name."""
    return host == canonical(socket.gethostname()) or host in loopback_names()


@functools.cache
def loopback_names() -> frozenset[str]:
    """The names that the system's own file gives to loopback addresses; none where it has no such file."""
    try:
        lines = HOSTS_FILE.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    rows = [line.partition("#")[0].split() for line in lines]
    return frozenset(canonical(name) for row in rows if row and is_loopback(canonical(row[0])) for name in row[1:])


def addresses_of(name: str) -> set[str]:
    """The addresses of an allowed name; none when it has none, which the caller will be told by its own call."""
    before, _state.is_ours = _is_ours(), True
    try:
        return {canonical(str(found[4][0])) for found in socket.getaddrinfo(name, None)}
    except OSError:
        return set()  # the guarded call itself fails next, with the same error
    finally:
        _state.is_ours = before


def is_listening(host: str, port: int) -> bool:
    """Whether anybody takes connections there."""
    before, _state.is_ours = _is_ours(), True
    try:
        with socket.create_connection((host, port), PROBE_LIMIT_S):
            return True
    except OSError as error:
        return error.errno not in (errno.ECONNREFUSED, getattr(errno, "WSAECONNREFUSED", None))
    finally:
        _state.is_ours = before

"""Connections that no audit hook sees: uvloop makes its own in C.

The methods that lead to them are wrapped once, where uvloop is installed: they ask the guard first, and stay wrapped.
Datagrams that an unconnected endpoint of uvloop sends stay unseen.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, Final

from .guard import ask_address, ask_name


def _host(_: Any = None, host: Any = None, port: Any = None, *__: Any, **___: Any) -> None:
    if host is not None:
        ask_name(host)
        ask_address((host, port))


def _resolved(host: Any, *_: Any, **__: Any) -> None:
    ask_name(host)


def _sockaddr(sockaddr: Any, *_: Any, **__: Any) -> None:
    ask_address(sockaddr)


def _remote(_: Any = None, local_addr: Any = None, remote_addr: Any = None, **__: Any) -> None:
    ask_address(remote_addr)


METHODS: Final[dict[str, Callable[..., None]]] = {
    "create_connection": _host,
    "create_datagram_endpoint": _remote,
    "getaddrinfo": _resolved,
    "getnameinfo": _sockaddr,
}
"""Methods of `uvloop.Loop` 0.21, and what each is about to reach; `sock_connect` goes through Python's sockets."""


def watch_uvloop() -> None:
    """Has the guard asked before uvloop connects, where it is installed."""
    if importlib.util.find_spec("uvloop") is None:
        return
    import uvloop

    for name, check in METHODS.items():
        setattr(uvloop.Loop, name, asking(getattr(uvloop.Loop, name), check))


def asking(method: Callable[..., Any], check: Callable[..., None]) -> Callable[..., Any]:
    """The method of a loop, which asks first."""

    @functools.wraps(method)
    def asked(loop: Any, *arguments: Any, **named: Any) -> Any:
        check(*arguments, **named)
        return method(loop, *arguments, **named)

    return asked

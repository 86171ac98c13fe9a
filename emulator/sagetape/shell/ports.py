"""A port that cannot be had: who has it, the nearest one that is free, and what to say.

Decides the sentence only; binding is the server's.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from ..core.errors import ConfigError
from .host_os import port_owner, process_name

TRIED_PORTS: Final = 20


def bind_error(error: OSError, host: str, port: int) -> ConfigError:
    """Why an address could not be listened on, as a problem of the configuration."""
    reasons = {
        errno.EADDRINUSE: taken_text,
        errno.EADDRNOTAVAIL: foreign_text,
        errno.EACCES: privileged_text,
    }
    text = reasons.get(error.errno or 0)
    if text is None:
        cause = error.strerror or error
        return ConfigError(f"Cannot listen on {host} port {port}: {cause}. Name another --host or --port.")
    return ConfigError(text(host, port))


def taken_text(host: str, port: int) -> str:
    """The port has a listener already."""
    pid = port_owner(port)
    owner = f" by process {pid}{f' ({name})' if (name := process_name(pid)) else ''}" if pid else ""
    free = free_port_after(host, port)
    nearest = f" Port {free} is free." if free else ""
    return f"Port {port} on {host} is taken{owner}.{nearest} Stop that process, or use --port {free or 0}."


def foreign_text(host: str, port: int) -> str:
    """The address is none of this machine's."""
    return f"{host} is not an address of this machine, so port {port} cannot be had there. Use --host 127.0.0.1."


def privileged_text(host: str, port: int) -> str:
    """The port belongs to the administrator."""
    return f"Port {port} on {host} may be listened on by an administrator only. Use --port 7243, or 0 for any free one."


def free_port_after(host: str, port: int) -> int | None:
    """The next of the following ports that can be had now; None when none of the nearest is."""
    return next((p for p in range(port + 1, min(port + TRIED_PORTS, 65535) + 1) if is_free(host, p)), None)


def is_free(host: str, port: int) -> bool:
    """Whether a port could be listened on at this moment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True

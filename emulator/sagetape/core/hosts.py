"""Which `Host` a request may name: the rule that keeps web pages on foreign names away from a local server.

A page whose own name was rebound to 127.0.0.1 sends its own name as `Host`; every tool of this kind that did not look
has had the same advisory. On AWS's own paths the port may be left out, because some signers do so.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([A-Za-z0-9._-]{1,253}))(?::([0-9]{1,5}))?", re.ASCII)
MEMO_MAX = 1024


class HostRule:
    """Judges the values of `Host`. `listed` are further names, `*.suffix` among them."""

    def __init__(self, *, port: int, bound: Iterable[str] = (), listed: Iterable[str] = ()) -> None:
        self.port = port
        self._names = {name.lower() for name in (*bound, *listed) if not name.startswith("*.")}
        self._suffixes = tuple(name[1:].lower() for name in listed if name.startswith("*."))
        self._memo: dict[tuple[bytes, bool], bool] = {}

    def allows(self, value: bytes, *, needs_port: bool = False) -> bool:
        """Whether a request with this one `Host` is served. `needs_port`: the admin API wants our port exactly."""
        known = self._memo.get((value, needs_port))
        if known is None:
            if len(self._memo) >= MEMO_MAX:
                self._memo.clear()
            known = self._memo[value, needs_port] = self._judge(value, needs_port=needs_port)
        return known

    def _judge(self, value: bytes, *, needs_port: bool) -> bool:
        match = _HOST.fullmatch(value.decode("latin-1"))
        if match is None:
            return False
        literal, name, port = match.groups()
        if port is None:
            # Port 80 is what a URL without a port means; only then does leaving it out name us exactly.
            if needs_port and self.port != 80:
                return False
        elif int(port) != self.port:
            return False
        return self._is_ours(literal or name)

    def _is_ours(self, name: str) -> bool:
        name = name.lower().removesuffix(".")
        if name in self._names or name == "localhost" or name.endswith(".localhost"):
            return True
        if self._suffixes and name.endswith(self._suffixes):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False

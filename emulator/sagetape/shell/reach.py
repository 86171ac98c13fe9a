"""What is said of a server that other machines can reach: that they can, and what limits them.

The names of --allowed-host are no such limit: they keep web pages away, and any program may send any `Host`.
"""

from __future__ import annotations

from typing import Final

from .consistency import is_loopback
from .keyring import DEVELOPMENT_KEY, Keyring
from .settings import ServerSettings

ANSWERED: Final = {
    "off": "every call, signed or not (--auth off)",
    "lenient": "every call that looks signed, whoever signed it (--auth lenient)",
    "strict": "calls signed with a key that it knows",
}


def reach_text(settings: ServerSettings, keyring: Keyring, port: int) -> str:
    """A sentence about a server that listens for more than this machine; empty for any other."""
    hosts = [host for host in settings.host if not is_loopback(host)]
    if not hosts:
        return ""
    who = ANSWERED[settings.auth]
    if settings.auth == "strict" and keyring.find(DEVELOPMENT_KEY.access_key_id):
        who += ", the public development pair among them"
    return (
        f"other machines can reach this server, without TLS, on {', '.join(hosts)} port {port}. It answers {who}; "
        "the admin API answers them only with its token. Leave --host out to keep it to this machine, or have a "
        "firewall say who may come."
    )

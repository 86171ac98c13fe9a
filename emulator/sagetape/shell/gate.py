"""What is refused before anybody asks what a request wants: another protocol, another host, another version.

Decides nothing about the request itself. Sources: RFC 9112 for the framing; the Host rule is `core/hosts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import HttpVersion, HttpVersion10, HttpVersion11, http_parser

from ..core import operations
from ..core.errors import CallerError, ConfigError, compact_json
from ..core.hosts import HostRule
from ..core.wire import HeaderPairs
from .connections import malformed


def check_connection(
    version: HttpVersion, target: bytes, *, headers: HeaderPairs, fields: Mapping[bytes, bytes], hosts: HostRule
) -> None:
    """Raises CallerError for a request that is not for this server. `fields` are `fields_of(headers)`."""
    if version != HttpVersion11:
        check_version(version, fields)
    host = fields.get(b"host")
    is_twice = len(fields) != len(headers) and _count(headers, b"host") > 1
    if host is None or is_twice or not hosts.allows(host) or not is_our_target(target, hosts):
        named = [value for key, value in headers if key.lower() == b"host"]
        raise CallerError(421, "", b"", content_type=None, reason=_foreign_host(named))
    upgrade = fields.get(b"upgrade")
    if upgrade is not None:
        raise upgrade_refused()


def is_our_target(target: bytes, hosts: HostRule) -> bool:
    """An absolute-form target (aiobotocore over httpx always sends one) names a host too."""
    if target.startswith(b"/"):
        return True
    _, separator, rest = target.partition(b"://")
    return bool(separator) and hosts.allows(rest.partition(b"/")[0])


def check_version(version: HttpVersion, fields: Mapping[bytes, bytes]) -> None:
    """Refuses what is neither HTTP/1.1 nor 1.0, and chunks in 1.0, which a proxy before us may read otherwise.

    RFC 9112, 6.1: a server treats such a message as one whose framing is faulty.
    """
    if version != HttpVersion10 or b"transfer-encoding" in fields:
        raise malformed()


def upgrade_refused() -> CallerError:
    """No path here upgrades: another protocol after a signed request is how smuggling begins."""
    text = "This server speaks HTTP/1.1 only and upgrades no connection. Send the request without Upgrade."
    return CallerError(400, "SagetapeMalformedRequest", compact_json({"message": text}))


def path_of(target: bytes) -> bytes:
    """The raw path of a request target, without query and without the scheme and host of an absolute form."""
    if not target.startswith(b"/"):
        _, _, rest = target.partition(b"://")
        slash = rest.find(b"/")
        target = rest[slash:] if slash >= 0 else b"/"
    return target.partition(b"?")[0]


def _count(headers: HeaderPairs, name: bytes) -> int:
    return sum(key.lower() == name for key, _ in headers)


def _foreign_host(hosts: list[bytes]) -> str:
    if len(hosts) != 1:
        return f"the request has {len(hosts)} Host headers; one is needed."
    shown = operations.printable(hosts[0].decode("latin-1"), limit=80)
    return f"Host {shown} is not this server's. Call it by its loopback address, or start it with --allowed-host."


def require_c_parser() -> None:
    """Raises ConfigError when aiohttp runs without its C parser: the Python one lets other requests through."""
    if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
        raise ConfigError(
            "aiohttp runs with its Python HTTP parser, which accepts requests that the C parser refuses. "
            "Unset AIOHTTP_NO_EXTENSIONS, or install a wheel: "
            "pip install --force-reinstall --only-binary :all: aiohttp; "
            "where there is none, start with `--allow-python-parser`."
        )

"""Who may use the admin API. Judges a request by its headers and its peer, before anything of it is read.

A web page on another origin can send requests to a local server; that is how every comparable tool was attacked
(mitmweb CVE-2018-14505 and CVE-2025-23217, MockServer CVE-2021-32827, Vite CVE-2025-24010). So: `Host` names us with
our port; an `Origin` is ours; `Sec-Fetch-Site`, where a browser sends it, says same-origin or none (the rule of Go
1.25's CrossOriginProtection); a write is JSON and carries the token. No CORS header is ever sent. Who does not come
from this machine needs the token to read, too.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from hmac import compare_digest

from ...core.errors import CallerError
from ...core.hosts import HostRule
from .refusals import FORBIDDEN, MEDIA_TYPE, refusal

TOKEN_HEADER = "X-Sagetape-Token"
JSON = "application/json"
FETCH_SITES = frozenset({b"same-origin", b"none"})

Headers = Iterable[tuple[bytes, bytes]]


class Gate:
    """The rules, with this run's token."""

    def __init__(self, hosts: HostRule, *, token: str) -> None:
        self._hosts = hosts
        self._token = token.encode()

    def judge_host(self, headers: Headers) -> None:
        """Raises CallerError where `Host` does not name us with our port. That there is one only is known."""
        host = next((value for name, value in headers if name.lower() == b"host"), b"")
        if not self._hosts.allows(host, needs_port=True):
            raise CallerError(421, "", b"", content_type=None, reason="the admin API wants our Host with our port.")

    def judge(self, headers: Headers, *, peer: str | None, is_write: bool, is_open: bool = False) -> None:
        """Raises CallerError for a request that is not let in. `is_open`: a route that tells nothing, for anybody."""
        found = {name.lower(): value for name, value in headers}
        self._judge_page(found)
        if is_write and found.get(b"content-type", b"").partition(b";")[0].strip().lower() != JSON.encode():
            text = f"This is a write without Content-Type: {JSON}. Send that header, also where there is no body."
            raise refusal(MEDIA_TYPE, text)
        if is_write or not (is_open or is_loopback(peer)):
            self._judge_token(found.get(TOKEN_HEADER.lower().encode()))

    def _judge_page(self, found: dict[bytes, bytes]) -> None:
        host, origin, site = found.get(b"host", b""), found.get(b"origin"), found.get(b"sec-fetch-site")
        if origin is not None and origin.lower() != b"http://" + host.lower():
            raise refusal(FORBIDDEN, "A page of another origin asks. Only this server's own page may; ask from there.")
        if site is not None and site not in FETCH_SITES:
            raise refusal(FORBIDDEN, "A page of another site asks. Only this server's own page may; ask from there.")

    def _judge_token(self, given: bytes | None) -> None:
        if given is None or not compare_digest(given, self._token):
            what = "There is no" if given is None else "This is not this run's token in the header"
            raise refusal(
                FORBIDDEN,
                f"{what} {TOKEN_HEADER}. The token is new on every start: read it from the file of --token-file, or "
                "set SAGETAPE_TOKEN where the server starts.",
            )


def is_loopback(peer: str | None) -> bool:
    """Whether a peer's address is this machine; one that is not known is not."""
    try:
        address = ipaddress.ip_address((peer or "").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback

"""How long a client waits without hearing anything: botocore's `read_timeout`, on the deck's clock.

Decides when a client gives up, and what is raised for it: before the head what botocore raises, inside a body what
urllib3 raises, which botocore's own classes translate. On a virtual clock no time passes for it. A wait of exactly the
limit is borne, so that a client and a model with the same 60 seconds see the platform's 424.
Source: botocore `Config.read_timeout` (60 s by default; None: no limit) and urllib3 `Timeout.read`, which begins anew
with everything that is received.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
from botocore.exceptions import ReadTimeoutError
from urllib3.exceptions import ReadTimeoutError as UrllibReadTimeoutError

GRACE_S: Final = 0.25
"""Added to a limit that is met in real time: a limit of the platform that is as long goes first there too."""


class OutOfPatience(Exception):
    """The client has heard nothing for too long. It reaches nobody: botocore's or urllib3's error does."""


class Patience:
    """What one call of a client bears. `limit_s` None: everything."""

    __slots__ = ("_borne_s", "limit_s", "url")

    def __init__(self, limit_s: float | None, *, url: str) -> None:
        self.limit_s = limit_s
        self.url = url
        self._borne_s = 0.0

    def allow(self, seconds: float) -> float:
        """How much of a wait is borne: less than all of it when the client gives up meanwhile."""
        if self.limit_s is None or self._borne_s + seconds <= self.limit_s:
            self._borne_s += seconds
            return seconds
        return max(self.limit_s - self._borne_s, 0.0)

    def bears(self, seconds: float) -> bool:
        """Whether a wait that is over was borne."""
        return self.limit_s is None or seconds <= self.limit_s

    def bear(self, seconds: float, wait: Callable[[float], None]) -> None:
        """Waits. Raises OutOfPatience when the client does not bear it."""
        allowed = self.allow(seconds)
        wait(allowed)
        if allowed < seconds:
            raise OutOfPatience

    def hear(self) -> None:
        """Something has come: the client waits anew."""
        self._borne_s = 0.0

    @property
    def real_limit_s(self) -> float | None:
        """The limit for a wait that takes real time."""
        return None if self.limit_s is None else self.limit_s + GRACE_S

    def before_head(self) -> ReadTimeoutError:
        """What botocore raises when no answer came; its retries apply as on a socket."""
        return ReadTimeoutError(endpoint_url=self.url, error=self.in_body())

    def in_body(self) -> UrllibReadTimeoutError:
        """What urllib3 raises when a body does not go on."""
        parts = urlsplit(self.url)
        kind, port = (AWSHTTPConnectionPool, 80) if parts.scheme == "http" else (AWSHTTPSConnectionPool, 443)
        pool: Any = kind(parts.hostname or "", parts.port or port)
        nowhere: Any = None  # urllib3 does not know the URL any more, inside a body
        return UrllibReadTimeoutError(pool, nowhere, "Read timed out.")


def limit_of(context: Mapping[str, Any]) -> float | None:
    """The read time-out of the call that botocore's `context` belongs to, in seconds."""
    own = context.get("read_timeout")
    limit = getattr(context.get("client_config"), "read_timeout", None) if own is None else own
    return None if limit is None else float(limit)

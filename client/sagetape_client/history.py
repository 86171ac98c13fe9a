"""What this client has asked and been answered: `$AWSHistory` of the cmdlets.

Off until switched on. A ring of the last calls (the cmdlets keep 5 commands of 5 calls; one call here is one command
with its attempts). Body and CustomAttributes are sensitive in the service model and are kept as `<redacted>` unless
asked for; requests are kept only with `record_requests`. Credentials are never part of it.
"""

from __future__ import annotations

import collections
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CAPACITY = 5  # $AWSHistory's default: Set-AWSHistoryConfiguration -MaxCmdletHistory 5
SENSITIVE = ("Body", "CustomAttributes")  # botocore sagemaker-runtime 2017-05-13, traits `sensitive`
REDACTED = "<redacted>"


@dataclass(frozen=True, slots=True)
class Entry:
    """One call. `started_at` is Unix time; `request` is None unless requests are recorded."""

    command: str
    started_at: float
    request: Mapping[str, Any] | None
    response: Mapping[str, Any] | None
    error: str | None


class History:
    """The last calls of a client, oldest first."""

    def __init__(self) -> None:
        self._entries: collections.deque[Entry] = collections.deque(maxlen=CAPACITY)
        self._lock = threading.Lock()
        self.is_on = False
        self._requests = False
        self._sensitive = False

    def start(
        self, *, capacity: int = CAPACITY, record_requests: bool = False, include_sensitive: bool = False
    ) -> None:
        """Keep calls from now on."""
        with self._lock:
            self._entries = collections.deque(self._entries, maxlen=capacity)
            self._requests, self._sensitive, self.is_on = record_requests, include_sensitive, True

    def stop(self) -> None:
        """Keep nothing more; what is there stays."""
        self.is_on = False

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Any:
        return iter(tuple(self._entries))

    @property
    def last_command(self) -> Entry | None:
        """The latest call."""
        return self._entries[-1] if self._entries else None

    @property
    def last_service_request(self) -> Mapping[str, Any] | None:
        """What was sent last, when requests are recorded."""
        return self._entries[-1].request if self._entries else None

    @property
    def last_service_response(self) -> Mapping[str, Any] | None:
        """What was answered last; None when that was an error."""
        return self._entries[-1].response if self._entries else None

    def record(
        self,
        command: str,
        *,
        started_at: float,
        request: Mapping[str, Any],
        response: Mapping[str, Any] | None,
        error: BaseException | None = None,
    ) -> None:
        """Add a call, redacted. Does nothing while off."""
        if not self.is_on:
            return
        kept = self._redact(request) if self._requests else None
        answered = self._redact(response) if response is not None else None
        text = f"{type(error).__name__}: {getattr(error, 'code', '')}" if error is not None else None
        if error is not None and self._sensitive:
            text = f"{type(error).__name__}: {error}"  # a ModelError's text may quote the body
        with self._lock:
            self._entries.append(Entry(command, started_at, kept, answered, text))

    def _redact(self, values: Mapping[str, Any]) -> dict[str, Any]:
        if self._sensitive:
            return dict(values)
        return {k: REDACTED if k in SENSITIVE and v is not None else v for k, v in values.items()}

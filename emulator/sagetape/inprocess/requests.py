"""A request as a test looks at it."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from ..core.journal import Entry
from ..core.values import valueclass
from ..core.wire import Call


@valueclass(frozen=True, slots=True)
class SeenRequest:
    """One request that reached a deck, and what became of it."""

    operation: str
    endpoint: str
    body: bytes
    members: dict[str, str]
    """Members that travel in headers, by their name in boto3 (`ContentType`, `TargetModel`, ...)."""
    source: str
    """`recorded`, `live`, `local` (asked on this machine), `miss`, `refused`, `fault` or `emulated`."""
    status: int

    @classmethod
    def of(cls, call: Call, entry: Entry, *, source: str) -> SeenRequest:
        """A call and its line in the journal; `source` as the verdict counts it."""
        return cls(call.operation, call.endpoint, call.body, dict(call.members), source, entry.status)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> SeenRequest:
        """The same, from what `controls.requests` says."""
        return cls(**{**given, "body": b64decode(given["body"])})

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.body)

    def text(self) -> str:
        """The body as UTF-8 text; bytes that are none are shown escaped."""
        return self.body.decode("utf-8", "backslashreplace")

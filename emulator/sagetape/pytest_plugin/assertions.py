"""Texts and comparisons of the fixture's assertions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from ..core.differences import Body, compare_bodies, describe
from ..core.journal import Entry
from ..inprocess.requests import SeenRequest

SHOWN_MAX: Final = 10
BODY_CHARS: Final = 300


def matching(requests: Sequence[SeenRequest], endpoint: str, *, body: Any) -> list[SeenRequest]:
    """The requests to an endpoint, with a body that means the same."""
    found = [request for request in requests if request.endpoint == endpoint]
    return found if body is None else [request for request in found if not differences(request, body)]


def differences(request: SeenRequest, body: Any) -> list[str]:
    """How a request's body differs from the one that was wanted."""
    sent_type = request.members.get("ContentType")
    content_type = sent_type if isinstance(body, bytes | bytearray | str) else "application/json"
    wanted, sent = Body(as_bytes(body), content_type), Body(request.body, content_type)
    return [describe(difference, now="sent", before="expected") for difference in compare_bodies(wanted, sent, limit=5)]


def as_bytes(body: Any) -> bytes:
    """A wanted body as bytes: text as UTF-8, any other value as JSON."""
    if isinstance(body, bytes | bytearray):
        return bytes(body)
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def describe_requests(requests: Sequence[SeenRequest], endpoint: str, *, body: Any) -> str:
    """What was sent instead."""
    if not requests:
        return "Nothing was invoked. Was the client made before the test's deck? Use the fixture sagemaker_runtime."
    lines = ["What was invoked:"]
    for request in requests[:SHOWN_MAX]:
        lines.append(f"  {request.operation} {request.endpoint} ({request.source}): {shown(request)}")
        if body is not None and request.endpoint == endpoint:
            lines += [f"    {text}" for text in differences(request, body)]
    if len(requests) > SHOWN_MAX:
        lines.append(f"  and {len(requests) - SHOWN_MAX} more")
    return "\n".join(lines)


def shown(request: SeenRequest) -> str:
    """The beginning of a body."""
    text = request.text()
    return text if len(text) <= BODY_CHARS else f"{text[:BODY_CHARS]}... ({len(request.body)} bytes)"


def miss_text(misses: Sequence[Entry], owner: str, *, remedy: str, command: str) -> str:
    """Why a test has misses, one after the other, and the command that records them: once, with what else is to be
    known."""
    count = len(misses)
    lines = [f"{count} request{'' if count == 1 else 's'} of {owner} had no recorded answer."]
    for entry in misses[:SHOWN_MAX]:
        detail = entry.detail.replace(command, "see below") if remedy and command else entry.detail
        lines += ["", *(f"  {line}" for line in detail.splitlines())]
    if count > SHOWN_MAX:
        lines += ["", f"  and {count - SHOWN_MAX} more"]
    return "\n".join([*lines, *(["", remedy] if remedy else [])])

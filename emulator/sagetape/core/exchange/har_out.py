"""Interactions as an HTTP Archive.

Format: HAR 1.2. What it has no place for is kept under `_sagetape`: whether an answer is whole, how it broke, and where
it came from. Bodies that are not UTF-8 are base64, requests' too (`_encoding`: the format knows it for answers only).
Part boundaries of streams are lost, their bytes are not.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ..operations import Service
from ..wire import Abort, Chunk, Head, Interaction, Pause, body_of, has_frames, head_of, is_complete
from .har import MARK


def har_of(interactions: Iterable[Interaction], *, service: Service, version: str) -> dict[str, Any]:
    """The archive as plain data."""
    entry = entry_writer(service)
    return {"log": {**log_head(version), "entries": [entry(one) for one in interactions]}}


def log_head(version: str) -> dict[str, Any]:
    """What an archive says of itself, before its entries."""
    return {"version": "1.2", "creator": {"name": "Sagetape", "version": version}}


def entry_writer(service: Service) -> Callable[[Interaction], dict[str, Any]]:
    """Writes entries with the paths and headers of a service model."""
    operations = {operation.name: operation for operation in service.operations.values()}

    def entry_of(one: Interaction) -> dict[str, Any]:
        operation = operations.get(one.call.operation)
        suffix = operation.suffix if operation else one.call.operation
        headers = {m.name: m.header for m in operation.members.values() if m.header} if operation else {}
        wait_ms = round(sum(step.seconds for step in one.script if isinstance(step, Pause)) * 1000, 3)
        return {
            "startedDateTime": _instant(one.origin.recorded_at),
            "time": wait_ms,
            "request": _request(one, suffix, headers),
            "response": _response(one),
            "cache": {},
            "timings": {"send": 0, "wait": wait_ms, "receive": 0},
            MARK: _mark(one),
        }

    return entry_of


def _instant(unix_s: float) -> str:
    try:
        return datetime.fromtimestamp(unix_s, UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, ValueError, OSError):
        return "1970-01-01T00:00:00Z"  # a time that no calendar has; HAR requires one


def _request(one: Interaction, suffix: str, headers: dict[str, str]) -> dict[str, Any]:
    call = one.call
    sent = [{"name": headers.get(name, name), "value": value} for name, value in call.members.items()]
    text, encoding = _body(call.body)
    posted = {"mimeType": call.members.get("ContentType", "application/octet-stream"), "text": text}
    if encoding:
        posted["_encoding"] = encoding
    host = f"runtime.sagemaker.{call.region}.amazonaws.com"
    return {
        "method": "POST",
        "url": f"https://{host}/endpoints/{quote(call.endpoint, safe='~-._')}/{suffix}",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": sent,
        "queryString": [],
        "postData": posted,
        "headersSize": -1,
        "bodySize": len(call.body),
    }


def _response(one: Interaction) -> dict[str, Any]:
    head = head_of(one.script) or Head(0)
    body = body_of(one.script)
    text, encoding = _body(body)
    mime = head.header("content-type") or "application/octet-stream"
    content: dict[str, Any] = {"size": len(body), "mimeType": mime, "text": text}
    if encoding:
        content["encoding"] = encoding
    response = {
        "status": head.status,
        "statusText": "",
        "httpVersion": "HTTP/1.1",
        "cookies": [],
        "headers": [{"name": name, "value": value} for name, value in head.headers],
        "content": content,
        "redirectURL": "",
        "headersSize": -1,
        "bodySize": len(body),
    }
    if not is_complete(one.script):
        response["_error"] = _reason(one)
    return response


def _mark(one: Interaction) -> dict[str, Any]:
    mark: dict[str, Any] = {
        "is_complete": is_complete(one.script),
        "source": one.origin.source,
        "version": one.origin.version,
        "synthetic": one.origin.synthetic,
    }
    if not is_complete(one.script):
        mark["reason"] = _reason(one)
    if has_frames(one.script):
        mark["parts"] = sum(isinstance(step, Chunk) for step in one.script)
    if one.session is not None:
        mark["session"] = {"lane": one.session.lane, "step": one.session.step}
    return mark


def _reason(one: Interaction) -> str:
    last = one.script[-1] if one.script else None
    return last.reason or "the connection broke" if isinstance(last, Abort) else "the answer does not end"


def _body(data: bytes) -> tuple[str, str]:
    try:
        return data.decode("utf-8"), ""
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii"), "base64"

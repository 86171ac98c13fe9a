"""botocore's prepared request as a call: read here and nowhere else.

Signatures are not looked at: inside the process nobody can stand between a client and the deck, and a client without
credentials shall work. Everything else that the service refuses is refused as on a socket.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from hashlib import sha256
from itertools import count
from typing import Any, Final
from urllib.parse import urlsplit

from ..core import operations
from ..core.operations import Service
from ..core.refusals import body_too_large
from ..core.wire import Call, RawHeaders
from ..shell.decks import split_deck

HOST_REGION: Final = re.compile(r"runtime\.sagemaker(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws|api)\.")
REGION: Final = "us-east-1"

_PREFIX: Final = str(uuid.uuid4())[:24]
_NUMBERS: Final = count(1)


def new_request_id() -> str:
    """A UUID of version 4 that no other answer of this process has; random once, counted after that."""
    return f"{_PREFIX}{next(_NUMBERS) & 0xFFFFFFFFFFFF:012x}"


def call_from(request: Any, service: Service, *, account: str, body_max_bytes: int, region: str | None) -> Call:
    """The call in a `botocore.awsrequest.AWSPreparedRequest`. Raises CallerError for what AWS refuses.

    `region` is the client's, when it is known; else the one in the host's name counts.
    """
    parts = urlsplit(request.url)
    _, path = split_deck(parts.path.encode("utf-8", "surrogateescape"))
    operation, endpoint = service.resolve(request.method, path)
    headers = raw_headers(request.headers)
    body = read_body(request.body)
    if len(body) > body_max_bytes:
        raise body_too_large(body_max_bytes)
    members = service.members(operation, endpoint, headers)
    if operation.name == operations.ASYNC:
        raise operations.unsupported_async()
    return Call(
        operation=operation.name,
        endpoint=endpoint,
        members=members,
        body=body,
        body_sha256=sha256(body).digest(),
        invocation_id=header_text(headers, b"amz-sdk-invocation-id"),
        region=region or region_of(parts.hostname or ""),
        account=account,
        request_id=new_request_id(),
    )


def raw_headers(headers: Mapping[Any, Any]) -> RawHeaders:
    """Names and values as bytes; botocore leaves some as text."""
    return tuple((_as_bytes(name), _as_bytes(value)) for name, value in headers.items())


def read_body(body: Any) -> bytes:
    """The whole body; a file is left where it was, so that a retry can send it again."""
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes | bytearray | memoryview):
        return bytes(body)
    if not hasattr(body, "read"):
        return b"".join(body)
    start = body.tell() if hasattr(body, "tell") else None
    data = body.read()
    if start is not None:
        body.seek(start)
    return data.encode() if isinstance(data, str) else bytes(data)


def header_text(headers: RawHeaders, name: bytes) -> str | None:
    """The first value of a header, by its lower-case name."""
    return next((value.decode("latin-1") for key, value in headers if key.lower() == name), None)


def region_of(host: str) -> str:
    """The region in a host's name, else the default one."""
    found = HOST_REGION.search(host)
    return found.group(1) if found else REGION


def _as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")

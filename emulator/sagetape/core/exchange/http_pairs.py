"""A recorded HTTP request and its answer as a call and a script.

Decides what is a call of SageMaker Runtime: the path ends in one of the operations of botocore's service model, and the
members are valid under it. Everything else is skipped with a reason. An event stream is cut into its frames; one that
ends inside a frame ends in a break, so that it can never replay as whole.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import urlsplit

from ..errors import CallerError
from ..eventstream import Framer
from ..operations import ASYNC, Operation, Service
from ..scripts import flaw_of
from ..values import valueclass
from ..wire import (
    Abort,
    Call,
    Chunk,
    End,
    Head,
    Headers,
    Pause,
    RawHeaders,
    Script,
    Step,
    is_event_stream,
)
from .found import Found, Unusable

URL_CHARS_MAX: Final = 8192
BODY_BYTES_MAX: Final = 64 * 2**20  # of one request or answer: twice and a half what SageMaker carries

_SCOPE = re.compile(rb"Credential=[^/\s]+/[0-9]{8}/([a-z0-9-]{4,32})/sagemaker/", re.ASCII)
_HOST_REGION = re.compile(r"\Aruntime(?:-fips)?\.sagemaker(?:-fips)?\.([a-z0-9-]{4,32})\.", re.ASCII)

# Headers of the hop and of the moment; the player adds its own.
MOMENTARY: Final = frozenset(("connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"))


@valueclass(frozen=True, slots=True)
class Pair:
    """One request and its answer, as another tool saw them."""

    method: str
    url: str
    headers: RawHeaders
    body: bytes
    status: int
    """0: no answer came."""
    answer_headers: Headers
    answer: bytes
    at: float | None = None
    waited_s: float = 0.0
    broken: str = ""
    """Why the answer is not whole; empty when it is."""


def found_in(pair: Pair, service: Service) -> Found:
    """The call and its answer. Raises Unusable for what is no call of SageMaker Runtime."""
    if max(len(pair.body), len(pair.answer)) > BODY_BYTES_MAX:
        raise Unusable(f"a body of more than {BODY_BYTES_MAX} bytes")
    script = script_of(pair)
    if (flaw := flaw_of(script)) is not None:
        raise Unusable(flaw)
    return Found(call_of(pair, service), script, pair.at)


def call_of(pair: Pair, service: Service) -> Call:
    """The call of a request."""
    operation, endpoint = _resolved(pair, service)
    if operation.name == ASYNC:
        raise Unusable("InvokeEndpointAsync is not emulated")
    try:
        members = service.members(operation, endpoint, pair.headers)
    except CallerError as error:
        raise Unusable(
            f"the service would refuse this request: {error.body[:300].decode('utf-8', 'replace')}"
        ) from None
    return Call(
        operation=operation.name,
        endpoint=endpoint,
        members=members,
        body=pair.body,
        body_sha256=hashlib.sha256(pair.body).digest(),
        region=region_of(pair),
        invocation_id=_header(pair.headers, b"amz-sdk-invocation-id"),
    )


def _resolved(pair: Pair, service: Service) -> tuple[Operation, str]:
    if len(pair.url) > URL_CHARS_MAX:
        raise Unusable(f"a URL of more than {URL_CHARS_MAX} characters")
    try:
        path = urlsplit(pair.url).path
    except ValueError:
        raise Unusable("its URL cannot be read") from None
    start = path.find("/endpoints/")
    if pair.method.upper() != "POST" or start < 0:
        raise Unusable("not a call of SageMaker Runtime")
    try:
        return service.resolve("POST", path[start:].encode("utf-8", "surrogateescape"))
    except CallerError:
        raise Unusable("not a call of SageMaker Runtime") from None


def region_of(pair: Pair) -> str:
    """The region that was signed for, else the host's."""
    signed = _SCOPE.search(_raw(pair.headers, b"authorization"))
    if signed:
        return signed[1].decode()
    host = _HOST_REGION.match(urlsplit(pair.url).hostname or "")
    return host[1] if host else "us-east-1"


def script_of(pair: Pair) -> Script:
    """The answer as steps."""
    waited = (Pause(pair.waited_s),) if pair.waited_s > 0 else ()
    if not pair.status:
        return (*waited, Abort(pair.broken or "no answer was recorded"))
    headers = tuple((name, value) for name, value in pair.answer_headers if name.lower() not in MOMENTARY)
    head = Head(pair.status, headers)
    if is_event_stream(head):
        return (*waited, head, *_frames(pair))
    body = (Chunk(pair.answer),) if pair.answer else ()
    return (*waited, head, *body, Abort(pair.broken) if pair.broken else End())


def _frames(pair: Pair) -> tuple[Step, ...]:
    framer = Framer()
    frames = tuple(Chunk(frame) for frame in framer.feed(pair.answer))
    reason = pair.broken
    if framer.pending_bytes or framer.is_lost:
        reason = reason or "the recorded stream ends inside a frame"
    return (*frames, Abort(reason) if reason else End())


def _raw(headers: RawHeaders, name: bytes) -> bytes:
    return next((value for key, value in headers if key.lower() == name), b"")


def _header(headers: RawHeaders, name: bytes) -> str | None:
    return _raw(headers, name).decode("latin-1") or None

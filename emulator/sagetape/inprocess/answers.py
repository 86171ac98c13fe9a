"""A script as botocore's own response object: the second of the two performers of scripts.

It decides nothing. The headers of the moment are those that the server adds on a socket, in the order of AWS's traces.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from ..core.journal import Entry
from ..core.values import valueclass
from ..core.wire import Abort, Chunk, End, Head, Pause, Script, Step, is_event_stream
from .bodies import SteppedBody, WholeBody
from .patience import Patience


@valueclass(frozen=True, slots=True)
class Opened:
    """An answer after its first steps: what was waited, its head, and the steps that follow."""

    wait_s: float
    head: Head | Abort
    rest: Script


def open_script(script: Script) -> Opened:
    """The script up to and with its head, or its break before one."""
    wait_s = 0.0
    for place, step in enumerate(script):
        if isinstance(step, Pause):
            wait_s += step.seconds
        elif isinstance(step, Head | Abort):
            return Opened(wait_s, step, script[place + 1 :])
    return Opened(wait_s, Abort("the script has no head"), ())


def respond(
    script: Script, *, request_id: str, patience: Patience, wait: Callable[[float], None], entry: Entry
) -> AWSResponse:
    """The response for a script. Raises what botocore raises when it breaks before its head, or comes too late."""
    opened, url = open_script(script), patience.url
    if opened.wait_s:
        patience.bear(opened.wait_s, wait)
    if isinstance(opened.head, Abort):
        raise closed(url, opened.head)
    data = whole_body(opened.rest)
    if data is not None and opened.head.header("Content-Length") is None and not is_event_stream(opened.head):
        return AWSResponse(url, opened.head.status, moment(opened.head, request_id, len(data)), WholeBody(data))
    return stepped(opened.head, iter(opened.rest), request_id=request_id, patience=patience, wait=wait, entry=entry)


def stepped(
    head: Head,
    steps: Iterator[Step],
    *,
    request_id: str,
    patience: Patience,
    wait: Callable[[float], None],
    entry: Entry,
) -> AWSResponse:
    """The response for a head whose body is performed while it is read."""
    length = None if is_event_stream(head) else announced(head)
    patience.hear()
    body = SteppedBody(steps, wait=wait, patience=patience, announced_bytes=length, passed=lambda: count_part(entry))
    return AWSResponse(patience.url, head.status, moment(head, request_id, length), body)


def whole_body(rest: Script) -> bytes | None:
    """The body of an answer without waits and breaks; None for any other."""
    if not rest or not isinstance(rest[-1], End):
        return None
    parts = [step.data for step in rest if isinstance(step, Chunk)]
    if len(parts) != len(rest) - 1:
        return None
    return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def announced(head: Head) -> int | None:
    """The Content-Length among the head's own headers: how a truncated answer claims more than it sends."""
    text = head.header("Content-Length")
    return int(text) if text is not None and text.isdecimal() else None


def moment(head: Head, request_id: str, length_bytes: int | None) -> Any:
    """The head's headers with those of the moment."""
    made = {"x-amzn-RequestId": request_id, "Date": date_of(int(time.time()))}
    made |= dict(head.headers)
    if length_bytes is None:
        made["Transfer-Encoding"] = "chunked"
    else:
        made["Content-Length"] = str(length_bytes)
    return made | {"Connection": "keep-alive"}


@lru_cache(maxsize=2)
def date_of(second: int) -> str:
    """A Unix time in whole seconds in the form of RFC 9110, 5.6.7."""
    return formatdate(second, usegmt=True)


def count_part(entry: Entry) -> None:
    """One more part has left."""
    entry.parts_sent += 1


def closed(url: str, step: Abort) -> ConnectionClosedError:
    """What botocore raises when a connection ends before an answer; its retries apply as on a socket."""
    return ConnectionClosedError(endpoint_url=url, error=step.reason or "closed")

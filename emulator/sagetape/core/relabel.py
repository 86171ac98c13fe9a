"""A session's id exchanged for another, in calls and in answers.

Decides where an id stands: as a whole token, that is, with no letter, digit, hyphen or underscore beside it. In headers
any id is exchanged; in bodies only one of at least eight characters, because a container that numbers its sessions 1,
2, 3 would otherwise have figures of its answers exchanged. A body in parts keeps its parts; in an event stream the
frames' lengths and checksums are made anew. A frame that does not decode stays as it is.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from zlib import crc32

from .edits import Edit, edit_parts
from .eventstream import FrameError, decode, read_prelude
from .platform import NEW_SESSION_ID
from .sessions import new_session
from .wire import Call, Chunk, Head, Script, Step, has_frames

BODY_ID_MIN = 8
"""Characters; a shorter id is too likely to be something else when it stands in a body."""


def relabel_call(call: Call, old: str, *, new: str) -> Call:
    """The call with `old` exchanged in its body. The members do not change: SessionId is no part of the key."""
    if len(old) < BODY_ID_MIN or old == new or old.encode() not in call.body:
        return call
    (body,) = _exchange([call.body], old, new)
    return call if body == call.body else replace(call, body=body, body_sha256=sha256(body).digest())


def relabel_script(script: Script, old: str, *, new: str, expires_at: float | None = None) -> Script:
    """The answer with `old` exchanged in headers and body; `expires_at` (Unix time) is put into an opening header."""
    bodies = iter(_bodies(script, old, new))
    steps: list[Step] = []
    for step in script:
        if isinstance(step, Head):
            step = Head(step.status, tuple((n, _header(n, v, old, new, expires_at)) for n, v in step.headers))
        elif isinstance(step, Chunk):
            changed = next(bodies, None)
            step = step if changed is None else Chunk(changed)
        steps.append(step)
    return tuple(steps)


def _header(name: str, value: str, old: str, new: str, expires_at: float | None) -> str:
    if name.lower() == NEW_SESSION_ID.lower() and expires_at is not None:
        return new_session(new, expires_at)
    return _token(old).sub(new.encode(), value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _bodies(script: Script, old: str, new: str) -> list[bytes | None]:
    """New data for each chunk; None for one that stays."""
    if len(old) < BODY_ID_MIN or old == new:
        return []
    whole = [bytes(step.data) for step in script if isinstance(step, Chunk)]
    is_events = has_frames(script)
    before = [_payload(data) for data in whole] if is_events else whole
    after = _exchange(before, old, new) if before else []
    changes = zip(whole, before, after, strict=True)
    return [None if a == b else with_payload(data, a) if is_events else a for data, b, a in changes]


def _exchange(parts: Sequence[bytes], old: str, new: str) -> list[bytes]:
    joined = parts[0] if len(parts) == 1 else b"".join(parts)
    return edit_parts(parts, [Edit(*found.span(), new.encode()) for found in _token(old).finditer(joined)])


def _token(text: str) -> re.Pattern[bytes]:
    return re.compile(rb"(?<![A-Za-z0-9_-])" + re.escape(text.encode()) + rb"(?![A-Za-z0-9_-])")


def _payload(frame: bytes) -> bytes:
    try:
        return decode(frame).payload
    except FrameError:  # recorded as it was: a broken frame replays broken
        return b""


def with_payload(frame: bytes, payload: bytes) -> bytes:
    """A well-formed frame with another payload: same headers, byte for byte, lengths and checksums made anew."""
    _, headers_bytes = read_prelude(memoryview(frame))
    headers = frame[12 : 12 + headers_bytes]
    prelude = struct.pack("!II", 16 + headers_bytes + len(payload), headers_bytes)
    body = b"".join((prelude, struct.pack("!I", crc32(prelude)), headers, payload))
    return body + struct.pack("!I", crc32(body))

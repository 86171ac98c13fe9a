"""Whether a stored answer can be one: a cassette may be anybody's, and what it holds goes to a client as it is.

Decides about the order of the steps, about waits, and about the status and headers of the head. Refuses what would end
a header line early or let an answer run into the next one. A length that claims more than a body has that breaks off is
none of these: it is how a truncated answer is kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .wire import Abort, Chunk, End, Head, Headers, Pause, Script, Step

STATUS_MIN, STATUS_MAX = 200, 599  # RFC 9110, 15; one below 200 is no answer, another one follows it
PAUSE_MAX_S: Final = 1e15  # beyond it floats count no milliseconds; documents know the same bound
OF_THE_CONNECTION: Final = frozenset(("connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"))
"""Headers that say how an answer travels (RFC 9110, 7.6.1): the player's, never a recording's."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_BREAKING: Final = re.compile(r"[\r\n\0]")  # RFC 9110, 5.5
_LENGTH: Final = re.compile(r"[0-9]{1,18}")


def flaw_of(script: Script) -> str | None:
    """What makes the script none that an upstream can have sent; None when nothing does."""
    start = next((place for place, step in enumerate(script) if not isinstance(step, Pause)), len(script))
    first, rest = script[start : start + 1], script[start + 1 :]
    if not first or not isinstance(first[0], Head):
        is_failure = bool(first) and isinstance(first[0], Abort) and not rest
        return _pause_flaw(script) if is_failure else "an answer that does not begin with its head"
    return _order_flaw(rest) or _pause_flaw(script) or _head_flaw(first[0], rest)


def foreign_header(script: Script) -> str | None:
    """The name of a header that holds bytes which are not UTF-8, and so no text that could be kept; None when there is
    none."""
    for head in script:
        for name, value in head.headers if isinstance(head, Head) else ():
            if not is_unicode(name) or not is_unicode(value):
                return name.encode("ascii", "replace").decode()
    return None


def is_unicode(text: str) -> bool:
    """Whether a text has no lone surrogates: what stands for bytes that could not be decoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _order_flaw(rest: Sequence[Step]) -> str | None:
    """`rest`: what follows the head."""
    if not rest or not isinstance(rest[-1], (End, Abort)):
        return "an answer that does not close with an end or an abort"
    if all(isinstance(step, (Chunk, Pause)) for step in rest[:-1]):
        return None
    has_head = any(isinstance(step, Head) for step in rest)
    return "an answer with two heads" if has_head else "an answer that goes on behind its end"


def _pause_flaw(script: Script) -> str | None:
    for step in script:
        if isinstance(step, Pause) and not 0 <= step.seconds < PAUSE_MAX_S:  # nor NaN, which no limit is compared with
            return f"an answer with a wait of {step.seconds:g} seconds"
    return None


def _head_flaw(head: Head, rest: Sequence[Step]) -> str | None:
    if not STATUS_MIN <= head.status <= STATUS_MAX:
        return f"an answer with a status of {head.status}, which is no HTTP status"
    for name, value in head.headers:
        if _TOKEN.fullmatch(name) is None:
            return f"an answer with a header whose name {name[:40]!r} is no token of HTTP"
        if name.lower() in OF_THE_CONNECTION:
            return f"an answer with the header {name[:40]}, which is its connection's"
        if _BREAKING.search(value):
            return f"an answer with a header {name[:40]} whose value holds a line's end or a NUL"
    return _length_flaw(head.headers, rest)


def _length_flaw(headers: Headers, rest: Sequence[Step]) -> str | None:
    claimed = {value.strip() for name, value in headers if name.lower() == "content-length"}
    if not claimed:
        return None
    if len(claimed) > 1 or not all(map(_LENGTH.fullmatch, claimed)):
        return "an answer with a Content-Length that is not one number"
    length_bytes, body_bytes = int(claimed.pop()), sum(len(step.data) for step in rest if isinstance(step, Chunk))
    if length_bytes < body_bytes or (length_bytes > body_bytes and isinstance(rest[-1], End)):
        return f"an answer with a Content-Length of {length_bytes} beside a body of {body_bytes} bytes"
    return None

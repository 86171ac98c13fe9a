"""JSON by meaning: RFC 8259, and only where a document has exactly one meaning.

Key order and spacing do not count; numbers are exact decimals, so `1`, `1.0` and `1e0` are one; booleans are never
numbers; an escaped character is that character. Refused, so that the caller compares bytes: duplicate keys, NaN and
Infinity, numbers beyond the caps, nesting beyond `DEPTH_MAX`, lone surrogates, a byte order mark, anything not UTF-8.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache, partial

from . import tree
from .places import without
from .reading import Reading
from .tree import Tree, Unreadable

DEPTH_MAX = 100
"""Fixed and far below the interpreter's limit: a key must not depend on how deep the caller's stack was."""

_SURROGATE_ESCAPE = re.compile(rb"\\u[dD][89a-fA-F]")


def read(body: bytes, content_type: str, reading: Reading) -> Tree:
    """The document's tree, without its ignored places. Raises Unreadable."""
    del content_type
    return without(parse(body, round_digits=reading.round_digits), reading.ignored)


def parse(body: bytes, *, round_digits: int | None = None) -> Tree:
    """The whole document's tree. Raises Unreadable."""
    try:
        document = _decoder(round_digits).decode(body.decode("utf-8"))
    except Unreadable:
        raise
    except (ValueError, RecursionError) as error:
        raise Unreadable("not one JSON document") from error
    if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _is_too_deep(document):
        raise Unreadable("nested too deeply")
    if _SURROGATE_ESCAPE.search(body) and _has_lone_surrogate(body):
        raise Unreadable("half a character")
    return document


@lru_cache(maxsize=64)
def _decoder(round_digits: int | None) -> json.JSONDecoder:
    to_number: Callable[[str], str] = tree.number
    if round_digits is not None:
        to_number = partial(tree.number, round_digits=round_digits)
    return json.JSONDecoder(
        parse_float=to_number,
        parse_int=to_number,
        parse_constant=_refuse_constant,
        object_pairs_hook=_object,
    )


def _refuse_constant(name: str) -> Tree:
    raise Unreadable(f"{name} is not JSON")


def _object(pairs: list[tuple[str, Tree]]) -> dict[str, Tree]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unreadable("a key occurs twice")
    return members


def _is_too_deep(document: Tree) -> bool:
    level = [document]
    for _ in range(DEPTH_MAX):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if type(child) in (list, dict)
        ]
        if not level:
            return False
    return True


def _has_lone_surrogate(body: bytes) -> bool:
    """Numbers stay texts' look-alikes in the tree, so the document is read again without them."""
    plain = json.loads(body, parse_float=str, parse_int=str)
    try:
        json.dumps(plain, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False

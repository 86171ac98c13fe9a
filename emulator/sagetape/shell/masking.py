"""Addresses as they may be shown: whoever reads a log or a screen learns no password from them."""

from __future__ import annotations

import re

MASK = "***"
_SCHEME = re.compile(r"[a-z+]+:/+|(?:aws(?:\+https?)?|https?|function):", re.ASCII)
_BEHIND = re.compile(r"(?<=[?#]).+", re.DOTALL)  # a query or a fragment: tokens and keys travel there, too


def masked(address: str) -> str:
    """The address with `***` for all that stands before its last @, or behind a ? or #: rather too much than half a
    password."""
    before, at, host = address.rpartition("@")
    scheme = _SCHEME.match(before)
    return f"{scheme.group() if scheme else ''}{MASK if at else ''}{at}{_BEHIND.sub(MASK, host)}"

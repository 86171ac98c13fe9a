"""What a body means, as one tree, and the sixteen bytes that stand for it.

A tree is what `json` writes (None, booleans, texts, lists, objects) and three leaves that JSON does not have: exact
numbers, bytes and arrays. A number is a text that starts with a lone surrogate. No body that was understood holds one
(readers refuse them), so a number is never taken for a text, and `json`'s C code can still write the whole tree.

The digest is BLAKE2b over that JSON text: ASCII, sorted keys, no spaces. This form has been the same in every Python 3,
so a cassette's keys outlive the interpreter that made them; golden digests in the tests hold it to that.
"""

from __future__ import annotations

import hashlib
import json
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, TypeAlias

from ..values import valueclass

Tree: TypeAlias = Any
"""None | bool | str (numbers included) | bytes | Array | list[Tree] | dict[str, Tree]"""

MARK = "\ud800"
IGNORED = MARK + "ignored"
"""Stands in a list where an element is ignored: its place still counts, its value does not."""
JSON_DATA = "data:json"
"""The name of an event's data that is JSON. No field's name holds a colon: a text is never equal to a JSON string."""

NUMBER_CHARACTERS_MAX = 400  # a double written out in full has at most 325 digits before or after the point
EXPONENT_MAX = 9_999  # far past any double (308); a larger one is an attack or an error
ZEROS_MAX = 30  # up to here zeros are written out, so that ordinary numbers are their own canonical form
_PLAIN_CHARACTERS = 24  # a plain text this short has fewer than ZEROS_MAX zeros on either side
_EXACT = Context(prec=2 * NUMBER_CHARACTERS_MAX, Emax=99_999, Emin=-99_999, rounding=ROUND_HALF_EVEN)
_PARTS = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,9}))?", re.ASCII)


class Unreadable(ValueError):
    """The body is not what its content type says, or not something that has one meaning: compare it as bytes."""


@valueclass(frozen=True, slots=True)
class Array:
    """An n-dimensional array: elements little-endian, in C order."""

    dtype: str
    """As numpy writes it, without the byte order: `f4`, `i8`, `U12`, `M8[ns]`."""
    shape: tuple[int, ...]
    data: bytes


def number(text: str, *, round_digits: int | None = None) -> str:
    """A decimal number's text as a leaf; equal numbers give equal leaves (`1`, `1.0` and `10e-1`).

    Raises Unreadable for a number beyond the caps, or one that is no decimal number at all.
    """
    if round_digits is not None:
        text = rounded(text, round_digits)
    if len(text) <= _PLAIN_CHARACTERS and is_plain(text):
        return MARK + text
    return MARK + canonical_number(text)


def is_plain(text: str) -> bool:
    """Whether a short JSON number is its own canonical form: the common case, decided without taking it apart."""
    if "e" in text or "E" in text:
        return False
    return text[-1] != "0" if "." in text else text != "-0"


def canonical_number(text: str) -> str:
    """The one way to write this number: no needless zeros; an exponent only past `ZEROS_MAX` zeros."""
    match = _PARTS.fullmatch(text) if len(text) <= NUMBER_CHARACTERS_MAX else None
    if match is None:
        raise Unreadable("a number beyond the caps")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    if abs(exponent) > EXPONENT_MAX:
        raise Unreadable("a number beyond the caps")
    digits = (whole + fraction).lstrip("0")
    if not digits:
        return "0"
    significant = digits.rstrip("0")
    return sign + written_out(significant, exponent - len(fraction) + len(digits) - len(significant))


def written_out(digits: str, exponent: int) -> str:
    """Digits times a power of ten: plain when few zeros are needed, else with an exponent."""
    if 0 <= exponent <= ZEROS_MAX:
        return digits + "0" * exponent
    leading = -exponent - len(digits)
    if exponent >= 0 or leading > ZEROS_MAX:
        return f"{digits}e{exponent}"
    if leading >= 0:
        return "0." + "0" * leading + digits
    return f"{digits[:exponent]}.{digits[exponent:]}"


def rounded(text: str, digits: int) -> str:
    """A number's text with at most `digits` digits after the point, half to even, on the exact decimal value."""
    if "e" not in text and "E" not in text:
        point = text.find(".")
        if point < 0 or len(text) - point - 1 <= digits:
            return text
    value = Decimal(canonical_number(text))
    if value.as_tuple().exponent >= -digits:  # type: ignore[operator]  # a finite number's exponent is an int
        return text
    return str(value.quantize(Decimal(1).scaleb(-digits), context=_EXACT))


def is_number(leaf: Tree) -> bool:
    """Whether a leaf is an exact number."""
    return isinstance(leaf, str) and leaf.startswith(MARK) and leaf != IGNORED


def decimal_of(leaf: str) -> Decimal:
    """The exact value of a number leaf."""
    return Decimal(leaf[1:])


def digest(kind: str, tree: Tree) -> bytes:
    """16 bytes that stand for a tree read as `kind`; the same in every process and Python version."""
    text = json.dumps([kind, tree], ensure_ascii=True, sort_keys=True, separators=(",", ":"), default=_leaf_text)
    return hashlib.blake2b(text.encode("ascii"), digest_size=16, person=b"sagetape.body").digest()


def _leaf_text(leaf: object) -> Tree:
    if isinstance(leaf, bytes):
        return f"{MARK}b{hashlib.sha256(leaf).hexdigest()}"
    if isinstance(leaf, Array):
        return {f"{MARK}array": [leaf.dtype, *map(str, leaf.shape), hashlib.sha256(leaf.data).hexdigest()]}
    raise TypeError(f"not a leaf of a tree: {type(leaf).__name__}")

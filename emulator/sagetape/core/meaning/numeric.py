"""The numbers inside an array: how far two arrays are apart, and an array rounded.

Reads the types that models exchange: integers, floats of 16, 32 and 64 bits, complex of two floats, and booleans.
Others (texts, dates, long doubles) have no distance here and are compared as bytes.
"""

from __future__ import annotations

import array
import math
import struct
import sys
from collections.abc import Iterable, Sequence

from ..values import valueclass
from .tree import Array

_CODES = {
    "b1": "B", "i1": "b", "u1": "B", "i2": "h", "u2": "H", "i4": "i", "u4": "I", "i8": "q", "u8": "Q",
    "f4": "f", "f8": "d", "c8": "f", "c16": "d",
}  # fmt: skip
_ROUNDED = frozenset({"f2", "f4", "f8", "c8", "c16"})


@valueclass(frozen=True, slots=True)
class Apart:
    """How two arrays of one shape differ."""

    count: int
    of: int
    distance: float
    index: tuple[int, ...]
    """Of the largest difference."""
    recorded: float
    actual: float


def numbers(array_: Array) -> Sequence[float] | None:
    """The elements in order (two for a complex one); None for a type that is not read."""
    if array_.dtype == "f2":
        return [value for (value,) in struct.iter_unpack("<e", array_.data)]
    code = _CODES.get(array_.dtype)
    if code is None:
        return None
    values: array.array[float] = array.array(code)
    values.frombytes(array_.data)
    if sys.byteorder == "big":
        values.byteswap()
    return values


def rounded(array_: Array, digits: int) -> Array:
    """The array with its floats, as doubles, rounded to `digits` digits after the point; `-0` is `0`, NaN are one."""
    values = numbers(array_) if array_.dtype in _ROUNDED else None
    if values is None:
        return array_
    doubles = array.array("d", [round(v, digits) + 0.0 if math.isfinite(v) else _odd(v) for v in values])
    if sys.byteorder == "big":
        doubles.byteswap()
    return Array(f"{array_.dtype}~{digits}", array_.shape, doubles.tobytes())


def _odd(value: float) -> float:
    return math.nan if math.isnan(value) else value


def largest_difference(recorded: Array, actual: Array, *, absolute: float, relative: float) -> Apart | None:
    """How far two arrays of one shape are apart; None when there are no numbers in them. Types may differ."""
    one, other = numbers(_unrounded(recorded)), numbers(_unrounded(actual))
    if one is None or other is None or len(one) != len(other):
        return None
    far = list(_beyond(one, other, absolute=absolute, relative=relative))
    if not far:
        return Apart(0, len(one), 0.0, (), 0.0, 0.0)
    distance, place = max(far, key=lambda pair: pair[0])
    width = max(len(one) // max(math.prod(recorded.shape), 1), 1)
    index = index_of(place // width, recorded.shape)
    return Apart(len(far), len(one), distance, index, one[place], other[place])


def _unrounded(array_: Array) -> Array:
    """A rounded array under the type in which it is held."""
    dtype, mark, _ = array_.dtype.partition("~")
    return Array("c16" if dtype[0] == "c" else "f8", array_.shape, array_.data) if mark else array_


def _beyond(
    one: Iterable[float], other: Iterable[float], *, absolute: float, relative: float
) -> Iterable[tuple[float, int]]:
    for place, (a, b) in enumerate(zip(one, other, strict=True)):
        if a == b or (a != a and b != b):
            continue
        apart = abs(a - b)
        if not apart <= max(absolute, relative * max(abs(a), abs(b))) or math.isinf(apart):
            yield (math.inf if math.isnan(apart) else apart, place)


def index_of(place: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The index in every dimension of the element at `place` in C order."""
    index: list[int] = []
    for size in reversed(shape):
        place, remainder = divmod(place, size)
        index.append(remainder)
    return tuple(reversed(index))

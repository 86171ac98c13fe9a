"""npy: one array, as numpy writes it; versions 1 to 3 of the format, read without numpy and without pickle.

Byte order and memory order do not count; type, shape and every element do (`-0.0` is not `0.0`, NaN is its bits, unless
rounding is asked for). Refused: objects (they would be pickles), structured types, lengths that do not fit, a header
that is not the three entries numpy writes. Source: numpy's NEP 1 and `numpy.lib.format`,
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re

from . import numeric
from .reading import Reading
from .tree import Array, Tree, Unreadable

MAGIC = b"\x93NUMPY"
HEADER_MAX = 10_000  # numpy.lib.format, _MAX_HEADER_SIZE
DIMENSIONS_MAX = 64  # NPY_MAXDIMS of numpy 2
TRANSPOSITIONS_MAX = 100_000  # planes of an array in Fortran order; an array in tinier pieces is compared as bytes

_SHAPE = r"\((?:[0-9]{1,19}L?,\s*+(?:[0-9]{1,19}L?,?\s*+)*+)?+\)"
_ENTRY = rf"'(descr|fortran_order|shape)'\s*+:\s*+('[^']*+'|True|False|{_SHAPE})"
_HEADER = re.compile(rf"\s*+\{{(?:\s*+{_ENTRY}\s*+,?+)*+\s*+\}}\s*+", re.ASCII)
_ENTRIES = re.compile(_ENTRY, re.ASCII)
_DTYPE = re.compile(r"([<>|])([biufcSUVMm])([0-9]{1,9})(\[[A-Za-z0-9/]{1,16}\])?", re.ASCII)


def read(body: bytes, content_type: str, reading: Reading) -> Tree:
    """The array. Raises Unreadable."""
    del content_type
    array = parse(body)
    return array if reading.round_digits is None else numeric.rounded(array, reading.round_digits)


def parse(body: bytes) -> Array:
    """The array as it is, little-endian and in C order. Raises Unreadable."""
    header, start = _header(body)
    entries: dict[str, str] = {found[1]: found[2] for found in _ENTRIES.finditer(header)}
    if not _HEADER.fullmatch(header) or len(entries) != 3 or header.count(":") != 3:
        raise Unreadable("the npy header is not one that numpy writes")
    dtype, item_bytes, is_big = _dtype(entries["descr"])
    shape = tuple(int(size) for size in re.findall(r"[0-9]+", entries["shape"]))
    data = body[start:]
    if len(shape) > DIMENSIONS_MAX or math.prod(shape) * item_bytes != len(data):
        raise Unreadable("the npy data is not as long as shape and dtype say")
    if entries["fortran_order"] == "True":
        data = in_c_order(data, shape, item_bytes)
    elif entries["fortran_order"] != "False":
        raise Unreadable("the npy header has no memory order")
    return Array(dtype, shape, swapped(data, _swap_bytes(dtype, item_bytes)) if is_big else data)


def _header(body: bytes) -> tuple[str, int]:
    """The header's text, and where the data starts."""
    if body[:6] != MAGIC or body[6:7] not in (b"\x01", b"\x02", b"\x03"):
        raise Unreadable("no npy header")
    start = 10 if body[6] == 1 else 12
    length = int.from_bytes(body[8:start], "little")
    if length > HEADER_MAX or len(body) < start + length:
        raise Unreadable("the npy header is cut or too long")
    return body[start : start + length].decode("latin-1"), start + length


def _dtype(descr: str) -> tuple[str, int, bool]:
    """Type without byte order, bytes of one element, whether it is big-endian."""
    match = _DTYPE.fullmatch(descr.strip("'"))
    if match is None:
        raise Unreadable(f"npy elements of type {descr} are not read")
    order, letter, size, unit = match.groups()
    item_bytes = int(size) * (4 if letter == "U" else 1)
    return f"{letter}{size}{unit or ''}", item_bytes, order == ">"


def _swap_bytes(dtype: str, item_bytes: int) -> int:
    """The size of what is swapped: a character of a text, a half of a complex number, else the element."""
    if dtype[0] == "U":
        return 4
    if dtype[0] in "SV":
        return 1
    return item_bytes // 2 if dtype[0] == "c" else item_bytes


def swapped(data: bytes, size: int) -> bytes:
    """Every `size` bytes in reverse order."""
    if size < 2:
        return data
    out = bytearray(len(data))
    for place in range(size):
        out[place::size] = data[size - 1 - place :: size]
    return bytes(out)


def in_c_order(data: bytes, shape: tuple[int, ...], item_bytes: int) -> bytes:
    """Elements from Fortran order to C order. Raises Unreadable where that would take too many steps."""
    sizes = tuple(size for size in shape if size != 1)
    if len(sizes) < 2 or not data or not item_bytes:
        return data
    if math.prod(sizes[:-2]) > TRANSPOSITIONS_MAX:
        raise Unreadable("the npy array is in Fortran order and in too many small pieces")
    out = bytearray(len(data))
    _place(data, sizes, item_bytes, out=out, start=0)
    return bytes(out)


def _place(data: bytes, sizes: tuple[int, ...], item_bytes: int, *, out: bytearray, start: int) -> None:
    """Write the array `data` in C order into `out` from `start` on."""
    rows, columns = sizes[0], len(data) // item_bytes // sizes[0]
    plane = transposed(data, rows, columns, item_bytes)
    if len(sizes) == 2:
        out[start : start + len(plane)] = plane
        return
    row_bytes = columns * item_bytes
    for row in range(rows):
        part = plane[row * row_bytes : (row + 1) * row_bytes]
        _place(part, sizes[1:], item_bytes, out=out, start=start + row * row_bytes)


def transposed(data: bytes, rows: int, columns: int, item_bytes: int) -> bytes:
    """A plane from columns to rows, in as many strided copies as its shorter side has elements."""
    out = bytearray(len(data))
    across, down = columns * item_bytes, rows * item_bytes
    for byte in range(item_bytes):
        if columns < rows:
            for column in range(columns):
                source = data[column * down + byte : (column + 1) * down : item_bytes]
                out[column * item_bytes + byte :: across] = source
        else:
            for row in range(rows):
                out[row * across + byte : (row + 1) * across : item_bytes] = data[row * item_bytes + byte :: down]
    return bytes(out)

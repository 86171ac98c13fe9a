"""npz: arrays by name, in a zip file as numpy writes it.

Order, compression and dates of the members do not count; names and arrays do. Refused: encryption, compressions that
numpy does not use, names that occur twice, and archives whose stated or real size passes the cap. A member that is not
a readable array counts as its bytes. Nothing is extracted to disk.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from . import npy
from .reading import Reading
from .tree import Tree, Unreadable

MEMBERS_MAX = 1_000
INFLATED_MAX_BYTES = 64 * 2**20  # all members together; a request body is at most 25 MiB
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # NotImplementedError too: encryption, features that zipfile does not know
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
)
"""What `zipfile` raises on hostile archives, found by the property test."""


def read(body: bytes, content_type: str, reading: Reading) -> Tree:
    """Arrays by name. Raises Unreadable."""
    if body[:4] not in (b"PK\x03\x04", b"PK\x05\x06"):
        raise Unreadable("no zip file")
    try:
        members = _inflate(body)
    except _ZIP_ERRORS as error:
        raise Unreadable(f"not a zip file as numpy writes it: {error}") from error
    return {name.removesuffix(".npy"): _array(data, content_type, reading) for name, data in members.items()}


def _inflate(body: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        listed = archive.infolist()
        if len(listed) > MEMBERS_MAX or len({one.filename.removesuffix(".npy") for one in listed}) < len(listed):
            raise Unreadable("too many members in the zip file, or two of one name")
        if any(one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for one in listed):
            raise Unreadable("a compression that numpy does not use")
        if sum(one.file_size for one in listed) > INFLATED_MAX_BYTES:
            raise Unreadable("the zip file would inflate beyond the cap")
        # A member is never read past the size that it states, which the sum above has capped.
        return {one.filename: archive.read(one) for one in listed}


def _array(data: bytes, content_type: str, reading: Reading) -> Tree:
    try:
        return npy.read(data, content_type, reading)
    except Unreadable:
        return data

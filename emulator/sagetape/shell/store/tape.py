"""One open cassette file: descriptor, mapping, and records by offset. Nothing is interpreted here.

Bodies are handed out as views of the mapping, without a copy. Before a view is taken the file's length is asked
again, because touching a mapped page beyond the end of a file that somebody cut would kill the process.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from mmap import mmap
from typing import Any, TypeVar

from ...core.errors import CassetteDamaged, CassetteError, CassetteForeign, CassetteMissing
from ...core.framing import HEADER_BYTES, Buffer, Frame, frame_at, is_intact, unmask
from ...core.payload import RecordError, unpack
from ..files import Files, is_regular

T = TypeVar("T")


def retried(operation: Callable[..., T], *args: Any, **options: Any) -> T:
    """An operation of the seam, again after an interruption by a signal. Never used for a sync."""
    while True:
        try:
            return operation(*args, **options)
        except InterruptedError:
            continue


class Tape:
    """An open file and its mapping."""

    def __init__(self, files: Files, path: str, *, flags: int) -> None:
        self.files, self.path = files, path
        self.fd = opened(files, path, flags)
        self._map: mmap | bytes = b""
        self._view = memoryview(b"")
        try:
            status = self.status()
            if stat.S_ISDIR(status.st_mode):  # opening one to read succeeds
                raise unreadable(path, IsADirectoryError(errno.EISDIR, ""))
            if not is_regular(status):
                raise CassetteForeign(
                    f"{path} is not a plain file (a FIFO or a device, perhaps); a cassette is one. Name another path.",
                    path=path,
                )
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the descriptor; views that were handed out stay readable."""
        if self.fd >= 0:
            fd, self.fd = self.fd, -1
            try:
                self.files.close(fd)
            except OSError:
                # Nothing is buffered in the descriptor, and after a failed close it must not be used again.
                pass

    def status(self) -> os.stat_result:
        try:
            return retried(self.files.status, self.fd)
        except OSError as error:
            raise unreadable(self.path, error) from error

    def size(self) -> int:
        return self.status().st_size

    def read(self, length: int, offset: int) -> bytes:
        """Exactly these bytes, or fewer at the end of the file; by reading, not by the mapping."""
        parts: list[bytes] = []
        try:
            while length > 0 and (part := retried(self.files.pread, self.fd, length, offset)):
                parts.append(part)
                length, offset = length - len(part), offset + len(part)
        except OSError as error:
            raise unreadable(self.path, error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def content(self, length: int) -> mmap | bytes:
        """The file's first `length` bytes, mapped; where mapping fails they are read."""
        if len(self._map) < length:
            try:
                self._map = retried(self.files.mmap, self.fd, length)
            except (OSError, ValueError):
                # Not every file system maps, and address space may be short: reading gives the same bytes.
                self._map = self.read(length, 0)
            self._view = memoryview(self._map)
        return self._map

    def forget(self) -> None:
        """Drops the mapping, after the file was cut or when a copy may be out of date; views stay readable."""
        self._map, self._view = b"", memoryview(b"")

    def frame(self, offset: int) -> Frame:
        """The record at an offset. Raises CassetteDamaged when its header is not intact."""
        size = self.size()
        if offset + HEADER_BYTES <= size:
            self._ensure(size)
            found = frame_at(self._map, offset, min(size, len(self._map)))
            if found is not None:
                return found
        raise self.damaged(offset, "its header is not what was written")

    def _ensure(self, size: int) -> None:
        if len(self._map) < size:
            self.content(size)

    def stored(self, found: Frame) -> Buffer:
        """A record's payload, unmasked, without checking its checksum."""
        return unmask(found, self._view[found.start : found.end])

    def payload(self, found: Frame) -> Buffer:
        """A record's payload, unmasked. Raises CassetteDamaged when its checksum is wrong."""
        stored = self._view[found.start : found.end]
        if not is_intact(found, stored):
            raise self.damaged(found.offset, "its payload is not what was written")
        return unmask(found, stored)

    def values(self, found: Frame) -> dict[str, Any]:
        """A record's map; its tail is left out."""
        try:
            return unpack(self.payload(found), tail_bytes=found.tail_bytes)
        except RecordError as error:
            raise self.damaged(found.offset, str(error)) from None

    def damaged(self, offset: int, reason: str) -> CassetteDamaged:
        """The error for a record, with its place and the remedy."""
        return CassetteDamaged(
            f"{self.path}: the record at offset {offset} is damaged: {reason}. Everything else is still served. "
            f"Restore it or record this interaction again; `sagetape cassette verify {self.path}` lists all damage.",
            path=self.path,
            offset=offset,
        )


def opened(files: Files, path: str, flags: int) -> int:
    """A descriptor, or the CassetteError that says why not."""
    try:
        return retried(files.open, path, flags)
    except OSError as error:
        if error.errno == errno.ENOENT and flags & os.O_CREAT:
            raise unmade(path) from error
        raise unreadable(path, error) from error
    except ValueError as error:  # a NUL character in the name
        raise CassetteForeign(
            f"{path!r} cannot name a file ({error}). Name a file such as churn.tape.", path=path
        ) from None


def unmade(path: str) -> CassetteError:
    """The error for a new file that its folder does not take: the name is missing because it cannot be made."""
    folder = os.path.dirname(path) or "."
    return CassetteError(
        f"{path} cannot be made: the folder {folder} takes no new files. Name a folder that can be written to.",
        path=path,
    )


_REMEDIES = {
    errno.ELOOP: "it is a symbolic link, which is not followed. Name the file that it points to.",
    errno.EISDIR: "it is a directory. Name a file in it, for example churn.tape.",
    errno.ENOTDIR: "a part of its path is a file, not a directory. Correct the path.",
    errno.EACCES: "this user may not open it. Change its permissions, or those of its directory.",
    errno.EPERM: "this user may not open it. Change its permissions.",
    errno.EROFS: "its file system is read-only. Record into another place, or only replay.",
    errno.ENAMETOOLONG: "its name is too long. Shorten it.",
    errno.ENXIO: "it is a FIFO or a device, not a plain file. Name a plain file.",
    errno.ENOSPC: "the disk is full. Free some space.",
    errno.EMFILE: "this process has too many open files. Raise `ulimit -n`.",
}


def unreadable(path: str, error: OSError) -> CassetteError:
    """The error for a file that the system does not hand out."""
    if error.errno == errno.ENOENT:
        return CassetteMissing(
            f"{path} does not exist. `sagetape record {path} --upstream aws` makes it; to replay, check the path.",
            path=path,
        )
    remedy = _REMEDIES.get(error.errno or 0, "Check the file and its disk.")
    return CassetteError(f"{path} cannot be opened ({os.strerror(error.errno or 0)}): {remedy}", path=path)

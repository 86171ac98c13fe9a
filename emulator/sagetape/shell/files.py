"""The store's seam: every file operation of the store goes through one small object.

Tests put another object in its place and let the k-th operation fail. Decides nothing; what differs between operating
systems is looked up in the tables at the end (Windows: no `writev`, `pread`, `flock`, `O_NOFOLLOW`; its rows are tested
by table, not on Windows).
"""

from __future__ import annotations

import mmap as mmap_module
import os
import stat
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

from ..core.framing import Buffer

MODE = 0o600  # cassettes may hold what a model was asked: the owner's eyes only
IOV_MAX = 1024  # POSIX guarantees 16; Linux and macOS have 1,024 (limits.h)


class Files:
    """The operating system's files. All offsets and lengths are in bytes; errors are OSError."""

    def open(self, path: str, flags: int) -> int:
        """A descriptor that is not inherited and does not follow a link in the last place of the path."""
        return os.open(path, flags | OPEN_FLAGS, MODE)

    def close(self, fd: int) -> None:
        os.close(fd)

    def status(self, fd: int) -> os.stat_result:
        return os.fstat(fd)

    def path_status(self, path: str) -> os.stat_result | None:
        """Of what stands under a name now, links not followed; None when nothing does."""
        try:
            return os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def writev(self, fd: int, buffers: Sequence[Buffer]) -> int:
        """Appends as much as the system takes; says how much."""
        return WRITEV(fd, buffers)

    def pread(self, fd: int, length: int, offset: int) -> bytes:
        return PREAD(fd, length, offset)

    def sync(self, fd: int) -> None:
        """Returns when the data is on the disk, as far as the system says so."""
        SYNC(fd)

    def sync_directory(self, path: str) -> None:
        """Makes a new name in a directory last."""
        SYNC_DIRECTORY(path)

    def truncate(self, fd: int, length: int) -> None:
        os.ftruncate(fd, length)

    def rename(self, source: str, target: str) -> None:
        """Puts a file in another's place in one step."""
        os.replace(source, target)

    def make_directory(self, path: str) -> None:
        """Also those above it; nothing when it is there."""
        os.makedirs(path, exist_ok=True)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def mmap(self, fd: int, length: int) -> mmap_module.mmap:
        """The file's first bytes, read-only."""
        return mmap_module.mmap(fd, length, access=mmap_module.ACCESS_READ)

    def lock(self, fd: int, *, exclusive: bool, wait: bool) -> bool:
        """A lock that dies with its process; False when another has it and `wait` is not set."""
        return LOCK(fd, exclusive, wait)

    def unlock(self, fd: int) -> None:
        UNLOCK(fd)


def is_regular(status: os.stat_result) -> bool:
    """Whether this is a plain file: not a directory, FIFO, device or socket."""
    return stat.S_ISREG(status.st_mode)


def is_same_file(one: os.stat_result, other: os.stat_result | None) -> bool:
    """Whether both describe the same file on the same device."""
    return other is not None and (one.st_ino, one.st_dev) == (other.st_ino, other.st_dev)


# --- what differs between systems -------------------------------------------------------------------------------


def _pread_by_seek(fd: int, length: int, offset: int) -> bytes:
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, length)


def _write_first(fd: int, buffers: Sequence[Buffer]) -> int:
    """One buffer at a time where there is no `writev`; the caller goes on with the rest."""
    return os.write(fd, next(one for one in buffers if len(one)))


def _sync_directory_posix(path: str) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _sync_nothing(_path: str) -> None:
    """Windows cannot open a directory; NTFS journals its names."""


def flock_with(fcntl: Any) -> tuple[Callable[[int, bool, bool], bool], Callable[[int], None]]:
    """Lock and unlock by POSIX `flock`."""

    def lock(fd: int, exclusive: bool, wait: bool) -> bool:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)

    return lock, unlock


LOCKED_BYTE = 2**40
"""Windows locks are mandatory: a byte far beyond any cassette's end keeps nobody from reading."""


def byte_lock_with(msvcrt: Any) -> tuple[Callable[[int, bool, bool], bool], Callable[[int], None]]:
    """Lock and unlock by `msvcrt.locking`, which has no shared locks: sharing recorders are refused there."""

    def at_byte(fd: int, operation: int) -> None:
        os.lseek(fd, LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, operation, 1)

    def lock(fd: int, _exclusive: bool, wait: bool) -> bool:
        try:
            at_byte(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK)
        except OSError:
            return False
        return True

    def unlock(fd: int) -> None:
        at_byte(fd, msvcrt.LK_UNLCK)

    return lock, unlock


def locking(system: str, module: ModuleType | Any) -> tuple[Callable[[int, bool, bool], bool], Callable[[int], None]]:
    """The pair of functions for `os.name`, over its module."""
    return {"posix": flock_with, "nt": byte_lock_with}[system](module)


LOCK, UNLOCK = locking(os.name, __import__({"posix": "fcntl", "nt": "msvcrt"}[os.name]))
WRITEV: Callable[[int, Sequence[Buffer]], int] = getattr(os, "writev", _write_first)
PREAD: Callable[[int, int, int], bytes] = getattr(os, "pread", _pread_by_seek)
SYNC: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)
SYNC_DIRECTORY: Callable[[str], None] = {"posix": _sync_directory_posix, "nt": _sync_nothing}[os.name]
OPEN_FLAGS = sum(getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_NOINHERIT"))
"""O_NONBLOCK: a FIFO in a cassette's place is refused rather than waited for; it means nothing to a plain file."""

REAL = Files()

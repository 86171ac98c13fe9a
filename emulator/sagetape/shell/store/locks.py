"""Who records: a lock file beside the cassette, locked by the system and holding the recorder's process id.

The system frees the lock when its process dies, however it dies, so a lock file that was left behind means nothing: it
is locked again and taken over. It is beside the cassette because `compact` and `rewrite` replace the cassette itself.
"""

from __future__ import annotations

import os

from ...core.errors import CassetteError, CassetteLocked
from ..files import Files, is_same_file
from .tape import opened, retried, unreadable


class RecorderLock:
    """Held while a cassette is open for writing. Shared holders exclude exclusive ones, and the reverse."""

    def __init__(self, files: Files, path: str, *, shared: bool) -> None:
        self._files = files
        self._path = f"{path}.lock"
        self._shared = shared
        self._cassette = path
        self._fd = -1

    def take(self) -> None:
        """Raises CassetteLocked, naming the process that has it."""
        while self._fd < 0:
            fd = opened(self._files, self._path, os.O_RDWR | os.O_CREAT)
            try:
                if not retried(self._files.lock, fd, exclusive=not self._shared, wait=False):
                    raise self._refusal(fd)
                # Its holder may have removed the name between our opening and our locking: then we guard nothing.
                if self._is_current(fd):
                    self._fd = fd
            except OSError as error:
                raise unreadable(self._path, error) from error
            finally:
                if self._fd != fd:
                    self._files.close(fd)
        if not self._shared:
            self._sign()

    def _is_current(self, fd: int) -> bool:
        ours = retried(self._files.status, fd)
        return is_same_file(ours, retried(self._files.path_status, self._path))

    def _sign(self) -> None:
        """Leaves the process id for the one who is refused. A hint only: failing to leave it changes nothing."""
        try:
            self._files.truncate(self._fd, 0)
            os.lseek(self._fd, 0, os.SEEK_SET)
            self._files.writev(self._fd, [b"%d\n" % os.getpid()])
        except OSError:
            pass  # the lock holds without it

    def _refusal(self, fd: int) -> CassetteError:
        try:
            said = self._files.pread(fd, 20, 0).strip()
        except OSError:
            said = b""  # the hint is missing, the refusal stands
        pid = int(said) if said.isdigit() else 0
        who = f"process {pid}" if pid else "another process"
        return CassetteLocked(
            f"{self._cassette} is being recorded into by {who}. "
            "Replaying it at the same time is fine; to record from several processes, start all of them with --shared. "
            "Otherwise stop that process or record into another file.",
            path=self._cassette,
            pid=pid,
        )

    def release(self) -> None:
        """Frees the lock, and removes its file unless others share it."""
        fd, self._fd = self._fd, -1
        if fd < 0:
            return
        try:
            # A sharing recorder that gets the lock for itself alone is the last one.
            if not self._shared or self._files.lock(fd, exclusive=True, wait=False):
                self._files.unlink(self._path)
        except OSError:
            pass  # a lock file that is left behind is taken over by the next recorder
        self._files.close(fd)

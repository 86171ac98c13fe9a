"""Adds records at the end of a cassette: whole or not at all.

When `append` returns, the record is in the page cache, and so survives the death of this process. When it raises, the
file ends where it ended before. A failed sync is never repeated: the system may have dropped the pages and reports it
once (PostgreSQL came to the same rule in 2018), so the cassette takes nothing more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ...core.errors import CassetteError, CassetteUnwritten
from ...core.framing import Buffer
from ..files import IOV_MAX, is_same_file
from .contents import Contents
from .tape import Tape, retried

UNSYNCED: Final = "What was recorded since the last good sync may be lost when the machine fails"


class Appender:
    """The writing end of an open cassette."""

    def __init__(self, contents: Contents, *, shared: bool) -> None:
        self._contents = contents
        self._shared = shared
        self.is_suspect = False
        """Set by a failed sync: what was written since the last good one may be lost in a power failure."""
        self.has_unsynced = False
        self.has_written = False

    @property
    def _tape(self) -> Tape:
        return self._contents.tape

    @contextmanager
    def exclusive(self) -> Iterator[int]:
        """The offset at which the next record goes; other recorders wait, and their records were taken in."""
        if self.is_suspect:
            raise self._failure(
                "a sync to disk failed before", "Check the disk, then record again into a new file", kept=UNSYNCED
            )
        tape = self._tape
        try:
            if self._shared:
                retried(tape.files.lock, tape.fd, exclusive=True, wait=True)
        except OSError as error:
            raise self._failure_of(error) from error
        try:
            yield self._prepared()
        finally:
            if self._shared:
                self._unlock()

    def _unlock(self) -> None:
        try:
            retried(self._tape.files.unlock, self._tape.fd)
        except OSError as error:
            raise self._failure_of(error) from error

    def _prepared(self) -> int:
        """Makes the file end after its last intact record."""
        tape, contents = self._tape, self._contents
        try:
            status = tape.status()
            if not is_same_file(status, retried(tape.files.path_status, tape.path)):
                raise self._failure(
                    "it was replaced or removed while it was recorded into",
                    "Start the recording again",
                    kept="What was recorded before is in the file that was there, if that is still anywhere",
                )
            if self._shared and status.st_size > contents.end:
                contents.take_in(contents.end, status.st_size)
            if status.st_size > contents.end:
                retried(tape.files.truncate, tape.fd, contents.end)
                tape.forget()
        except OSError as error:
            raise self._failure_of(error) from error
        if status.st_size < contents.end:
            raise self._failure(
                "another program cut it",
                "Start the recording again",
                kept=f"What was recorded behind its first {status.st_size} bytes is lost, what stands in them is not",
            )
        return contents.end

    def write(self, buffers: Sequence[Buffer]) -> None:
        """All of it after the last record. Call it inside `exclusive`; several records may go in one call."""
        start = self._contents.end
        total = sum(map(len, buffers))
        try:
            self._write_all(buffers)
        except OSError as error:
            self._cut_back(start)
            raise self._failure_of(error) from error
        except BaseException:
            self._cut_back(start)  # Ctrl-C between two writes of one record
            raise
        self._contents.end = start + total
        self.has_unsynced = self.has_written = True

    def _write_all(self, buffers: Sequence[Buffer]) -> None:
        """Goes on after a short write; a write of nothing is a full disk."""
        files, fd = self._tape.files, self._tape.fd
        waiting = [one for one in buffers if len(one)]
        while waiting:
            batch = waiting[:IOV_MAX]
            written = retried(files.writev, fd, batch)
            if written <= 0:
                raise OSError(28, "No space left on device")
            if len(batch) == len(waiting) and written == sum(map(len, batch)):
                return
            waiting = _rest(waiting, written)

    def _cut_back(self, start: int) -> None:
        try:
            retried(self._tape.files.truncate, self._tape.fd, start)
        except OSError:
            # The next append cuts before it writes, and every reader knows a torn tail for what it is.
            pass

    def sync_directory(self) -> None:
        """Makes the file's name last, where the file system can; its refusal says nothing about the data."""
        try:
            self._tape.files.sync_directory(os.path.dirname(self._tape.path) or ".")
        except OSError:
            pass  # as SQLite does: some file systems refuse to sync directories

    def sync(self) -> None:
        """All that was appended to the disk: one sync for all of it. Raises CassetteUnwritten once and for all."""
        if self.is_suspect:
            raise self._failure(
                "a sync to disk failed before", "Check the disk, then record again into a new file", kept=UNSYNCED
            )
        if not self.has_unsynced:
            return
        self.has_unsynced = False
        try:
            self._tape.files.sync(self._tape.fd)
        except OSError as error:
            self.is_suspect = True
            raise self._failure(
                f"the disk did not confirm what was written ({os.strerror(error.errno or 5)})",
                "The cassette is suspect: run `sagetape cassette verify`, check the disk, record again into a new file",
                kept=UNSYNCED,
            ) from error

    def _failure_of(self, error: OSError) -> CassetteError:
        return self._failure(
            os.strerror(error.errno or 5).lower(), "Free space or correct the permissions; recording resumes by itself"
        )

    def _failure(self, what: str, remedy: str, *, kept: str = "Everything recorded before is intact") -> CassetteError:
        """`kept`: what became of the recordings from before."""
        path = self._tape.path
        return CassetteUnwritten(f"{path} could not be written: {what}. {kept}. {remedy}.", path=path)


def _rest(buffers: Sequence[Buffer], written: int) -> list[Buffer]:
    """The buffers without their first `written` bytes."""
    rest: list[Buffer] = []
    for one in buffers:
        if written >= len(one):
            written -= len(one)
        else:
            rest.append(memoryview(one)[written:] if written else one)
            written = 0
    return rest

"""Opens the file behind a cassette, for reading as it is, for writing made or mended."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from ...core.errors import CassetteDamaged, CassetteError, CassetteUnwritten
from ...core.framing import MARKER, Buffer, next_frame
from ..files import Files
from .appending import Appender
from .contents import Contents
from .tape import Tape, retried, unreadable


def open_existing(files: Files, path: str, *, max_body_bytes: int, use_index: bool = True) -> Contents:
    """A cassette to be read; the file is not changed."""
    tape = Tape(files, path, flags=os.O_RDONLY)
    try:
        contents = Contents(tape, max_body_bytes=max_body_bytes)
        contents.load(use_index=use_index)
        _require_something(contents)
    except BaseException:
        tape.close()
        raise
    return contents


def _require_something(contents: Contents) -> None:
    """A file without one intact record has nothing to serve."""
    if contents.report.has_damaged_header and not len(contents.index):
        path = contents.tape.path
        size = contents.tape.size()
        what = "is empty" if not size else f"has no intact interaction and a damaged header ({size} bytes)"
        raise CassetteDamaged(
            f"{path} {what}. Restore it from version control, or delete it and record again.", path=path, offset=0
        )


def make_folder(files: Files, path: str) -> None:
    """The directory of a cassette that is about to be made."""
    try:
        retried(files.make_directory, os.path.dirname(path) or ".")
    except FileExistsError as error:
        folder = os.path.dirname(path)
        raise CassetteError(
            f"{path} cannot be made: {folder} is a file, not a folder. Name a cassette in a folder.", path=path
        ) from error
    except (OSError, ValueError) as error:
        raise unreadable(path, error if isinstance(error, OSError) else OSError(errno.EINVAL, str(error))) from error


def remove(files: Files, path: str) -> None:
    """A file that may be there, left behind by a recorder that died."""
    try:
        retried(files.unlink, path)
    except FileNotFoundError:
        pass  # nothing was left behind
    except OSError as error:
        raise unreadable(path, error) from error


def create(files: Files, path: str, header: Sequence[Buffer], *, shared: bool) -> tuple[Contents, bool]:
    """A cassette to be recorded into, and whether it was made now. A torn tail is removed."""
    tape = Tape(files, path, flags=os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        contents = Contents(tape)
        writer = Appender(contents, shared=shared)
        if shared:
            retried(files.lock, tape.fd, exclusive=True, wait=True)
        is_new = _is_unbegun(tape)
        if is_new:
            _begin(contents, writer, header)
        contents.load()
        _mend(contents)
        if shared:
            retried(files.unlock, tape.fd)
    except OSError as error:
        tape.close()
        raise unreadable(path, error) from error
    except BaseException:
        tape.close()
        raise
    return contents, is_new


def _is_unbegun(tape: Tape) -> bool:
    """Whether the file is empty, or its recorder died while writing the very first record."""
    size = tape.size()
    start = tape.read(4, 0)
    if not MARKER.startswith(start):
        return False
    return size == 0 or next_frame(tape.content(size), 0, size) is None


def _begin(contents: Contents, writer: Appender, header: Sequence[Buffer]) -> None:
    """Writes the header; a file that cannot have one is removed again, for an empty one would puzzle the next start."""
    tape = contents.tape
    retried(tape.files.truncate, tape.fd, 0)
    tape.forget()
    try:
        writer.write(header)
        writer.sync_directory()
    except CassetteError:
        try:
            tape.files.unlink(tape.path)
        except OSError:
            pass  # an empty file is begun anew by the next recorder
        raise


def _mend(contents: Contents) -> None:
    report, tape = contents.report, contents.tape
    if report.has_damaged_header:
        raise CassetteDamaged(
            f"{tape.path} has a damaged header, so the rules under which it was recorded are not known, and nothing is "
            "added to it. It can still be replayed. "
            f"`sagetape cassette compact --salvage {tape.path}` makes a sound one.",
            path=tape.path,
            offset=0,
        )
    if report.torn_at is None:
        return
    try:
        retried(tape.files.truncate, tape.fd, contents.end)
    except OSError as error:
        raise CassetteUnwritten(
            f"{tape.path} ends in an unfinished record that could not be removed ({error.strerror}). "
            "It can still be replayed. Correct its permissions to record into it.",
            path=tape.path,
            offset=report.torn_at,
        ) from error
    tape.forget()
    report.is_tail_cut = True

"""Reads every byte of a cassette and says what is not as it was written."""

from __future__ import annotations

import os
from collections.abc import Callable

from ...core.bodies import BODY_MAX_BYTES
from ...core.errors import CassetteDamaged
from ...core.framing import (
    BODY,
    HEADER_KIND,
    INDEX,
    INTERACTION,
    KIND_NAMES,
    STREAM_BEGIN,
    TAIL,
    Frame,
    walk,
)
from ...core.index import index_from
from ...core.payload import RecordError, member, unpack
from ...core.records import call_from, interaction_from
from ..files import REAL, Files
from .contents import Contents
from .creation import open_existing
from .report import DamagedPlace, RecoveryReport


def verify(
    path: str | os.PathLike[str],
    *,
    files: Files = REAL,
    progress: Callable[[int, int], object] | None = None,
    max_body_bytes: int = BODY_MAX_BYTES,
) -> RecoveryReport:
    """Checks every record of a file, bodies too; changes nothing. `progress` gets bytes done and bytes in all.

    Raises what opening raises: CassetteMissing, CassetteForeign, CassetteDamaged when nothing can be served.
    """
    contents = open_existing(files, os.fspath(path), max_body_bytes=max_body_bytes, use_index=False)
    try:
        size = contents.tape.size()
        for one in list(walk(contents.tape.content(size), 0, size)):
            if isinstance(one, Frame):
                _check(contents, one)
                if progress is not None:
                    progress(one.end, size)
        contents.report.damaged.sort(key=lambda place: place.offset)
        return contents.report
    finally:
        contents.tape.close()


def _check(contents: Contents, found: Frame) -> None:
    try:
        _CHECKS.get(found.kind, _check_map)(contents, found)
    except (CassetteDamaged, RecordError) as error:
        if not any(place.offset == found.offset for place in contents.report.damaged):
            kind = KIND_NAMES.get(found.kind, f"kind {found.kind}")
            contents.report.damaged.append(DamagedPlace(found.offset, found.end, f"{kind}: {error}"))


def _check_map(contents: Contents, found: Frame) -> None:
    """A record of which only the map is looked at; of an unknown kind only the checksum."""
    payload = contents.tape.payload(found)
    if found.kind in KIND_NAMES:
        unpack(payload, tail_bytes=found.tail_bytes)


def _check_body(contents: Contents, found: Frame) -> None:
    contents.body_at(found, None)


def _check_interaction(contents: Contents, found: Frame) -> None:
    interaction_from(contents.tape.values(found), contents.body)


def _check_begin(contents: Contents, found: Frame) -> None:
    call_from(member(contents.tape.values(found), "call", dict), contents.body)


def _check_index(contents: Contents, found: Frame) -> None:
    """An index at the end must say what walking finds; an older one before other records is not used."""
    payload = contents.tape.payload(found)
    values = unpack(payload, tail_bytes=found.tail_bytes)
    index = index_from(values, memoryview(payload)[len(payload) - found.tail_bytes :])
    own = contents.index
    is_last = contents.end == found.offset
    if is_last and (index.keys != own.keys or index.columns["offsets"] != own.columns["offsets"]):
        raise RecordError("it does not agree with the records")


def _check_tail(contents: Contents, found: Frame) -> None:
    contents.tape.payload(found)


_CHECKS: dict[int, Callable[[Contents, Frame], None]] = {
    HEADER_KIND: _check_map,
    BODY: _check_body,
    INTERACTION: _check_interaction,
    STREAM_BEGIN: _check_begin,
    INDEX: _check_index,
    TAIL: _check_tail,
}

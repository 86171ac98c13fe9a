"""Reads every byte of a cassette and says what is not as it was written."""

from __future__ import annotations

import os
from collections.abc import Callable

from ...core.bodies import BODY_MAX_BYTES
from ...core.checkpoints import previous_of, read_alone
from ...core.errors import CassetteDamaged
from ...core.framing import (
    BODY,
    CHECKPOINT,
    HEADER_KIND,
    INDEX,
    INTERACTION,
    KIND_NAMES,
    TAIL,
    Frame,
    walk,
)
from ...core.index import DIGEST_BYTES, Index, index_from
from ...core.payload import RecordError, member, unpack
from ...core.records import interaction_from
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
            offsets = contents.index.columns["offsets"]
            if found.kind == INTERACTION and found.offset in offsets:
                kind += f" {offsets.index(found.offset)}"
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


def _check_index(contents: Contents, found: Frame) -> None:
    """An index or a checkpoint must say what walking finds, unless something before it is lost."""
    payload = contents.tape.payload(found)
    values = unpack(payload, tail_bytes=found.tail_bytes)
    tail = memoryview(payload)[len(payload) - found.tail_bytes :]
    first, own = 0, contents.index
    if found.kind == INDEX:
        index = index_from(values, tail)
    else:
        previous_of(values, at=found.offset)
        index, first = Index(), member(values, "first", int)
        read_alone(index, values, tail)
    is_after_loss = any(place.offset < found.offset for place in contents.report.damaged)
    end = first + len(index)
    is_same_keys = own.keys[first * DIGEST_BYTES : end * DIGEST_BYTES] == index.keys
    if not is_after_loss and not (is_same_keys and own.columns["offsets"][first:end] == index.columns["offsets"]):
        raise RecordError("it does not agree with the records")


def _check_tail(contents: Contents, found: Frame) -> None:
    contents.tape.payload(found)


_CHECKS: dict[int, Callable[[Contents, Frame], None]] = {
    HEADER_KIND: _check_map,
    BODY: _check_body,
    INTERACTION: _check_interaction,
    INDEX: _check_index,
    CHECKPOINT: _check_index,
    TAIL: _check_tail,
}

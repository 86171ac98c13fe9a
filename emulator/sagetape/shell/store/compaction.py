"""Writes a cassette anew: interactions in canonical order, every body once and compressed where it pays.

Two recordings of the same things, compacted, are the same bytes. The new file takes the old one's place in one step,
after it is whole and on the disk; until then, and after any failure, the old one is untouched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from ...core.bodies import BODY_MAX_BYTES
from ...core.cassette import CassetteSettings, Rekey, canonical_order, header_record
from ...core.errors import CassetteDamaged
from ...core.values import valueclass
from ..files import REAL, Files
from .appending import Appender
from .cassette import Cassette
from .creation import create, remove
from .locks import RecorderLock
from .report import DamagedPlace
from .tape import retried, unreadable
from .verification import verify

Progress = Callable[[int, int], object]
"""Called with what is done and the whole, in interactions."""


@valueclass(frozen=True, slots=True)
class CompactReport:
    """What a compaction did."""

    before_bytes: int
    after_bytes: int
    kept_count: int
    lost: tuple[DamagedPlace, ...]
    """What could not be read; empty unless `salvage` was set."""


def compact(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    *,
    files: Files = REAL,
    salvage: bool = False,
    settings: CassetteSettings | None = None,
    rekey: Rekey | None = None,
    progress: Progress | None = None,
    max_body_bytes: int = BODY_MAX_BYTES,
) -> CompactReport:
    """Compacts `source` into `target`, by default in place.

    `settings` replaces the header; with other match rules in it, `rekey` recomputes the keys. A damaged cassette raises
    CassetteDamaged unless `salvage` allows to leave out what cannot be read. `progress` may raise to stop: nothing is
    left behind then.
    """
    old, new = os.fspath(source), os.fspath(target if target is not None else source)
    lock = RecorderLock(files, new, shared=False)
    lock.take()
    try:
        lost = () if salvage else _require_sound(old, files)
        with _opened(old, files, settings, rekey, max_body_bytes) as cassette:
            with replacing(new, files, settings or cassette.settings) as fresh:
                fresh.compress_max_bytes = max_body_bytes
                copy_canonically(cassette, fresh, progress=progress)
            lost = tuple(cassette.report.damaged)
            return _report(cassette, lost, os.stat(new).st_size)
    finally:
        lock.release()


def _opened(
    path: str, files: Files, settings: CassetteSettings | None, rekey: Rekey | None, max_body_bytes: int
) -> Cassette:
    return Cassette.open(path, files=files, settings=settings, rekey=rekey, max_body_bytes=max_body_bytes)


def _require_sound(path: str, files: Files) -> tuple[DamagedPlace, ...]:
    report = verify(path, files=files)
    if report.damaged or report.has_damaged_header:
        raise CassetteDamaged(
            f"{path} is damaged: {'; '.join(map(str, report.damaged[:3]))}. Compacting would drop it for good. "
            f"Restore the file, or keep the rest with `sagetape cassette compact --salvage {path}`.",
            path=path,
            offset=report.damaged[0].offset if report.damaged else 0,
        )
    return ()


def _report(cassette: Cassette, lost: tuple[DamagedPlace, ...], after_bytes: int) -> CompactReport:
    return CompactReport(
        before_bytes=cassette.contents.tape.size(),
        after_bytes=after_bytes,
        kept_count=len(cassette) - len(lost),
        lost=lost,
    )


def copy_canonically(source: Cassette, target: Cassette, *, progress: Progress | None = None) -> None:
    """All interactions into another cassette, in canonical order; what is unreadable goes to the report."""
    order = canonical_order(source.summaries())
    for done, number in enumerate(order):
        try:
            target.append(source.read(number), source.key(number))
        except CassetteDamaged as error:
            source.contents.note_damage(error)
        if progress is not None:
            progress(done + 1, len(order))


def temporary(path: str) -> str:
    """The name beside a cassette under which its successor is written; only who holds the lock uses it."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.new")


@contextmanager
def replacing(path: str, files: Files, settings: CassetteSettings) -> Iterator[Cassette]:
    """A new cassette that takes the place of `path` when the block ends well, and vanishes when it does not."""
    name = temporary(path)
    remove(files, name)
    fresh = create_unlocked(name, files, settings)
    try:
        yield fresh
        fresh.close(durably=True)
        try:
            retried(files.rename, name, path)
        except OSError as error:
            raise unreadable(path, error) from error
        fresh.sync_directory()
    except BaseException:
        fresh.discard()
        remove(files, name)
        raise


def create_unlocked(path: str, files: Files, settings: CassetteSettings) -> Cassette:
    """A new file of which nobody else knows the name."""
    header = header_record(replace(settings))
    contents, _ = create(files, path, header, shared=False)
    cassette = Cassette(contents, writer=Appender(contents, shared=False), lock=None, shared=False)
    cassette.writes_checkpoints = False
    return cassette

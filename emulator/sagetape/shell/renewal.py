"""Cassettes read whole and written anew: what editing, merging, scrubbing and importing share.

A cassette is written under another name and takes the old one's place in one step, in canonical order. Until then, and
after any failure or Ctrl-C, the old one is as it was. The recorder's lock is held from reading to writing, so nothing
that somebody records meanwhile is lost.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from ..core.cassette import CassetteSettings, canonical_order, summary_of
from ..core.errors import CassetteDamaged, CassetteMissing
from ..core.matching import Matcher, MatchRules
from ..core.merging import Kept
from .custom import allowed_for_commands, matcher_with
from .files import REAL
from .store import Cassette
from .store.compaction import replacing
from .store.creation import make_folder
from .store.locks import RecorderLock

Progress = Callable[[int, int], object]
"""Called with what is done and the whole."""
STAGE: Final = 1000  # what each stage of a piece of work counts, however much it holds


def stage(progress: Progress | None, number: int, *, of: int) -> Progress | None:
    """The progress of one of several stages of work, so that a bar runs once and never back."""
    if progress is None:
        return None
    return lambda done, whole: progress(number * STAGE + STAGE * done // max(whole, 1), of * STAGE)


def matcher_for(
    rules: Mapping[str, Any], folder: Path | None = None, *, allowed: Collection[str] | None = None
) -> Matcher:
    """The matcher of a cassette's rules. Functions that they name are imported from `folder`, as at replay.

    `allowed` are those that may be; None asks the command line and the variable. Raises ConfigError for another.
    """
    allowed = allowed_for_commands() if allowed is None else allowed
    return matcher_with(MatchRules.from_dict(rules), folder or Path.cwd(), allowed=allowed)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody records into the cassette meanwhile. Raises CassetteLocked."""
    make_folder(REAL, os.fspath(path))
    lock = RecorderLock(REAL, os.fspath(path), shared=False)
    lock.take()
    try:
        yield
    finally:
        lock.release()


def read_whole(cassette: Cassette, *, progress: Progress | None = None) -> list[Kept]:
    """Every interaction with its key, in recorded order. Raises CassetteDamaged: nothing may be dropped in silence."""
    numbers = list(cassette.numbers())
    kept: list[Kept] = []
    for done, number in enumerate(numbers):
        kept.append(Kept(cassette.read(number), cassette.key(number)))
        if progress is not None:
            progress(done + 1, len(numbers))
    damaged = cassette.report.damaged
    if damaged or cassette.report.has_damaged_header:
        raise CassetteDamaged(
            f"{cassette.path} is damaged: {'; '.join(map(str, damaged[:3]))}. Writing it anew would drop it for good. "
            f"Restore it, or keep the rest with `sagetape cassette compact --salvage {cassette.path}`.",
            path=cassette.path,
            offset=damaged[0].offset if damaged else 0,
        )
    return kept


@contextmanager
def existing(path: Path) -> Iterator[Cassette | None]:
    """The cassette, or None where there is none, or an empty file (as git hands out where there was no ancestor)."""
    if path.is_file() and not path.is_symlink() and not path.stat().st_size:
        yield None
        return
    try:
        cassette = Cassette.open(path)
    except CassetteMissing:
        yield None
        return
    with cassette:
        yield cassette


def rekeyed(recording: Iterable[Kept], matcher: Matcher) -> list[Kept]:
    """The same interactions with their keys under other match rules."""
    return [Kept(kept.interaction, matcher.key(kept.interaction.call)) for kept in recording]


def write_anew(
    path: Path, recording: Sequence[Kept], settings: CassetteSettings, *, progress: Progress | None = None
) -> None:
    """Puts a recording in the place of a cassette, in canonical order. Hold the lock."""
    summaries = (
        summary_of(kept.interaction, number=number, key=kept.key, offset=0) for number, kept in enumerate(recording)
    )
    order = canonical_order(summaries)
    with replacing(os.fspath(path), REAL, replace(settings)) as fresh:
        for done, number in enumerate(order):
            fresh.append(recording[number].interaction, recording[number].key)
            if progress is not None:
                progress(done + 1, len(order))

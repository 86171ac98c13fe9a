"""The cassette that a deck records into: opened for its mode, and ended so that nothing whole is replaced by less.

Also what is known about recordings before the first call: which accounts have which numbers, how old they are, and,
under --strict, every key whose answer is right only by luck.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.cassette import CassetteSettings
from ..core.errors import CassetteDamaged, CassetteError, CassetteMissing
from ..core.matching import MatchRules
from ..core.meaning.comparison import counted
from ..core.merging.settings import ACCOUNTS, longer_memory
from ..core.rules import ScrubRules
from .files import REAL, Files
from .library import Shelf
from .store import Cassette, RewriteCassette

log = logging.getLogger("sagetape")

DAY_S = 86_400.0


def open_recorder(
    path: Path,
    *,
    replaces: bool,
    match: Mapping[str, Any],
    scrub: Mapping[str, Any],
    fallback_match: Mapping[str, Any],
    seed: int,
    durability: str,
    shared: bool = False,
    files: Files = REAL,
) -> Cassette:
    """Opens or makes the file. `replaces`: a new recording beside the old one, which takes its place in the end.
    `shared`: other processes may record into it too.

    `match` are the rules asked for (empty: the file's own, and `fallback_match` for a new file). Raises CassetteError.
    """
    fresh = CassetteSettings(
        match=MatchRules.from_dict(match or fallback_match).as_dict(), scrub=dict(scrub), seed=seed
    )
    if replaces:
        return RewriteCassette.begin(path, settings=_renewed(path, fresh, match), durability=durability, files=files)
    settings = fresh if match or not os.path.exists(path) else None  # False for what is no name, too
    is_lonely = not os.path.isdir(path.parent)
    cassette = Cassette.open(path, writable=True, settings=settings, durability=durability, shared=shared, files=files)
    if is_lonely:
        log.warning("the folder %s was not there; it was made for %s", path.parent, path.name)
    return cassette


def _renewed(path: Path, fresh: CassetteSettings, match: Mapping[str, Any]) -> CassetteSettings:
    """The header of a rewritten cassette: the old one's, so that the same answers make the same file; rules add."""
    try:
        with Cassette.open(path) as old:
            before = old.settings
    except CassetteMissing:
        return fresh
    except CassetteError:
        return fresh  # damaged: what is recorded now takes its place
    merged = ScrubRules.from_dict(before.scrub).merge(ScrubRules.from_dict(fresh.scrub)).as_dict()
    return replace(before, match=fresh.match if match else before.match, scrub=merged or before.scrub)


def close_recorder(cassette: Cassette, *, is_clean: bool) -> str | None:
    """Ends a recording; a text when something of it could not be written."""
    if isinstance(cassette, RewriteCassette) and not is_clean:
        cassette.discard()
        return (
            f"{cassette.target} was not replaced, because the run did not end well, or a part of the new recording was "
            "refused or could not be written. It is as it was. Correct what is reported above, then record again."
        )
    try:
        cassette.close()
    except CassetteError as error:
        return str(error)
    except OSError as error:
        return f"{cassette.path} could not be closed cleanly: {error}"
    return None


# --- accounts -----------------------------------------------------------------------------------------------------


def known_accounts(cassettes: Iterable[Cassette]) -> tuple[tuple[str, ...], list[str]]:
    """The memory of accounts that all cassettes share, and a warning for each that numbers them differently."""
    memory: list[str] = []
    warnings = []
    for cassette in cassettes:
        own = cassette.settings.initial.get(ACCOUNTS, [])
        if not isinstance(own, list) or not all(isinstance(one, str) for one in own):
            continue
        longer = longer_memory(memory, own)
        if longer is None:
            warnings.append(
                f"{Path(cassette.path).name} numbers foreign accounts differently from the cassettes before it; calls "
                "that name them may miss. Play it on a deck of its own."
            )
        else:
            memory = longer
    return tuple(memory), warnings


def remember_accounts(cassette: Cassette, seen: Callable[[], Sequence[str]]) -> None:
    """From now on the numbers of accounts are in the file before the first interaction that uses them."""

    def memory() -> Mapping[str, Any]:
        accounts = list(seen())
        return {ACCOUNTS: accounts} if any(accounts) else {}

    cassette.memory = memory


# --- before the first call ----------------------------------------------------------------------------------------


def damage_of(shelf: Shelf, *, is_strict: bool = False) -> list[str]:
    """A sentence for each damaged place of a deck's cassettes that is known; raises CassetteDamaged if strict."""
    found = [line for cassette in shelf.cassettes for line in cassette.report.lines() if not cassette.report.is_sound]
    if is_strict and found:
        listed = "\n".join(found)
        raise CassetteDamaged(
            f"A cassette is damaged; what is intact would still be played without --strict.\n{listed}\n"
            "Record again, restore the file, or keep what is intact: sagetape cassette compact --salvage CASSETTE"
        )
    return found


def stale(cassettes: Iterable[Cassette], max_age_s: float | None, *, now: float | None = None) -> Iterator[str]:
    """A sentence for each cassette with recordings that are older than allowed; `now` is Unix time in seconds."""
    if max_age_s is None:
        return
    limit = (time.time() if now is None else now) - max_age_s
    for cassette in cassettes:
        times = [one.recorded_at for one in cassette.summaries()]
        old = [at for at in times if at < limit]
        if old:
            share = f"{len(old)} of {counted(len(times), 'recording')} {'is' if len(old) == 1 else 'are'}"
            yield (
                f"{Path(cassette.path).name}: {share} older than {span_text(max_age_s)}, "
                f"the oldest from {day(min(old))}. "
                f"Ask whether they still hold: sagetape verify {Path(cassette.path).name} --upstream aws"
            )


def span_text(seconds: float) -> str:
    """`90 days`, `12 hours`, `30 seconds`: in the largest unit of which there is one."""
    for unit_s, name in ((DAY_S, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= unit_s:
            return f"{seconds / unit_s:g} {name}{'' if seconds == unit_s else 's'}"
    return f"{seconds:g} second{'' if seconds == 1 else 's'}"


def day(unix_s: float) -> str:
    """A date in UTC; the bare number when no calendar has it."""
    try:
        return datetime.fromtimestamp(unix_s, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{unix_s:g} s"


def repeated_keys(shelf: Shelf) -> Iterator[tuple[bytes, Sequence[int]]]:
    """Every key with several takes, over all cassettes of a deck, with their numbers. Reads no interaction."""
    seen: set[bytes] = set()
    for cassette in shelf.cassettes:
        for number in cassette.numbers():
            key = cassette.key(number)
            if key in seen:
                continue
            takes = shelf.takes(key)
            if len(takes) > 1:
                seen.add(key)
                yield key, takes

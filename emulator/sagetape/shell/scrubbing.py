"""Scrubs a cassette that was recorded before: its own rules and more, over everything that it holds.

The file is written anew, so the old bytes are gone as well. Rules only add. Refuses
rules under which two different requests become one, because a replay could not tell them apart any more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from ..core.cassette import CassetteSettings
from ..core.errors import ConfigError
from ..core.merging import Kept
from ..core.merging.settings import ACCOUNTS
from ..core.rules import ScrubRules
from ..core.scrub import Collisions, Scrubber
from ..core.secrets import Finding, Scanner
from ..core.values import valueclass
from .renewal import Progress, locked, matcher_for, read_whole, stage, write_anew
from .scanning import scanner_for
from .store import Cassette

STAGES: Final = 4  # read, scrubbed, scanned, written


@valueclass(frozen=True, slots=True)
class ScrubReport:
    """What a scrubbing did."""

    interactions: int
    changed: int
    remaining: tuple[tuple[int, Finding], ...]
    """Secrets that are still there: number of the interaction in the new file's order, and the finding."""


def scrub_cassette(
    path: Path,
    rules: ScrubRules,
    *,
    account: str | None,
    live: Sequence[str],
    target: Path | None = None,
    progress: Progress | None = None,
) -> ScrubReport:
    """Scrubs `path`, in place or into `target`. On any error, and on Ctrl-C, both are as they were."""
    where = target or path
    with locked(where), Cassette.open(path) as cassette:
        merged = ScrubRules.from_dict(cassette.settings.scrub).merge(rules)
        seen = tuple(cassette.settings.initial.get(ACCOUNTS, ()))
        scrubber = Scrubber(merged, account=account, seen=seen, everywhere=account is not None)
        old = read_whole(cassette, progress=stage(progress, 0, of=STAGES))
        new = _scrubbed(old, scrubber, cassette, stage(progress, 1, of=STAGES))
        settings = _settings(cassette.settings, merged, scrubber)
        scanner = scanner_for([cassette], live=live, allowed=merged.allowed)
        remaining = tuple(_remaining(new, scanner, stage(progress, 2, of=STAGES)))
        write_anew(where, new, settings, progress=stage(progress, 3, of=STAGES))
        changed = sum(before.interaction != after.interaction for before, after in zip(old, new, strict=True))
        return ScrubReport(len(new), changed, remaining)


def _remaining(new: Sequence[Kept], scanner: Scanner, progress: Progress | None) -> Iterator[tuple[int, Finding]]:
    for number, kept in enumerate(new):
        for finding in scanner.scan_interaction(kept.interaction):
            yield number, finding
        if progress is not None:
            progress(number + 1, len(new))


def _settings(old: CassetteSettings, rules: ScrubRules, scrubber: Scrubber) -> CassetteSettings:
    seen = list(scrubber.seen())
    initial = {**old.initial, ACCOUNTS: seen} if any(seen) else dict(old.initial)
    return replace(old, scrub=rules.as_dict(), initial=initial)


def _scrubbed(old: Sequence[Kept], scrubber: Scrubber, cassette: Cassette, progress: Progress | None) -> list[Kept]:
    matcher = matcher_for(cassette.settings.match)
    collisions, first = Collisions(), dict[bytes, int]()
    new: list[Kept] = []
    for number, kept in enumerate(old):
        call, removed = scrubber.redact(kept.interaction.call)
        interaction = replace(kept.interaction, call=call, script=scrubber.script(kept.interaction.script))
        key = matcher.key(call)
        if collisions.is_collision(key, removed):
            raise ConfigError(
                f"{cassette.path}: interactions {first[key]} and {number} differ only in what these rules remove, so a "
                "replay could not tell them apart. Nothing was changed. Narrow the rules, or delete one of the two: "
                f"sagetape cassette edit {cassette.path}"
            )
        first.setdefault(key, number)
        new.append(Kept(interaction, key))
        if progress is not None:
            progress(number + 1, len(old))
    return new

"""Merges cassette files: brings three recordings under one set of match rules, merges, writes one.

Refuses a damaged side, because what is missing from it would look like a deletion.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ..core.cassette import CassetteSettings
from ..core.matching import MatchRules
from ..core.merging import Conflict, Kept, merge
from ..core.merging.settings import merge_settings
from ..core.values import valueclass
from .renewal import Progress, existing, locked, matcher_for, read_whole, rekeyed, write_anew


@valueclass(frozen=True, slots=True)
class MergeReport:
    """What came of it."""

    interactions: int
    taken: int
    """Units that only theirs changed."""
    conflicts: Sequence[Conflict]


def merge_cassettes(
    base: Path, ours: Path, theirs: Path, *, target: Path, favor: str, progress: Progress | None = None
) -> MergeReport:
    """Merges into `target`, which is whole afterwards, conflicts or not. A missing or empty side has no recording."""
    with ExitStack() as stack:
        stack.enter_context(locked(target))
        sides = [stack.enter_context(existing(path)) for path in (base, ours, theirs)]
        recordings = [[] if side is None else read_whole(side, progress=progress) for side in sides]
        headers = [None if side is None else side.settings for side in sides]
        first = next((header for header in headers if header is not None), CassetteSettings())
        mine = headers[1] or headers[2] or first
        old, one, other = headers[0] or mine, mine, headers[2] or mine
        settings, conflicts = merge_settings(old, one, other, favor=favor)
        aligned = [
            _under(settings, recording, header or mine) for recording, header in zip(recordings, headers, strict=True)
        ]
        merged = merge(*aligned, favor=favor)
        write_anew(target, merged.recording, settings)
        return MergeReport(len(merged.recording), merged.taken_from_theirs, (*conflicts, *merged.conflicts))


def _under(settings: CassetteSettings, recording: list[Kept], own: CassetteSettings) -> list[Kept]:
    """A recording under the merged match rules."""
    if MatchRules.from_dict(own.match) == MatchRules.from_dict(settings.match):
        return recording
    return rekeyed(recording, matcher_for(settings.match))

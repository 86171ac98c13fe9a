"""Merges the headers of cassettes: rules, seed, allowed fingerprints, and what a replay needs from the recording.

Rules of scrubbing and allowed fingerprints only add, so both sides' hold. For everything else a value that one side
changed is taken, and one that both changed is a conflict, in which one side's is kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ..cassette import CassetteSettings
from ..identities import EVERYWHERE
from ..rules import ScrubRules
from .three_way import Conflict

ACCOUNTS: Final = "accounts"
"""In `initial`: `Scrubber.seen()`, the memory of which account has which number."""


def merge_settings(
    base: CassetteSettings, ours: CassetteSettings, theirs: CassetteSettings, *, favor: str = "ours"
) -> tuple[CassetteSettings, list[Conflict]]:
    """The merged header, and what both sides changed."""
    conflicts: list[Conflict] = []

    def chosen(what: str, old: Any, one: Any, other: Any) -> Any:
        if one == other or other == old:
            return one
        if one == old:
            return other
        conflicts.append(Conflict(what, "changed on both sides", favor))
        return one if favor == "ours" else other

    match = chosen("match rules", base.match, ours.match, theirs.match)
    seed = chosen("seed", base.seed, ours.seed, theirs.seed)
    initial = _initial(base.initial, ours.initial, theirs.initial, chosen)
    scrub = ScrubRules.from_dict(ours.scrub).merge(ScrubRules.from_dict(theirs.scrub)).as_dict()
    allowed = tuple(dict.fromkeys((*ours.allowed, *theirs.allowed)))
    merged = replace(ours, match=match, scrub=scrub, seed=seed, initial=initial, allowed=allowed)
    return merged, conflicts


def _initial(
    base: Mapping[str, Any], ours: Mapping[str, Any], theirs: Mapping[str, Any], chosen: Any
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in sorted({*ours, *theirs}):
        one, other = ours.get(name), theirs.get(name)
        if name == ACCOUNTS and (longer := longer_memory(one or [], other or [])) is not None:
            found[name] = longer
            continue
        value = chosen(name, base.get(name), one, other)
        if value is not None:
            found[name] = value
    return found


def longer_memory(one: list[str], other: list[str]) -> list[str] | None:
    """Of two memories of accounts the one that continues the other; None when they number accounts differently."""
    own = {memory[0].removesuffix(EVERYWHERE) for memory in (one, other) if memory and memory[0]}
    is_everywhere = any(memory and memory[0].endswith(EVERYWHERE) for memory in (one, other))
    short, long = sorted((one[1:], other[1:]), key=len)
    if len(own) > 1 or long[: len(short)] != short:
        return None
    return [next(iter(own), "") + EVERYWHERE * is_everywhere, *long] if one or other else []

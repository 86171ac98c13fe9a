"""What a verdict is judged by, read from a deck: its journal, its takes, its sessions, its cassettes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final

from ..core.guard import inspect_takes
from ..core.journal import Entry
from ..core.verdict import CassetteUse, Prices, Unvisited, Verdict, costs_of, miss_texts, unread_streams
from .decks import Player
from .library import Shelf

CALLED_SHOWN: Final = 5


def judge_deck(player: Player, prices: Prices, *, more: Iterable[str] = ()) -> Verdict:
    """The verdict of everything that was asked of a deck so far, with `more` warnings.

    Hold its lock where threads share it.
    """
    deck = player.deck
    entries = list(deck.journal.entries)
    costs = costs_of(entries, prices)
    left, damage = left_steps(player), tuple(deck.damage())
    return Verdict(
        counts=counts_of(player),
        kept=player.kept,
        cassettes=tuple(uses(player, left)),
        unread=unread_streams(entries),
        unvisited=tuple(Unvisited(lane, steps) for lane, steps in sorted(left.items())),
        open_sessions=deck.conversations.sessions.left_open(now=player.clock.now()),
        damage=damage,
        warnings=tuple(text for text in dict.fromkeys((*deck.warnings, *doubts(player), *more)) if text not in damage),
        unreached=tuple(player.unreached),
        struck=dict(deck.journal.struck),
        misses=miss_texts(deck.journal.unanswered),
        failures=(*player.secrets, *player.failures),
        seconds_saved=costs.seconds,
        money_saved=costs.money,
    )


def counts_of(player: Player) -> dict[str, int]:
    """Calls by source; what an upstream on this machine answered is `local` and not `live`.

    An upstream that was asked counts, although its answer has not ended.
    """
    journal = player.deck.journal
    counts = dict(journal.counts)
    under_way = sum(1 for entry in journal.entries if not entry.source and entry.upstream)
    if under_way:
        counts["live"] = counts.get("live", 0) + under_way
    live = [entry.upstream for entry in journal.entries if entry.source in ("", "live") and entry.upstream]
    local = sum(1 for source in live if is_local(player, source))
    if local:
        counts["local"] = local
        counts["live"] -= local
    return {source: count for source, count in counts.items() if count}


def source_of(player: Player, entry: Entry) -> str:
    """Where one answer comes from, as `counts_of` counts it."""
    return "local" if entry.source == "live" and is_local(player, entry.upstream) else entry.source


def unstruck(player: Player) -> Iterator[str]:
    """Faults that name an endpoint which nobody called, where others were called: a sentence each.

    For a deck with rules of its own; those of a server are meant for all its decks.
    """
    called = sorted({entry.endpoint for entry in player.deck.journal.entries if entry.endpoint})
    for tally in player.deck.faults.tallies.values():
        wanted = tally.rule.selector.endpoint
        if called and wanted is not None and not any(fnmatchcase(name, wanted) for name in called):
            yield (
                f"fault {tally.rule.fault} for endpoint {wanted!r} never struck; the endpoints called were "
                f"{', '.join(called[:CALLED_SHOWN])}"
            )


def is_local(player: Player, source: str) -> bool:
    """Whether an answer's source is on this machine."""
    return source.startswith("function:") or ("://" in source and not player.deck.is_remote(source))


def left_steps(player: Player) -> dict[str, tuple[int, ...]]:
    """Steps of recorded sessions that were not played, by lane. A deck that only records has none."""
    if not player.deck.settings.mode.plays:
        return {}
    counts = [held_before(player, which) for which in range(len(player.shelf.cassettes))]
    known = {
        mark.lane
        for number, _, mark in player.shelf.in_sessions()
        if number // len(counts) < counts[number % len(counts)]
    }
    found = player.deck.conversations.unvisited()
    return {lane: steps for lane, steps in found.items() if steps and lane in known}


def uses(player: Player, left: Mapping[str, tuple[int, ...]]) -> Iterator[CassetteUse]:
    """How much of each cassette was played; nothing to say of one that is only recorded into."""
    if not player.deck.settings.mode.plays:
        return
    for which, cassette in enumerate(player.shelf.cassettes):
        count = held_before(player, which)
        if cassette is player.cassette and not count:
            continue
        played = tuple(number for number in played_numbers(player, which, left) if number < count)
        yield CassetteUse(str(cassette.path), count, played)


def held_before(player: Player, which: int) -> int:
    """Interactions that a cassette held before this run: what is recorded now cannot have been played."""
    cassette = player.shelf.cassettes[which]
    return len(cassette) - player.kept if cassette is player.cassette else len(cassette)


def played_numbers(player: Player, which: int, left: Mapping[str, tuple[int, ...]]) -> Iterator[int]:
    """The interactions of one cassette that answered, in recorded order."""
    deck, shelf = player.deck, player.shelf
    for summary in shelf.cassettes[which].summaries():
        mark = summary.session
        if mark is not None:
            if mark.step not in left.get(mark.lane, ()):
                yield summary.number
        elif is_served(deck.takes.served(summary.key), shelf, summary.key, number_of(shelf, which, summary.number)):
            yield summary.number


def is_served(turns: int, shelf: Shelf, key: bytes, number: int) -> bool:
    """Whether an interaction is among the first `turns` takes of its key."""
    return bool(turns) and number in list(shelf.takes(key))[:turns]


def number_of(shelf: Shelf, which: int, place: int) -> int:
    """The number by which a deck knows an interaction of one of its cassettes."""
    return place * len(shelf.cassettes) + which


def doubts(player: Player) -> Iterator[str]:
    """The wrong-answer guard's sentences on the takes that answered."""
    deck, shelf = player.deck, player.shelf
    if not deck.settings.mode.plays:
        return
    for key in dict.fromkeys(summary.key for cassette in shelf.cassettes for summary in cassette.summaries()):
        takes = shelf.takes(key)
        if len(takes) > 1 and deck.takes.served(key):
            for finding in inspect_takes([shelf.read(number) for number in takes], matcher=deck.matcher):
                yield finding.text

"""Puts a server's parts together from its settings: upstreams, cassettes, decks. Opens files; connects to nothing."""

from __future__ import annotations

import logging
import secrets
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from ..core.cassette import Rekey
from ..core.chance import Chances
from ..core.deck import Deck, DeckSettings
from ..core.matching import Matcher, MatchRules
from ..core.modes import MODES, Mode, mode_for
from ..core.routing import Router
from ..core.rules import ScrubRules
from ..core.scrub import Scrubber
from ..core.secrets import Scanner
from ..core.unwrap import find_zstd
from ..version import __version__
from . import upstreams
from .authorities import check_authorities
from .clock import Clock, RealClock, VirtualClock
from .custom import matcher_with, named_in
from .decks import DEFAULT, Decks, Player
from .files import REAL, Files
from .library import Shelf
from .recorders import close_recorder, damage_of, known_accounts, open_recorder, remember_accounts, repeated_keys, stale
from .settings import ACCOUNT, ServerSettings
from .store import Cassette, CassetteSettings
from .store.group_commit import GroupCommit
from .upstreams.upstream import Upstream

log = logging.getLogger("sagetape")

STRICT_TOLD: Final = "error: under --strict this run plays on and ends with 3"
"""What stands before a doubt that is known at start and fails the run."""

SEED_MAX: Final = 2**32  # a drawn seed fits on a line and in every language's integers


@dataclass(slots=True)
class Assembly:
    """What a server holds besides its sockets. `close` gives everything back."""

    settings: ServerSettings
    live_secrets: tuple[str, ...] = ()
    """Credentials of this process, looked for in every record before it is written."""
    files: Files = REAL
    """What cassettes are read and written through."""
    groups_syncs: bool = False
    """Whether answers wait together for one sync, on a loop that is never held up; else each write syncs at once."""
    seed: int = 0
    is_abandoned: bool = False
    """The run is ending badly (Ctrl-C, a failed command, an exception): no recording takes the place of an old one."""
    decks: Decks = field(init=False)
    _upstreams: dict[tuple[str, ...], Upstream] = field(default_factory=dict)
    _played: tuple[Cassette, ...] = ()
    _recorders: list[Cassette] = field(default_factory=list)

    def __post_init__(self) -> None:
        given = self.settings.seed
        self.seed = secrets.randbelow(SEED_MAX) if given is None else given
        if self.settings.upstream_ca is not None:
            check_authorities(self.settings.upstream_ca)
        self._played = tuple(Cassette.open(path, files=self.files) for path in self.settings.cassettes)
        self.decks = Decks(self._first_player)
        for spec in self.settings.upstreams():
            self.find_upstream((spec,))  # a wrong specification is found now, not at the first request

    # --- upstreams ---

    def find_upstream(self, chain: tuple[str, ...]) -> Upstream:
        """The upstream for a chain of specifications; opened once, shared by all decks."""
        found = self._upstreams.get(chain)
        if found is None:
            options = upstreams.Settings(
                folder=self.settings.python_path,
                allowed_hosts=frozenset(self.settings.allowed_upstreams),
                ca_file=str(self.settings.upstream_ca) if self.settings.upstream_ca else None,
            )
            spec: str | tuple[str, ...] = chain[0] if len(chain) == 1 else chain
            found = self._upstreams[chain] = upstreams.parse_upstream(spec, options)
        return found

    def is_remote(self, spec: str) -> bool:
        """Whether a specification leads off this machine."""
        return self.find_upstream((spec,)).is_remote

    # --- decks ---

    def _first_player(self, name: str) -> Player:
        return self.make_player(name, self.settings)

    def make_player(self, name: str, settings: ServerSettings) -> Player:
        """A deck with settings of its own over the server's cassettes and upstreams."""
        recorder = self._open_recorder(name, settings.mode) if settings.record_to is not None else None
        mode = self._mode(recorder, settings)
        shelf = self._shelf(recorder)
        scrub_rules = self._scrub_rules(shelf)
        clock = clock_of(settings.clock)
        seen, warnings = known_accounts(shelf.cassettes)
        scrubber = Scrubber(scrub_rules, account=None if settings.account == ACCOUNT else settings.account, seen=seen)
        if recorder is not None:
            remember_accounts(recorder, scrubber.seen)
        deck = Deck(
            name=name,
            settings=deck_settings(mode, settings, shelf),
            library=shelf,
            matcher=self._matcher(shelf),
            scrubber=scrubber,
            router=Router(settings.endpoints.values(), is_virtual=clock.is_virtual),
            chances=Chances(self.seed if settings.seed is None else settings.seed),
            is_remote=self.is_remote,
        )
        if recorder is not None:
            deck.newcomers.library = Shelf([recorder])  # the shelf of what is played may be without a new file
        for rule in settings.faults:
            deck.faults.add(rule)
        damage = damage_of(shelf, is_strict=settings.strict)
        deck.damage = lambda: damage_of(shelf)
        for text in (*warnings, *damage, *doubts(deck, shelf, settings)):
            deck.warnings[text] = 1
            log.warning("%s: %s", STRICT_TOLD if settings.strict else "warning", text)
        scanner = None
        if mode.keeps:
            allowed = frozenset(mark for cassette in shelf.cassettes for mark in cassette.settings.allowed)
            scanner = Scanner(self.live_secrets, allowed=allowed | set(scrub_rules.allowed), zstd=find_zstd())
        return Player(
            deck,
            clock,
            self.find_upstream,
            shelf,
            cassette=recorder,
            scanner=scanner,
            commit=self._commit(recorder),
            skew_s=settings.skew_s,
        )

    def _commit(self, recorder: Cassette | None) -> GroupCommit | None:
        if recorder is None or not self.groups_syncs or self.settings.durability != "sync":
            return None
        return GroupCommit(recorder)

    async def retire(self, name: str) -> None:
        """Forgets a deck, and closes the file that it alone recorded into."""
        player = self.decks.get(name)
        self.decks.remove(name)
        await player.settle()
        if player.cassette is not None:
            self._recorders.remove(player.cassette)
            failure = close_recorder(player.cassette, is_clean=is_clean(player))
            if failure is not None:
                self.decks.past.failures.append(failure)

    def _mode(self, recorder: Cassette | None, settings: ServerSettings) -> Mode:
        if settings.is_replay and settings.mode == "none":
            return mode_for("replay", had_recordings=True)
        had = any(len(cassette) for cassette in (*self._played, *([recorder] if recorder is not None else [])))
        return mode_for(settings.mode, had_recordings=had)

    # --- cassettes ---

    def _open_recorder(self, deck: str, mode: str) -> Cassette | None:
        """The cassette that a deck records into: the server's, or for a named deck one beside it."""
        path = self.settings.record_to
        if path is None:
            return None
        if deck != DEFAULT:
            path = path.with_name(f"{path.stem}.{deck}{path.suffix}")
        recorder = open_recorder(
            path,
            replaces=mode in MODES and MODES[mode].replaces,
            match=self.settings.match,
            scrub=self.settings.scrub,
            fallback_match=self._first_rules(),
            seed=self.seed,
            durability="disk" if self.settings.durability == "sync" else "cache",
            shared=self.settings.shared,
            files=self.files,
        )
        self._recorders.append(recorder)
        return recorder

    def _first_rules(self) -> Mapping[str, Any]:
        return self._played[0].settings.match if self._played else {}

    def _shelf(self, recorder: Cassette | None) -> Shelf:
        """The cassettes of a deck under one set of rules; those recorded under others get new keys, in memory."""
        cassettes = (*self._played, *([recorder] if recorder is not None else []))
        if not cassettes:
            return Shelf(())
        rules = dict(self.settings.match) or dict(cassettes[0].settings.match)
        wanted = MatchRules.from_dict(rules).as_dict()
        shelved = []
        for cassette in cassettes:
            if MatchRules.from_dict(cassette.settings.match).as_dict() != wanted and cassette is not recorder:
                matcher = self._matcher_of(wanted)
                header = CassetteSettings(match=wanted)
                cassette = Cassette.open(cassette.path, settings=header, rekey=rekey_with(matcher), files=self.files)
            shelved.append(cassette)
        return Shelf(shelved)

    def _matcher(self, shelf: Shelf) -> Matcher:
        given = self.settings.match or (shelf.cassettes[0].settings.match if shelf.cassettes else {})
        return self._matcher_of(given)

    def _matcher_of(self, rules: Mapping[str, Any]) -> Matcher:
        """The matcher of rules. Functions that only a cassette names are refused."""
        allowed = {*self.settings.allowed_custom, *named_in(self.settings.match)}
        return matcher_with(MatchRules.from_dict(rules), self.settings.python_path, allowed=allowed)

    def _scrub_rules(self, shelf: Shelf) -> ScrubRules:
        """The settings' rules and those of every cassette: rules only add."""
        rules = ScrubRules.from_dict(self.settings.scrub)
        for cassette in shelf.cassettes:
            rules = rules.merge(ScrubRules.from_dict(cassette.settings.scrub))
        return rules

    # --- the end ---

    async def close(self) -> list[str]:
        """Ends what goes on without a client, writes indexes, closes files; returns what could not be written."""
        for player in self.decks:
            await player.settle()
        failures = []
        unclean = [player.cassette for player in self.decks if not is_clean(player)]
        for cassette in (*self._recorders, *self._played):
            is_whole = not self.is_abandoned and not any(cassette is one for one in unclean)
            failure = close_recorder(cassette, is_clean=is_whole)
            if failure is not None:
                failures.append(failure)
        for upstream in self._upstreams.values():
            await upstream.close()
        return failures


def shown_path(path: str) -> str:
    """A cassette as a command of the working folder finds it."""
    found, here = Path(path).absolute(), Path.cwd()
    return shlex.quote(str(found.relative_to(here) if found.is_relative_to(here) else found))


def deck_settings(mode: Mode, settings: ServerSettings, shelf: Shelf) -> DeckSettings:
    """What a deck is told of the server's settings."""
    return DeckSettings(
        mode=mode,
        miss_policy=settings.miss_policy,
        miss_function=None if settings.miss_function is None else f"function:{settings.miss_function}",
        exhausted=settings.exhausted,
        record_errors=settings.record_errors,
        speed=settings.speed,
        upstream=settings.upstream,
        closed_world=bool(settings.endpoints) and not settings.upstream,
        version=__version__,
        record_command=settings.record_command,
        paths={Path(one.path).name: shown_path(one.path) for one in shelf.cassettes},
        is_seeded=settings.seed is not None,
    )


def rekey_with(matcher: Matcher) -> Rekey:
    """Gives interactions their keys under a matcher's rules."""
    return lambda interaction: matcher.key(interaction.call)


def is_clean(player: Player) -> bool:
    """Whether everything that should be kept was."""
    return not player.secrets and not player.failures and not player.unreached


def doubts(deck: Deck, shelf: Shelf, settings: ServerSettings) -> list[str]:
    """What is doubtful before the first call: recordings that are too old; under --strict every key is looked at."""
    found = list(stale(shelf.cassettes, settings.max_age_s))
    if settings.strict and deck.settings.mode.plays:
        found += [text for key, takes in repeated_keys(shelf) for text in deck.guard.look(key, takes)]
    return found


def clock_of(text: str) -> Clock:
    """The clock that `real`, `virtual` or an ISO time stands for."""
    if text == "real":
        return RealClock()
    return VirtualClock(None if text == "virtual" else datetime.fromisoformat(text).timestamp())

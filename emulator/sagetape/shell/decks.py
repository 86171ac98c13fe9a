"""Decks as the shell has them: each with its clock, its upstreams and the file it records into.

A deck is chosen by a prefix of the path, `/deck/<name>`; without one it is `default`. The first use of a name makes the
deck from the server's defaults. What a deck decides is `core/deck.py`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ..core.deck import Deck, Forward, Kept
from ..core.deck_names import NAME
from ..core.errors import CallerError, CassetteError, compact_json
from ..core.journal import Entry
from ..core.keeping import failure_of
from ..core.secrets import Scanner
from ..core.wire import Script, Step
from .clock import Clock
from .library import Shelf
from .player import Dates
from .store import Cassette
from .store.group_commit import GroupCommit
from .upstreams.upstream import NothingHere, Upstream

log = logging.getLogger("sagetape")

ADMIN_PREFIX: Final = b"/_sagetape/"
DECK_PREFIX: Final = b"/deck/"
DEFAULT: Final = "default"
DECKS_MAX: Final = 1000  # names come from requests: without a bound they are a way to fill the memory
FAILURES_MAX: Final = 50  # different reasons that are told apart: some quote what a broken server said
FAILURE_CHARS: Final = 500  # of one of them


def split_deck(path: bytes) -> tuple[str, bytes]:
    """The deck's name and AWS's own path behind the prefix."""
    if not path.startswith(DECK_PREFIX):
        return DEFAULT, path
    name, slash, rest = path[len(DECK_PREFIX) :].partition(b"/")
    return name.decode("latin-1"), slash + rest


@dataclass(slots=True)
class Player:
    """A deck, and what it needs to wait and to write."""

    deck: Deck
    clock: Clock
    find_upstream: Callable[[tuple[str, ...]], Upstream]
    shelf: Shelf
    cassette: Cassette | None = None
    """Where new interactions are kept."""
    scanner: Scanner | None = None
    commit: GroupCommit | None = None
    """With durability `sync` on a server: what answers wait for before they leave."""
    in_flight: int = 0
    kept: int = 0
    secrets: list[str] = field(default_factory=list)
    """Findings that kept an interaction off the disk; the run ends with 7."""
    withheld: int = 0
    """Answers with such findings: a finding is told at its first, all are counted."""
    failures: list[str] = field(default_factory=list)
    """Interactions that could not be written; the run ends with 6."""
    unreached: Counter[str] = field(default_factory=Counter)
    """Why upstreams gave no answer, a sentence each, and for how many calls; a run under `exec` ends with 5."""
    is_expected: bool = True
    """Made by configuration or by the admin API, not by a request's path alone."""
    skew_s: float = 0.0
    """How far the signature window and `Date` are ahead of the wall clock, which they follow otherwise."""
    dates: Dates | None = None
    """Of this deck alone; None: the server's."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.skew_s:
            self.dates = Dates(lambda: time.time() + self.skew_s)

    def keep(self, forward: Forward, script: Script, *, source: str, synthetic: bool) -> Script:
        """Reports an answer to the deck and writes what it wants kept; the answer as the client gets it.
        On return it is in the file.

        A write that fails costs the recording, never the client's answer: the log and the exit code tell.
        """
        self.note_failure(failure_of(script))
        done = self.deck.complete(forward, script, now=self.clock.now(), source=source, synthetic=synthetic)
        if done.kept is not None:
            self.write(done.kept, forward.entry)
        return done.script

    def note_failure(self, failure: str) -> None:
        """Counts a call that its upstream did not answer; the log says each reason once."""
        if not failure:
            return
        text = failure[:FAILURE_CHARS]
        if len(self.unreached) >= FAILURES_MAX and text not in self.unreached:
            text = "upstreams gave no answer in further ways"
        if text not in self.unreached:
            log.warning("%s", text)
        self.unreached[text] += 1

    def write(self, kept: Kept, entry: Entry) -> None:
        """Writes one interaction, unless it holds a secret."""
        cassette = self.cassette
        if cassette is None:
            return
        if self.scanner is not None:
            findings = self.scanner.scan_interaction(kept.interaction)
            if findings:
                entry.kept = False
                self.withheld += 1
                self.secrets += [f"{f.kind} in {f.place} (fingerprint {f.fingerprint})" for f in findings]
                for finding in findings:
                    log.error(
                        "not recorded: %s in %s of %s. Have it removed by a rule of scrub (headers, json_paths, "
                        'patterns), or, if it is no secret, write there: allowed = ["%s"]. For a server that is '
                        "[scrub] in sagetape.toml, in Python scrub={...}.",
                        finding.kind,
                        finding.place,
                        kept.interaction.call.endpoint,
                        finding.fingerprint,
                    )
                return
        try:
            cassette.append(kept.interaction, kept.key)
            if self.commit is None:
                cassette.sync()  # at once; nothing to do unless the durability is `disk`
            self.kept += 1
            self.shelf.recorded(kept.interaction.call.endpoint)
            if doubt := self.deck.recorded(kept.key):
                log.warning("warning: %s", doubt)
        except CassetteError as error:
            self._fail(entry, error)

    async def committed(self, entry: Entry) -> None:
        """Returns when what was written for a call is as durable as it is to be: its answer may leave then.

        A sync that fails costs the recording, as a write that fails does, and is never tried again.
        """
        if self.commit is None or not entry.kept:
            return
        try:
            await self.commit.committed()
        except CassetteError as error:
            self.kept -= 1
            self._fail(entry, error)

    def _fail(self, entry: Entry, error: CassetteError) -> None:
        entry.kept = False
        self.failures.append(str(error))
        log.error("answered but not recorded: %s", error)

    def nothing(self, forward: Forward, nothing: NothingHere) -> Script:
        """What the client gets when no upstream had an answer."""
        if nothing.instead is not None:
            return self.keep(forward, nothing.instead, source="none", synthetic=False)
        return self.deck.missed(forward, reason=nothing.reason).script

    def drain(self, steps: AsyncIterator[Step]) -> None:
        """Reads on when the client has left, so that what the upstream says is kept."""
        self.go_on(_exhaust(steps))

    def go_on(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that no client waits for; `settle` does."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an answer without a client ended with an error, and is not recorded: %r", error)

    async def settle(self, *, within_s: float | None = None) -> None:
        """Waits for the readings that go on without a client; cuts off those that take longer than `within_s`."""
        while self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within_s)
            for task in late:
                log.warning("an answer without a client had not ended: it is cut off, and not recorded")
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            await asyncio.sleep(0)  # the callbacks that forget ended tasks
        if self.commit is not None:
            await self.commit.settle()


async def _exhaust(steps: AsyncIterator[Step]) -> None:
    async for _ in steps:
        pass


@dataclass(slots=True)
class Past:
    """What decks that are no more amounted to: they still count for the server's summary and exit code."""

    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    kept: int = 0
    secrets: list[str] = field(default_factory=list)
    withheld: int = 0
    failures: list[str] = field(default_factory=list)
    unreached: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    damage: dict[str, None] = field(default_factory=dict)
    """Sentences about damaged cassettes, each once however many decks share the file."""
    unexpected: list[str] = field(default_factory=list)

    def add(self, player: Player) -> None:
        """Takes over what a deck counted."""
        self.answers.update(player.deck.journal.answers)
        self.kept += player.kept
        self.secrets += player.secrets
        self.withheld += player.withheld
        self.failures += player.failures
        self.unreached.update(player.unreached)
        self.struck.update(player.deck.journal.struck)
        self.warnings.update(player.deck.warnings)
        self.damage.update(dict.fromkeys(player.deck.damage()))
        if not player.is_expected:
            self.unexpected.append(player.deck.name)


class Decks:
    """All decks of a server, by name. `make` builds one on first use."""

    def __init__(self, make: Callable[[str], Player], *, decks_max: int = DECKS_MAX) -> None:
        self._make = make
        self._decks_max = decks_max
        self._players: dict[str, Player] = {}
        self._announced: set[str] = {DEFAULT}
        self.past = Past()

    def get(self, name: str) -> Player:
        """The deck of that name. Raises CallerError for a name that is none, and when there are too many."""
        player = self._players.get(name)
        return player if player is not None else self._first(name)

    def known(self, name: str) -> Player | None:
        """The deck of that name, if it was used before; none is made."""
        return self._players.get(name)

    def add(self, name: str, player: Player) -> None:
        """A deck made on purpose."""
        self._players[name] = player

    def announce(self, name: str) -> None:
        """A program that holds the server will use this name: its first request is no surprise."""
        self._announced.add(name)

    def is_expected(self, name: str) -> bool:
        """Whether the name is in use, or a program announced it."""
        return name in self._players or name in self._announced

    def remove(self, name: str) -> None:
        """Forgets a deck but for what it counted; the next use of its name makes a new one."""
        player = self._players.pop(name, None)
        if player is not None:
            self.past.add(player)

    def skew_s(self, name: str) -> float:
        """A deck's skew; 0 for one that is not there yet. A request whose signature is not verified makes none."""
        player = self._players.get(name)
        return 0.0 if player is None else player.skew_s

    def check(self, name: str) -> None:
        """Raises CallerError for a name that is none, and when there are too many decks for one more."""
        if NAME.fullmatch(name) is None:
            raise _refusal(f"{name[:100]!r} is no name for a deck: use letters, digits, dots, dashes, underscores.")
        if len(self._players) >= self._decks_max:
            raise _refusal(f"There are {self._decks_max} decks already. Remove some: DELETE /_sagetape/decks/<name>.")

    def __iter__(self) -> Iterator[Player]:
        return iter(list(self._players.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._players

    def names(self) -> Iterable[str]:
        """The names in use, oldest first."""
        return list(self._players)

    def _first(self, name: str) -> Player:
        self.check(name)
        if name == DEFAULT:
            player = self._make(name)  # at start, where what is wrong ends the server
        else:
            try:
                player = self._make(name)
            except CassetteError as error:
                raise _refusal(f"Deck {name} cannot record: {error}") from None
            player.is_expected = name in self._announced
            if not player.is_expected:
                log.warning("deck %s was made by a request's path; nothing had announced it", name)
        self._players[name] = player
        return player


def _refusal(text: str) -> CallerError:
    return CallerError(400, "SagetapeDeck", compact_json({"Message": text}))

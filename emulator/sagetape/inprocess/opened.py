"""A deck that Python code holds open: its cassettes, its player, its loop for upstreams, and the way back.

One class serves `attach`, `Emulator` and the pytest plugin, so that a call gets the same answer whichever way it came.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any, Final

from ..core.errors import SagetapeError
from ..core.faults.selection import Rule
from ..core.journal import Entry
from ..core.verdict import Prices, Verdict
from ..shell.assembly import Assembly
from ..shell.clock import VirtualClock
from ..shell.decks import DEFAULT
from ..shell.evidence import judge_deck, source_of, unstruck
from ..shell.model import load_service
from ..shell.settings import ServerSettings
from .keyword_values import advanced
from .keywords import fault_from
from .loops import BackgroundLoop, Loop, finish
from .requests import SeenRequest
from .shared import share, shared_deck
from .streams import LEFT_LIMIT_S, Streams

log = logging.getLogger("sagetape")

LATE: Final = (
    "Make the client inside each test or in a function-scoped fixture, or give the tests one deck: "
    '@pytest.mark.sagetape(scope="module").'
)
"""What is to be done about a client that outlives its deck."""


class ForkedDeck(SagetapeError):
    """A deck was asked in a process that was forked while it was open."""

    exit_code = 1


class DeckClosed(SagetapeError):
    """A client outlived the deck that answers it."""

    exit_code = 1


class OpenDeck:
    """An open deck. `close` gives everything back; closing twice does no harm.

    `loop` is where upstreams are waited for: the loop of a server that shows the same deck, else one of its own.
    `owner` names the test, or whatever opened it, in messages.
    """

    def __init__(
        self,
        settings: ServerSettings,
        *,
        loop: Loop | None = None,
        live_secrets: tuple[str, ...] = (),
        owner: str = "",
    ) -> None:
        self.settings = settings
        self.owner = owner
        self.assembly = Assembly(settings, live_secrets=live_secrets)
        self.player = share(self.assembly.decks.get(DEFAULT))
        self.assembly.decks.add(DEFAULT, self.player)
        self.deck = shared_deck(self.player)
        self.loop: Loop = loop or BackgroundLoop()
        self.service = load_service()
        self.streams = Streams()
        self.url: str | None = None
        """Where a server shows this deck; None when none does."""
        self.prices = Prices()
        self.pid = os.getpid()
        self.on_late: Callable[[], object] = lambda: None
        """Called when a client calls, or reads on, after the end."""
        self._verdict: Verdict | None = None
        self._failures: list[str] = []
        self._is_closed = False

    # --- what happened ---

    @property
    def seed(self) -> int:
        """Of everything random; give it as `seed=` to have the same again."""
        return self.assembly.seed

    @property
    def journal(self) -> list[Entry]:
        """What happened to each request, oldest first."""
        self.check_process()
        with self.deck.lock:
            return list(self.deck.journal.entries)

    @property
    def misses(self) -> list[Entry]:
        """The requests that nothing answered; `detail` is the whole explanation."""
        self.check_process()
        with self.deck.lock:
            return list(self.deck.journal.unanswered)

    @property
    def requests(self) -> list[SeenRequest]:
        """The requests themselves, oldest first."""
        self.check_process()
        with self.deck.lock:
            return [
                SeenRequest.of(seen.call, seen.entry, source=source_of(self.player, seen.entry))
                for seen in self.deck.seen
            ]

    @property
    def forgotten_count(self) -> int:
        """Requests that were asked before those that `requests` gives: the last 10,000, with 128 MiB of bodies."""
        return self.deck.seen.dropped

    @property
    def failures(self) -> list[str]:
        """What could not be written, and secrets that were kept off the disk."""
        return [*self.player.secrets, *self.player.failures, *self._failures]

    def verdict(self, prices: Prices | None = None) -> Verdict:
        """What the calls so far amount to. `prices` is the cost of one call by endpoint."""
        self.check_process()
        if self._verdict is not None and prices is None:
            return self._verdict
        with self.deck.lock:
            return judge_deck(self.player, prices or self.prices, more=unstruck(self.player))

    # --- what shall happen ---

    def advance(self, seconds: float) -> float:
        """Moves the virtual clock ahead; the new Unix time. Raises ConfigError when the clock is real."""
        self.check_process()
        return advanced(self.player.clock, seconds, owner="This deck")

    def fault(self, fault: str | dict[str, Any], **parameters: Any) -> Rule:
        """Adds a fault: `"throttle:endpoint=churn,count=2"`, or a name with keywords. Raises ConfigError."""
        self.check_process()
        rule = fault_from(fault, parameters)
        with self.deck.lock:
            return self.deck.faults.add(rule)

    def clear_faults(self) -> None:
        """Takes every fault back."""
        self.check_process()
        with self.deck.lock:
            self.deck.faults.clear()

    def reset(self) -> None:
        """As if nothing had been asked yet."""
        self.check_process()
        self.deck.reset()

    # --- waiting ---

    def wait(self, seconds: float) -> None:
        """Lets seconds pass on the deck's clock: none at all on a virtual one, unless it is frozen."""
        clock = self.player.clock
        if not isinstance(clock, VirtualClock):
            time.sleep(seconds)
        elif clock.is_frozen:
            self.loop.run(clock.sleep(seconds))

    def check_open(self) -> None:
        """Raises DeckClosed after the end, and ForkedDeck in a forked child: what it asks would be seen by nobody."""
        if self._is_closed:
            self.on_late()
            raise self.closed_error()
        self.check_process()

    def check_process(self) -> None:
        """Raises ForkedDeck in a forked child, which has a copy of the deck."""
        if os.getpid() != self.pid:
            whose = f" of {self.owner}" if self.owner else ""
            raise ForkedDeck(
                f"The deck{whose} was opened by process {self.pid}; this is process {os.getpid()}, forked from it: "
                "what happens there is not seen here; its calls would be missing from the journal and the cassette. "
                "A server can be called from both: let the child make its own client from the environment of the "
                "`sagetape` fixture or of an Emulator, or call sagetape.attach() again in the child. Read the journal, "
                "advance the clock and add faults in the parent."
            )

    def closed_error(self) -> DeckClosed:
        """What a client is told that outlives the deck."""
        return DeckClosed(
            f"This client was made for the deck of {self.owner or 'another caller'}, which is closed. {LATE}"
        )

    # --- the end ---

    def close(self) -> list[str]:
        """Writes and closes; what could not be written. The verdict stays readable."""
        if self._is_closed or os.getpid() != self.pid:
            return self.failures
        self._is_closed = True
        self.streams.end(within_s=LEFT_LIMIT_S)
        # What goes on without its client belongs to the verdict.
        finish(self.player.settle(within_s=LEFT_LIMIT_S), self.loop)
        self._note_unended()
        self._verdict = self.verdict()
        self._failures += finish(self.assembly.close(), self.loop)
        if isinstance(self.loop, BackgroundLoop):
            self.loop.close()
        return self.failures

    def _note_unended(self) -> None:
        """Says which answers were to be recorded, and were still on their way when nobody waited any longer."""
        if not self.settings.is_recording:
            return
        for entry in self.journal:
            if not entry.source and entry.upstream:
                text = (
                    f"An answer of {entry.endpoint} ({entry.operation}) had not come to its end when its deck was "
                    "closed: the call was made, and is not recorded. Read the answer to its end inside the test or "
                    "block, and record again."
                )
                self._failures.append(text)
                log.error("%s", text)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

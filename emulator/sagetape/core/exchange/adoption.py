"""Takes foreign recordings in as if they were recorded now: sessions, scrubbing, keys, collisions.

Decides nothing itself: a deck in the mode `all` sees every call and every answer in their order, and what it wants kept
is what a recording would have kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..chance import Chances
from ..deck import Deck, DeckSettings, Forward
from ..library import Take
from ..matching import Matcher
from ..modes import MODES
from ..routing import Router
from ..scrub import Scrubber
from ..wire import Call, Interaction, SessionMark, head_of
from .choices import Choices
from .found import Found, Skipped

Adopted = tuple[Interaction, bytes]
"""An interaction as it is stored, and its key."""


class NoRecordings:
    """The library of a deck that plays nothing."""

    def takes(self, key: bytes) -> Sequence[int]:
        return ()

    def read(self, number: int) -> Take:
        raise LookupError(f"there is no interaction {number}")

    def has_endpoint(self, endpoint: str) -> bool:
        return False

    def nearest(self, operation: str, endpoint: str) -> Iterable[Take]:
        return ()

    def in_sessions(self) -> Iterable[tuple[int, bytes, SessionMark]]:
        return ()

    def __len__(self) -> int:
        return 0


@dataclass(slots=True)
class Adopter:
    """One import under way. `source` becomes the provenance; `now` stands for a time that is not known."""

    matcher: Matcher
    scrubber: Scrubber
    choices: Choices
    source: str
    version: str
    now: Callable[[], float]
    _deck: Deck | None = None

    def adopt(self, found: Found, where: str) -> Adopted | Skipped:
        """What is stored of one call, or why nothing is."""
        if found.recorded is not None:
            return self._ours(found.recorded)
        call = self._completed(found)
        deck = self._deck or self._open()
        at = self.now() if found.at is None else found.at
        decided = deck.decide(call, now=at)
        if not isinstance(decided, Forward):
            return Skipped(where, decided.entry.detail or f"refused: {decided.entry.code}")
        before = dict(deck.warnings)
        done = deck.complete(decided, found.script, now=at, source=self.source, synthetic=found.synthetic)
        if done.kept is None:
            return Skipped(where, _why_not(found, deck.warnings, before))
        return done.kept.interaction, done.kept.key

    def _ours(self, one: Interaction) -> Adopted:
        scrubbed = self.scrubber.interaction(one)
        return scrubbed, self.matcher.key(scrubbed.call)

    def _completed(self, found: Found) -> Call:
        given = {name: value for name, value in self.choices.members.items() if name not in found.call.members}
        return replace(found.call, members={**found.call.members, **given}) if given else found.call

    def _open(self) -> Deck:
        # An upstream called `aws` keeps its sessions itself, so unknown ids pass as they did when this was recorded.
        settings = DeckSettings(mode=MODES["all"], upstream=("aws",), version=self.version, record_errors=True)
        self._deck = Deck(
            name="import",
            settings=settings,
            library=NoRecordings(),
            matcher=self.matcher,
            scrubber=self.scrubber,
            router=Router(),
            chances=Chances(0),
            is_remote=lambda spec: True,
        )
        return self._deck


def _why_not(found: Found, after: dict[str, int], before: dict[str, int]) -> str:
    said = [text for text, count in after.items() if count > before.get(text, 0)]
    head = head_of(found.script)
    code = head.header("x-amzn-ErrorType") if head is not None else None
    return said[0] if said else f"an error about the recorder's own credentials ({(code or 'no answer').split(':')[0]})"

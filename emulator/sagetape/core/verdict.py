"""What the calls of one test, or of one run, amount to: hit, partial, miss or live, and what was left over.

Counts and words only; the evidence is gathered by whoever holds the deck, and printed by `core/reports/`. A verdict is
plain data, so that it travels between processes (`as_dict`, `from_dict`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, field, fields
from typing import Any, Final

from .journal import UNANSWERED, Entry
from .values import valueclass

SHOWN_MAX: Final = 20  # details of one kind in a verdict; the counts are always whole
TEXT_MAX: Final = 4_000  # characters of one miss


@valueclass(frozen=True, slots=True)
class Prices:
    """What one call costs, by endpoint; `default` for the others. In whatever currency the user counts."""

    by_endpoint: Mapping[str, float] = field(default_factory=dict)
    default: float = 0.0

    def of(self, endpoint: str) -> float:
        """The price of one call to an endpoint."""
        return self.by_endpoint.get(endpoint, self.default)


@valueclass(frozen=True, slots=True)
class CassetteUse:
    """How much of one cassette was played. `total` counts what it held before the run."""

    path: str
    total: int
    played: tuple[int, ...] = ()
    """Numbers of the interactions that answered."""

    @property
    def unplayed_count(self) -> int:
        return self.total - len(self.played)


@valueclass(frozen=True, slots=True)
class Unread:
    """A stream whose end the program never read."""

    endpoint: str
    parts_read: int
    parts_total: int


@valueclass(frozen=True, slots=True)
class Unvisited:
    """Steps of a recorded session that were not played."""

    lane: str
    steps: tuple[int, ...]


@valueclass(frozen=True, slots=True)
class Verdict:
    """One deck's verdict."""

    name: str = ""
    """The test, or what else the calls belong to."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Calls by `journal.Entry.source`, and `local` for those that an upstream on this machine answered."""
    kept: int = 0
    """Answers that were recorded."""
    cassettes: tuple[CassetteUse, ...] = ()
    unread: tuple[Unread, ...] = ()
    unvisited: tuple[Unvisited, ...] = ()
    open_sessions: tuple[str, ...] = ()
    """Sessions that were opened and not closed."""
    damage: tuple[str, ...] = ()
    """Damaged places of the cassettes, a sentence each."""
    warnings: tuple[str, ...] = ()
    """The wrong-answer guard's."""
    unreached: tuple[str, ...] = ()
    """Why upstreams gave no answer, each reason once."""
    struck: Mapping[str, int] = field(default_factory=dict)
    """Calls by the faults that struck them."""
    misses: tuple[str, ...] = ()
    """The explanations, the first ones."""
    failures: tuple[str, ...] = ()
    """What could not be written, secrets that were found, errors inside a server."""
    blocked: tuple[str, ...] = ()
    """Connections to other machines that were refused."""
    seconds_saved: float = 0.0
    money_saved: float = 0.0
    allow_unused: bool = False

    @property
    def word(self) -> str:
        """`hit`, `partial`, `miss`, `live`, or `idle` when nothing was asked.

        `live` left this machine. A fault, a refusal, the emulator's own answer or a local upstream's is what the test
        asked for: it makes no hit partial.
        """
        counts = self.counts
        if any(counts.get(source) for source in UNANSWERED):
            return "miss"
        if counts.get("live"):
            return "partial" if counts.get("recorded") else "live"
        return "hit" if sum(counts.values()) else "idle"

    @property
    def calls(self) -> int:
        return sum(self.counts.values())

    @property
    def unplayed_count(self) -> int:
        return sum(use.unplayed_count for use in self.cassettes)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What a strict run fails on besides misses, one sentence each."""
        found = list(dict.fromkeys((*self.damage, *self.warnings, *self.unreached)))
        found += [
            f"{one.parts_total - one.parts_read} of {one.parts_total} parts of a stream of {one.endpoint} were not read"
            for one in self.unread
        ]
        found += [
            f"session {one} was opened and not closed; close it as its model wants, or advance a virtual clock past "
            "its end"
            for one in self.open_sessions
        ]
        found += [
            f"a connection to {one} was stopped; make its client after the deck, attach it, or allow the host"
            for one in self.blocked
        ]
        if not self.allow_unused:
            found += [f"steps {_numbers(one.steps)} of session {one.lane} were not visited" for one in self.unvisited]
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """JSON-like, with the word; lists and dicts of texts and numbers alone."""
        return {**_plain(asdict(self)), "word": self.word, "calls": self.calls}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Verdict:
        """The verdict that `as_dict` made."""
        values = {one.name: given[one.name] for one in fields(cls) if one.name in given}
        for name in ("open_sessions", "damage", "warnings", "unreached", "misses", "failures", "blocked"):
            values[name] = tuple(values.get(name, ()))
        values["cassettes"] = tuple(
            CassetteUse(one["path"], one["total"], tuple(one["played"])) for one in values.get("cassettes", ())
        )
        values["unread"] = tuple(Unread(**one) for one in values.get("unread", ()))
        values["unvisited"] = tuple(Unvisited(o["lane"], tuple(o["steps"])) for o in values.get("unvisited", ()))
        return cls(**values)


@valueclass(frozen=True, slots=True)
class Costs:
    """What the recorded answers would have cost."""

    seconds: float
    money: float


def costs_of(entries: Iterable[Entry], prices: Prices) -> Costs:
    """Seconds that recorded waits would have taken, and the price of the calls."""
    recorded = [entry for entry in entries if entry.source == "recorded"]
    seconds = sum(entry.seconds_saved for entry in recorded)
    return Costs(round(seconds, 3), round(sum(prices.of(entry.endpoint) for entry in recorded), 6))


def unread_streams(entries: Iterable[Entry]) -> tuple[Unread, ...]:
    """The streams that ended in the middle, because nobody read on."""
    left = (entry for entry in entries if 0 <= entry.parts_sent < entry.parts_total)
    return tuple(Unread(one.endpoint, one.parts_sent, one.parts_total) for one in left)


def miss_texts(entries: Iterable[Entry]) -> tuple[str, ...]:
    """The first explanations, each cut to a bearable length."""
    texts = [entry.detail for entry in entries if entry.source in UNANSWERED]
    return tuple(text[:TEXT_MAX] for text in texts[:SHOWN_MAX])


# --- a run of many ------------------------------------------------------------------------------------------------


@valueclass(frozen=True, slots=True)
class RunVerdict:
    """All verdicts of a run, and what only the whole run can tell."""

    verdicts: tuple[Verdict, ...]
    unused_files: tuple[str, ...] = ()
    """Cassettes that no test opened, next to those that tests did."""
    notes: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    """What happened and no test need have failed for, a sentence each: misses, calls after a deck's end."""
    unjudged: tuple[str, ...] = ()
    """Cassettes of which tests that did not run may have played more."""

    @property
    def words(self) -> dict[str, int]:
        """Tests by word."""
        counts: dict[str, int] = {}
        for verdict in self.verdicts:
            counts[verdict.word] = counts.get(verdict.word, 0) + 1
        return counts

    @property
    def counts(self) -> dict[str, int]:
        """Calls by source."""
        counts: dict[str, int] = {}
        for verdict in self.verdicts:
            for source, count in verdict.counts.items():
                counts[source] = counts.get(source, 0) + count
        return counts

    @property
    def cassettes(self) -> tuple[CassetteUse, ...]:
        """Each cassette once, with what all tests together played of it."""
        played: dict[str, set[int]] = {}
        totals: dict[str, int] = {}
        for verdict in self.verdicts:
            for use in verdict.cassettes:
                played.setdefault(use.path, set()).update(use.played)
                totals[use.path] = max(totals.get(use.path, 0), use.total)
        return tuple(CassetteUse(path, totals[path], tuple(sorted(found))) for path, found in sorted(played.items()))

    @property
    def damage(self) -> tuple[str, ...]:
        """Each damaged place once, however many tests played the cassette."""
        return tuple(dict.fromkeys(text for verdict in self.verdicts for text in verdict.damage))

    @property
    def forgiven(self) -> frozenset[str]:
        """Cassettes of which some test said that not everything need be played."""
        return frozenset(use.path for verdict in self.verdicts if verdict.allow_unused for use in verdict.cassettes)

    @property
    def seconds_saved(self) -> float:
        return round(sum(verdict.seconds_saved for verdict in self.verdicts), 3)

    @property
    def money_saved(self) -> float:
        return round(sum(verdict.money_saved for verdict in self.verdicts), 6)

    @property
    def complaints(self) -> tuple[str, ...]:
        """What a strict run fails on, one sentence each."""
        found = [f"{verdict.name}: {text}" for verdict in self.verdicts for text in verdict.complaints]
        found += dict.fromkeys(self.forgotten)  # setup, call and teardown of one test may each tell of it
        found += [
            f"{use.path}: {use.unplayed_count} of {use.total} interactions were never played"
            for use in self.cassettes
            if use.unplayed_count and use.path not in self.forgiven and use.path not in self.unjudged
        ]
        found += [f"{path}: no test uses it" for path in self.unused_files]
        return tuple(found)

    def as_dict(self) -> dict[str, Any]:
        """JSON-like: the whole report."""
        return {
            "tests": [verdict.as_dict() for verdict in self.verdicts],
            "words": self.words,
            "calls": self.counts,
            "cassettes": [
                {"path": use.path, "interactions": use.total, "played": len(use.played)} for use in self.cassettes
            ],
            "damage": list(self.damage),
            "unused_files": list(self.unused_files),
            "seconds_saved": self.seconds_saved,
            "money_saved": self.money_saved,
            "complaints": list(self.complaints),
            "notes": list(self.notes),
        }


def struck_text(struck: Mapping[str, int]) -> str:
    """How many calls each fault struck."""
    return "struck by faults: " + ", ".join(f"{count} {name}" for name, count in sorted(struck.items()))


def unreached_text(failure: str, count: int) -> str:
    """One reason why upstreams gave no answer, with its calls."""
    return f"{failure} ({count} call{'' if count == 1 else 's'} not answered)"


def damage_text(count: int) -> str:
    """How much of the cassettes is lost."""
    return f"cassettes damaged in {count} place{'' if count == 1 else 's'}"


def withheld_text(count: int) -> str:
    """How many answers were refused for the secrets that the log names, each at its first."""
    return f"{count} {'was' if count == 1 else 'were'} not kept: secrets, see above"


def _numbers(steps: Iterable[int]) -> str:
    return ", ".join(map(str, steps))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value

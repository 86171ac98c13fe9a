"""What happened to each request, newest last, bounded. It holds no body and no credential."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

SOURCES = ("recorded", "live", "miss", "damaged", "refused", "fault", "emulated", "cut_off")
"""Where an answer can come from; `cut_off`: the server ended before there was one."""
UNANSWERED = frozenset({"miss", "damaged"})
"""Sources that are no answer: nothing was recorded, or what was recorded cannot be read any more."""
ENTRIES_MAX = 10_000  # about 5 MiB; the counters go on when the oldest entries leave


@dataclass(slots=True)
class Entry:
    """One request. Filled in as it goes: the answer's part is set when the answer is known."""

    number: int
    at: float
    """Unix time in seconds."""
    operation: str
    endpoint: str
    source: str = ""
    """One of `SOURCES`; empty while the answer is not known."""
    status: int = 0
    code: str = ""
    """The error type, when it is an error."""
    request_id: str = ""
    """`x-amzn-RequestId` of the answer."""
    upstream: str = ""
    """Which upstream answered, when one did."""
    cassette: str = ""
    take: int = -1
    variant: str = ""
    faults: tuple[str, ...] = ()
    session: str = ""
    kept: bool = False
    detail: str = ""
    """The whole explanation of a miss or a refusal; longer than what the wire carries."""
    body_sha256: str = ""
    parts_sent: int = 0
    parts_total: int = -1
    """Parts of a recorded stream, or -1: what a client left unread is their difference."""
    warnings: tuple[str, ...] = ()
    seconds_saved: float = 0.0
    """What the recorded waits would have cost."""

    def note(self, said: tuple[int, str, str]) -> None:
        """What the answer says: its status, its error code and the variant that gave it."""
        self.status, self.code, self.variant = said


@dataclass(slots=True)
class Journal:
    """The entries of one deck, and counters that never forget."""

    entries: deque[Entry] = field(default_factory=lambda: deque(maxlen=ENTRIES_MAX))
    unanswered: deque[Entry] = field(default_factory=lambda: deque(maxlen=ENTRIES_MAX))
    """The misses, in a room of their own: no number of answers that follow pushes one out."""
    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """Calls by source, operation and status."""
    shares: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Calls by (endpoint, variant that served)."""
    struck: Counter[str] = field(default_factory=Counter)
    """Calls by the faults that struck them; one call may count under several."""
    total: int = 0
    listeners: list[Callable[[Entry], None]] = field(default_factory=list)
    """Told of every entry once its answer is known. They must not wait."""

    @property
    def counts(self) -> Counter[str]:
        """Calls by source."""
        found: Counter[str] = Counter()
        for (source, _, _), count in self.answers.items():
            found[source] += count
        return found

    def open(self, *, at: float, operation: str, endpoint: str) -> Entry:
        """A new entry, numbered from 1."""
        self.total += 1
        entry = Entry(self.total, at, operation, endpoint)
        self.entries.append(entry)
        return entry

    def settle(self, entry: Entry, *, source: str) -> None:
        """Counts the entry under where its answer comes from; called once per entry."""
        entry.source = source
        self.answers[source, entry.operation, entry.status] += 1
        if source in UNANSWERED:
            self.unanswered.append(entry)
        if entry.faults:
            self.struck.update(entry.faults)
        if entry.variant:
            self.shares[entry.endpoint, entry.variant] += 1
        for tell in self.listeners:
            tell(entry)

    def clear(self) -> None:
        """Forgets everything, the counters too."""
        self.entries.clear()
        self.unanswered.clear()
        self.answers.clear()
        self.shares.clear()
        self.struck.clear()
        self.total = 0

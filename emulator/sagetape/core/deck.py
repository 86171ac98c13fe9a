"""A player: decides what becomes of each call, and afterwards what is kept of it.

`decide` returns a `Reply` or a `Forward`; the shell performs it and reports a forward with `complete`. Neither waits, so
each is atomic on one loop and needs no lock. The order is the one of a request's life: scrub, route, find a recording,
else let the mode say whether an upstream is asked, else a miss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from .chance import Chances
from .errors import CallerError, CassetteError, ReplayError
from .journal import Entry, Journal
from .library import Library, Take
from .matching import Matcher
from .misses import explain_miss
from .modes import Mode, Outcome, Where, outcome
from .platform import VARIANT_HEADER
from .refusals import endpoint_not_found
from .routing import Route, Router
from .scrub import Collisions, Scrubber
from .takes import INVOCATIONS_MAX, Takes, Turn
from .wire import Call, Interaction, Pause, Provenance, Script, head_of

# Errors about the credentials of the recorder, not of the caller: passed on, never kept (they would replay as the
# answer to a good request).
RECORDER_ERRORS: Final = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True, slots=True)
class DeckSettings:
    """What is fixed for a deck's life."""

    mode: Mode
    miss_policy: str = "fail"
    miss_function: str | None = None
    exhausted: str = "last"
    speed: float = 0.0
    strict: bool = False
    record_errors: bool = False
    """Keep transport failures of the upstream too."""
    upstream: tuple[str, ...] = ()
    """Asked for endpoints that are not declared; empty: nobody."""
    closed_world: bool = False
    """Endpoints are declared and there is no upstream for others: an unknown name is AWS's `not found`."""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer is known."""

    script: Script
    entry: Entry
    take: Take | None = None
    """The recording it is, unchanged; None when it is made or edited."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Upstreams are asked: one, or the containers of a pipeline one after the other."""

    call: Call
    route: Route
    chains: tuple[tuple[str, ...], ...]
    """For each of the route's hops, the upstreams that the mode allows, in order."""
    entry: Entry
    scrubbed: Call
    key: bytes
    removed: bytes
    keep: bool
    compare: bool = False
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What must be written before the client can see the end of the answer."""

    interaction: Interaction
    key: bytes


@dataclass(slots=True)
class Deck:
    """One player. The shell owns its clock, its files and its upstreams; the deck owns everything that is decided."""

    name: str
    settings: DeckSettings
    library: Library
    matcher: Matcher
    scrubber: Scrubber
    router: Router
    chances: Chances
    is_remote: Callable[[str], bool]
    """Whether an upstream's specification leads off this machine."""
    journal: Journal = field(default_factory=Journal)
    takes: Takes = field(init=False)
    collisions: Collisions = field(default_factory=Collisions)
    warnings: dict[str, int] = field(default_factory=dict)
    """The wrong-answer guard's findings, and how often each was seen."""
    _attempts: dict[tuple[str, bytes], None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.takes = Takes(
            exhausted=self.settings.exhausted,
            once_per_run=self.settings.mode.keeps,
            is_retry=lambda number: "attempt" in self.library.read(number).interaction.notes,
        )

    # --- deciding ---

    def decide(self, call: Call, *, now: float) -> Reply | Forward:
        """What becomes of a call. `now` is Unix time in seconds on the deck's clock."""
        entry = self.journal.open(at=now, operation=call.operation, endpoint=call.endpoint)
        chance = self.chances.of(call)
        try:
            route = self.router.route(call, chance, now=now)
        except CallerError as error:
            return self._refuse(error, entry)
        if route.refusal is not None:
            self.router.finish(route, now=now)
            return self._refuse(route.refusal, entry, wait_s=route.wait_s)
        scrubbed, removed = self.scrubber.redact(call)
        key = self.matcher.key(scrubbed)
        if self.settings.mode.plays:
            turn = self.takes.choose(key, self.library.takes(key), invocation_id=call.invocation_id)
            if turn.number is not None:
                return self._play(turn, scrubbed, entry=entry, route=route, now=now)
            if turn.is_exhausted:
                return self._miss(scrubbed, entry, route=route, why="exhausted")
        return self._ask(call, entry, route=route, scrubbed=scrubbed, key=key, removed=removed)

    def _play(self, turn: Turn, call: Call, *, entry: Entry, route: Route, now: float) -> Reply:
        assert turn.number is not None
        self.router.finish(route, now=now)
        try:
            take = self.library.read(turn.number)
        except CassetteError as error:
            return self._unreadable(error, entry)
        take.turn_to(self.settings.speed)
        entry.take, entry.cassette, entry.seconds_saved = turn.number, take.cassette, take.seconds
        self._note_answer(entry, take.script)
        if turn.is_again:
            self._warn(
                entry, f"take {turn.index + 1} of a request to {call.endpoint} was served again after the last one"
            )
        self.journal.settle(entry, source="recorded")
        if route.wait_s:
            return Reply((Pause(route.wait_s), *take.script), entry)
        return Reply(take.script, entry, take)

    def _ask(
        self, call: Call, entry: Entry, *, route: Route, scrubbed: Call, key: bytes, removed: bytes
    ) -> Reply | Forward:
        chains, where = self._chains(route)
        settings = self.settings
        what = outcome(settings.mode, is_recorded=False, where=where, miss_policy=settings.miss_policy)
        if what is Outcome.MISS:
            if self._is_unknown(call.endpoint):
                return self._refuse(endpoint_not_found(call.endpoint, call.account), entry)
            return self._miss(scrubbed, entry, route=route, why="mode" if where is Where.REMOTE else "no-match")
        if what is Outcome.FUNCTION and settings.miss_function is not None:
            chains = ((settings.miss_function,),)
        keep = what is Outcome.ASK_AND_KEEP
        is_retry = keep and self._is_retry(call, key)
        compare = what is Outcome.COMPARE
        return Forward(call, route, chains, entry, scrubbed, key, removed, keep, compare, is_retry)

    def _chains(self, route: Route) -> tuple[tuple[tuple[str, ...], ...], Where]:
        """For every hop the upstreams that this mode may ask, and where they are, all together."""
        allows_remote = self.settings.mode.asks_remote or self.settings.miss_policy == "forward"
        where, chains = Where.LOCAL, []
        for hop in route.hops:
            chain = hop.upstream or self.settings.upstream
            allowed = chain if allows_remote else tuple(spec for spec in chain if not self.is_remote(spec))
            if not allowed:
                return (), Where.REMOTE if chain else Where.NOWHERE
            if any(map(self.is_remote, allowed)):
                where = Where.REMOTE
            chains.append(allowed)
        return tuple(chains), where

    def _is_unknown(self, endpoint: str) -> bool:
        """Endpoints are declared, this is none of them, and no recording names it: for AWS it does not exist."""
        is_declared = self.router.declared(endpoint) is not None
        return self.settings.closed_world and not is_declared and not self.library.has_endpoint(endpoint)

    def _is_retry(self, call: Call, key: bytes) -> bool:
        """Whether an SDK repeats an attempt that was forwarded before."""
        if call.invocation_id is None:
            return False
        mark = (call.invocation_id, key)
        if mark in self._attempts:
            return True
        self._attempts[mark] = None
        if len(self._attempts) > INVOCATIONS_MAX:
            del self._attempts[next(iter(self._attempts))]
        return False

    def _refuse(self, error: CallerError, entry: Entry, *, wait_s: float = 0.0) -> Reply:
        entry.status, entry.code, entry.detail = error.status, error.code, error.reason
        self.journal.settle(entry, source="refused")
        script = error.script()
        return Reply((Pause(wait_s), *script) if wait_s else script, entry)

    def _miss(self, call: Call, entry: Entry, *, route: Route, why: str) -> Reply:
        self.router.finish(route, now=entry.at)
        near = self.library.nearest(call.operation, call.endpoint)
        text = explain_miss(call, near, matcher=self.matcher, why=why, mode=self.settings.mode.name)
        return self._unanswered(ReplayError(text), entry)

    def missed(self, forward: Forward, *, reason: str) -> Reply:
        """The miss of a call that its upstreams declined."""
        forward.entry.detail = reason
        return self._miss(forward.scrubbed, forward.entry, route=forward.route, why="declined")

    def _unreadable(self, error: CassetteError, entry: Entry) -> Reply:
        return self._unanswered(ReplayError(str(error), code="SagetapeCassetteDamaged"), entry)

    def _unanswered(self, error: ReplayError, entry: Entry) -> Reply:
        entry.status, entry.code, entry.detail = 400, error.code, error.message
        self.journal.settle(entry, source="miss")
        return Reply(error.script(), entry)

    def _note_answer(self, entry: Entry, script: Script) -> None:
        head = head_of(script)
        if head is not None:
            entry.status = head.status
            entry.code = (head.header("x-amzn-ErrorType") or "").partition(":")[0]
            entry.variant = head.header(VARIANT_HEADER) or ""

    def _warn(self, entry: Entry, text: str) -> None:
        entry.warnings += (text,)
        self.warnings[text] = self.warnings.get(text, 0) + 1

    # --- afterwards ---

    def complete(self, forward: Forward, script: Script, *, now: float, source: str, synthetic: bool) -> Kept | None:
        """What is to be written of an upstream's answer; None when nothing is. `source` is the upstream that answered."""
        entry = forward.entry
        entry.upstream = source
        self._note_answer(entry, script)
        self.router.finish(forward.route, now=now)
        self.journal.settle(entry, source="live")
        if not forward.keep or not self._is_worth_keeping(script):
            return None
        if self.collisions.is_collision(forward.key, forward.removed):
            self._warn(
                entry,
                f"a request to {entry.endpoint} differs from a recorded one only in what scrubbing removes; it was not kept",
            )
            return None
        origin = Provenance(recorded_at=now, source=source, version=self.settings.version, synthetic=synthetic)
        notes = {"attempt": "again"} if forward.is_retry else {}
        entry.kept = True
        return Kept(Interaction(forward.scrubbed, self.scrubber.script(script), origin, notes=notes), forward.key)

    def recorded(self, key: bytes) -> None:
        """What `complete` gave was written. It is not played in the run that recorded it: the next equal request is
        forwarded, and kept as the next take."""
        self.takes.skip_to_end(key, len(self.library.takes(key)))

    def _is_worth_keeping(self, script: Script) -> bool:
        head = head_of(script)
        if head is None:
            return self.settings.record_errors
        return (head.header("x-amzn-ErrorType") or "").partition(":")[0] not in RECORDER_ERRORS

    def reset(self) -> None:
        """As if nothing had been asked yet; recordings stay."""
        self.takes.reset()
        self.journal.clear()
        self.warnings.clear()

"""A player: decides what becomes of each call, and afterwards what is kept of it.

`decide` returns a `Reply` or a `Forward`; the shell performs it and reports a forward with `complete`. Neither waits,
so each is atomic on one loop and needs no lock. The order is that of a request's life: session, route, scrub, find a
recording, else let the mode say whether an upstream is asked, else a miss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from . import chance
from .asking import allowed_chains, is_elsewhere
from .conversations import Conversations, described, is_over
from .damage import with_damage
from .decisions import Case, Completed, DeckSettings, Forward, Kept, Reply
from .drift import drift_text
from .errors import DAMAGED_CODE, CallerError, CassetteError, ReplayError
from .faults.selection import Faults
from .guard import Guard
from .journal import Entry, Journal
from .keeping import failure_of, is_worth_keeping
from .lanes import Astray, Followed
from .library import Library, Take, said_by, waits
from .limits import within_limit
from .matching import Matcher
from .misses import explain_miss
from .modes import Outcome, Where, outcome
from .pipeline import ask_of
from .recognition import Recognition
from .refusals import endpoint_not_found
from .routing import Router
from .scrub import Collisions, Scrubber
from .takes import SERVED_AGAIN, Attempts, Takes, Turn
from .unlike import Newcomers
from .wire import Call, Interaction, Pause, Provenance, Script, SessionMark

__all__ = ["Completed", "Deck", "DeckSettings", "Forward", "Kept", "Reply"]


@dataclass(slots=True)
class Deck:
    """One player. The shell owns its clock, its files and its upstreams; the deck owns everything that is decided."""

    name: str
    settings: DeckSettings
    library: Library
    matcher: Matcher
    scrubber: Scrubber
    router: Router
    chances: chance.Chances
    is_remote: Callable[[str], bool]  # whether an upstream's specification leads off this machine
    damage: Callable[[], Sequence[str]] = tuple  # what is known to be lost of the cassettes, a sentence each
    journal: Journal = field(default_factory=Journal)
    takes: Takes = field(init=False)
    guard: Guard = field(init=False)
    newcomers: Newcomers = field(init=False)
    recognition: Recognition = field(init=False)
    conversations: Conversations = field(init=False)
    faults: Faults = field(default_factory=Faults)
    collisions: Collisions = field(default_factory=Collisions)
    warnings: dict[str, int] = field(default_factory=dict)  # the guard's findings, and how often each was seen
    _attempts: Attempts = field(default_factory=Attempts)
    _waits: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        library = self.library
        self.guard = Guard(self.matcher, library)
        self.newcomers = Newcomers(self.matcher, library)
        self.recognition = Recognition(self.matcher, self.scrubber)
        self.takes = Takes(
            exhausted=self.settings.exhausted,
            once_per_run=self.settings.mode.keeps,
            is_retry=lambda number: "attempt" in library.read(number).interaction.notes,
        )
        self.conversations = Conversations(
            position_of=lambda number: library.read(number).interaction.call.position,
            key_of=lambda call: self.recognition.of(call)[2],
            recorded=library.in_sessions,
        )

    # --- deciding ---

    def decide(self, call: Call, *, now: float) -> Reply | Forward:
        """What becomes of a call. `now` is Unix time in seconds on the deck's clock."""
        entry = self.journal.open(at=now, operation=call.operation, endpoint=call.endpoint)
        entry.request_id = call.request_id
        case = Case(call, entry, now, self.chances.of(call))
        try:
            if call.members.get("SessionId"):
                self._admit(case)
            elif self.settings.is_seeded:
                self._name(case)
            sticky = None if case.place is None else case.place.sticky
            case.route = self.router.route(call, case.chance, now=now, sticky=sticky)
        except CallerError as error:
            return self._refuse(error, entry)
        if case.route.refusal is not None:
            self.router.finish_early(case.route, now=now)
            return self._refuse(case.route.refusal, entry, wait_s=case.route.wait_s)
        # Before the session moves on: a call that the front end turns away never reached the model.
        answered = self._strike(case) if self.faults.concern(call.endpoint) else None
        if answered is not None:
            return answered
        found = self.conversations.follow(case) if case.place is not None else None
        if found is not None:
            return self._play_step(case, found)
        case.scrubbed, case.removed, case.key = self.recognition.of(case.call)
        if case.place is not None:
            self.conversations.advance(case)
        return self._find(case)

    def _admit(self, case: Case) -> None:
        try:
            is_strict = not is_elsewhere(case.call, self.router, self.settings)
            case.place = place = self.conversations.admit(case.call, now=case.now, is_strict=is_strict)
            if place is not None:
                case.call = replace(case.call, position=place.position)
                case.chance = self.chances.of(case.call)  # equal words at two places of a session are two draws
                case.entry.session = case.call.members["SessionId"] if place.session is None else place.session.id
        finally:
            if self.settings.is_seeded:
                self._name(case)

    def _name(self, case: Case) -> None:
        """The request id, where the seed decides it too."""
        case.entry.request_id = case.chance.uuid("request-id")
        case.call = replace(case.call, request_id=case.entry.request_id)

    def _find(self, case: Case) -> Reply | Forward:
        is_live = case.place is not None and case.place.session is not None
        if self.settings.mode.plays and not is_live:
            takes = self.library.takes(case.key)
            turn = self.takes.choose(case.key, takes, invocation_id=case.call.invocation_id)
            if len(takes) > 1:
                for text in self.guard.look(case.key, takes):
                    self._warn(case.entry, text)
            if turn.number is not None:
                return self._play(case, turn)
            if turn.is_exhausted:
                return self._miss(case, why="exhausted")
        return self._ask(case)

    # --- a recording answers ---

    def _play(self, case: Case, turn: Turn) -> Reply:
        assert turn.number is not None
        if turn.is_again:
            self._warn(case.entry, f"take {turn.index + 1} of a request to {case.call.endpoint} {SERVED_AGAIN}")
        try:
            take = self._read(case, turn.number)
        except CassetteError as error:
            return self._unreadable(case, error)
        mark = take.interaction.session
        if mark is not None and case.place is not None:
            return self._made(case, self.conversations.replayed_opening(case, take.script, mark=mark))
        if case.route.wait_s or case.struck is not None or take.waits_s >= case.route.timeout_s:
            return self._made(case, take.script)
        return Reply(take.script, case.entry, take)

    def _play_step(self, case: Case, found: Followed | Astray) -> Reply:
        try:
            if isinstance(found, Astray):
                return self._out_of_step(case, found)
            if is_over(case, self.library.read(found.number).interaction.script):
                return self._over(case)
            take = self._read(case, found.number)
        except CassetteError as error:
            return self._unreadable(case, error)
        return self._made(case, self.conversations.replayed_step(case, take.script, followed=found))

    def _read(self, case: Case, number: int) -> Take:
        """A recorded answer at the deck's speed, noted in the journal."""
        entry = case.entry
        self.router.finish_early(case.route, now=case.now)
        take = self.library.read(number)
        take.turn_to(self.settings.speed)
        entry.take, entry.cassette, entry.seconds_saved = number, take.cassette, take.seconds
        entry.status, entry.code, entry.variant = take.said
        self.journal.settle(entry, source="recorded")
        return take

    def _made(self, case: Case, script: Script) -> Reply:
        """A reply that is no recording as it stands: with another id, edited by faults, or cut at the limit."""
        if case.struck is not None:
            script = case.struck.edit(script, waits_s=self._recorded_waits(case.call.endpoint))
        script = within_limit(script, ask_of(case.call, case.route, hop_number=0))
        wait_s = case.route.wait_s
        return Reply((Pause(wait_s), *script) if wait_s else script, case.entry)

    # --- a fault answers, or edits ---

    def _strike(self, case: Case) -> Reply | None:
        """The faults of this call are chosen; the answer of the first that has one of its own."""
        ask = ask_of(case.call, case.route, hop_number=0)
        case.struck = struck = self.faults.strike(ask, case.route, chance=case.chance)
        if struck is None:
            return None
        case.entry.faults = struck.names
        script = struck.answer()
        if script is None:
            return None
        self.router.finish_early(case.route, now=case.now)
        case.entry.note(said_by(script))
        self.journal.settle(case.entry, source="fault")
        return self._made(case, script)

    def _recorded_waits(self, endpoint: str) -> tuple[float, ...]:
        """Seconds that recorded answers of an endpoint took, for latency that is learned."""
        known = self._waits.get(endpoint)
        if known is None:
            near = self.library.nearest("", endpoint)
            found = (waits(t.interaction.script) for t in near if t.interaction.call.endpoint == endpoint)
            known = self._waits[endpoint] = tuple(found)
        return known

    def edited(self, forward: Forward, script: Script) -> Script:
        """A live answer, known whole and already kept, with its faults and within the platform's limit."""
        struck = forward.case.struck
        if struck is None:
            return script
        script = struck.edit(script, waits_s=self._recorded_waits(forward.call.endpoint))
        return within_limit(script, ask_of(forward.call, forward.route, hop_number=0))

    def _over(self, case: Case) -> Reply:
        assert case.place is not None
        assert case.place.refusal is not None
        self.router.finish_early(case.route, now=case.now)
        return self._refuse(case.place.refusal, case.entry)

    def _out_of_step(self, case: Case, astray: Astray) -> Reply:
        if case.place is not None and case.place.refusal is not None:
            return self._over(case)
        self.router.finish_early(case.route, now=case.now)
        text = astray.text(lambda number: described(self.library.read(number).interaction.call))
        return self._unanswered(ReplayError(text), case.entry)

    # --- an upstream answers ---

    def _ask(self, case: Case) -> Reply | Forward:
        settings = self.settings
        chains, where = allowed_chains(case.route, settings, is_remote=self.is_remote)
        made = self._default_answer(case)
        if made is not None:
            return made
        what = outcome(settings.mode, is_recorded=False, where=where, miss_policy=settings.miss_policy)
        if what is Outcome.MISS:
            if self._is_unknown(case.call.endpoint):
                return self._refuse(endpoint_not_found(case.call.endpoint, case.call.account), case.entry)
            return self._miss(case, why="mode" if where is Where.REMOTE else "no-match")
        if what is Outcome.FUNCTION and settings.miss_function is not None:
            chains = ((settings.miss_function,),)
        keep = what is Outcome.ASK_AND_KEEP
        return Forward(
            case,
            chains,
            keep,
            what is Outcome.COMPARE,
            keep and self._attempts.is_again(case.call.invocation_id, case.key),
        )

    def _default_answer(self, case: Case) -> Reply | None:
        """What the emulator itself says to a bare opening or closing, where the endpoint's sessions are its own."""
        if case.place is None or not self._has_default(case.call):
            return None
        script = self.conversations.default_answer(case)
        if script is None:
            return None
        self.router.finish_early(case.route, now=case.now)
        script, settled = self.conversations.settle(case, script, has_default=False, now=case.now)
        case.entry.note(said_by(script))
        self.journal.settle(case.entry, source="emulated")
        kept = None
        if self.settings.mode.keeps and settled is not None:
            origin = Provenance(case.now, "emulator", self.settings.version, synthetic=True)
            kept = self._kept(case, script, origin, mark=settled.mark)
        return Reply(script, case.entry, kept=kept)

    def _has_default(self, call: Call) -> bool:
        declared = self.router.declared(call.endpoint)
        return declared is not None and declared.sessions

    def _is_unknown(self, endpoint: str) -> bool:
        """Endpoints are declared, this is none of them, and no recording names it: for AWS it does not exist."""
        is_declared = self.router.declared(endpoint) is not None
        return self.settings.closed_world and not is_declared and not self.library.has_endpoint(endpoint)

    # --- nobody answers ---

    def _refuse(self, error: CallerError, entry: Entry, *, wait_s: float = 0.0) -> Reply:
        entry.status, entry.code, entry.detail = error.status, error.code, error.reason
        self.journal.settle(entry, source="refused")
        script = error.script()
        return Reply((Pause(wait_s), *script) if wait_s else script, entry)

    def refused(self, forward: Forward, refusal: CallerError | Script, *, now: float) -> Reply:
        """The answer to a call whose model could not be made ready."""
        self.router.finish(forward.route, now=now)
        if isinstance(refusal, CallerError):
            return self._refuse(refusal, forward.entry)
        forward.entry.note(said_by(refusal))
        self.journal.settle(forward.entry, source="refused")
        return Reply(refusal, forward.entry)

    def _miss(self, case: Case, *, why: str) -> Reply:
        self.router.finish_early(case.route, now=case.now)
        near = self.library.nearest(case.call.operation, case.call.endpoint)
        text = explain_miss(
            case.scrubbed,
            near,
            matcher=self.matcher,
            why=why,
            mode=self.settings.mode.name,
            record=self.settings.record_command,
            paths=self.settings.paths,
        )
        return self._unanswered(ReplayError(with_damage(text, self.damage())), case.entry)

    def missed(self, forward: Forward, *, reason: str) -> Reply:
        """The miss of a call that its upstreams declined."""
        reply = self._miss(forward.case, why="no-match")
        forward.entry.detail += f"\nThe upstreams declined: {reason}"
        return reply

    def _unreadable(self, case: Case, error: CassetteError) -> Reply:
        return self._unanswered(ReplayError(str(error), code=DAMAGED_CODE), case.entry)

    def _unanswered(self, error: ReplayError, entry: Entry) -> Reply:
        entry.status, entry.code, entry.detail = 400, error.code, error.message
        self.journal.settle(entry, source="damaged" if error.code == DAMAGED_CODE else "miss")
        return Reply(error.script(), entry)

    def _warn(self, entry: Entry, text: str) -> None:
        entry.warnings += (text,)
        self.warnings[text] = self.warnings.get(text, 0) + 1

    # --- afterwards ---

    def complete(self, forward: Forward, script: Script, *, now: float, source: str, synthetic: bool) -> Completed:
        """An upstream's answer, as the client gets it, and what is to be written of it. `source` is who answered."""
        case, entry, mark = forward.case, forward.entry, None
        entry.detail = failure_of(script)
        if case.place is not None:
            script, settled = self.conversations.settle(case, script, has_default=self._has_default(case.call), now=now)
            if settled is not None:
                mark = settled.mark
                for warning in settled.warnings:
                    self._warn(entry, warning)
        entry.upstream = source
        entry.note(said_by(script))
        self.router.finish(case.route, now=now)
        self.journal.settle(entry, source="live")
        if forward.compare:
            self._compare(case, self.scrubber.script(script))
        if not forward.keep or not is_worth_keeping(script, keeps_errors=self.settings.record_errors):
            return Completed(script, None)
        if self.collisions.is_collision(case.key, case.removed):
            text = f"a request to {entry.endpoint} differs from a recorded one only in what scrubbing removes: not kept"
            self._warn(entry, text)
            return Completed(script, None)
        origin = Provenance(recorded_at=now, source=source, version=self.settings.version, synthetic=synthetic)
        return Completed(script, self._kept(case, script, origin, mark=mark, is_retry=forward.is_retry))

    def _kept(
        self, case: Case, script: Script, origin: Provenance, *, mark: SessionMark | None, is_retry: bool = False
    ) -> Kept:
        notes = {"attempt": "again"} if is_retry else {}
        case.entry.kept = True
        return Kept(Interaction(case.scrubbed, self.scrubber.script(script), origin, mark, notes), case.key)

    def _compare(self, case: Case, script: Script) -> None:
        recorded = [self.library.read(number).interaction.script for number in self.library.takes(case.key)]
        text = drift_text(case.call.endpoint, recorded, script, reading=self.matcher.rules.answer_reading())
        if text:
            self._warn(case.entry, text)

    def recorded(self, key: bytes) -> str:
        """What `complete` gave was written. It is not played in this run: an equal request makes the next take.

        A warning when another request, with another answer, has the same key; else nothing.
        """
        self.takes.skip_to_end(key, len(self.library.takes(key)))
        text = self.newcomers.look(key)
        if text:
            self.warnings[text] = self.warnings.get(text, 0) + 1
        return text

    def reset(self) -> None:
        """As if nothing had been asked yet; recordings stay."""
        self.takes.reset()
        self.journal.clear()
        self.warnings.clear()
        self.chances.reset()
        self.conversations.reset()
        self.router.reset()
        self.faults.rewind()
        self._attempts.reset()

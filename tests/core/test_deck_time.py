"""One deck, one time: sessions, faults and loads as a caller meets them, recording and replaying."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256

from sagetape.core.chance import Chances
from sagetape.core.deck import Deck, DeckSettings, Forward, Reply
from sagetape.core.endpoints import Endpoint, MultiModel
from sagetape.core.faults.parsing import parse_text
from sagetape.core.library import Take
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.modes import mode_for
from sagetape.core.routing import Router
from sagetape.core.rules import ScrubRules
from sagetape.core.scrub import Scrubber
from sagetape.core.sessions import new_session
from sagetape.core.wire import Call, Interaction, Pause, Script, SessionMark, body_of, head_of, whole

NOW = 1_800_000_000.0
NEW_ID, CLOSED_ID = "X-Amzn-SageMaker-New-Session-Id", "X-Amzn-SageMaker-Closed-Session-Id"
URL = "http://127.0.0.1:9"


@dataclass
class Memory:
    """A library without files."""

    kept: list[tuple[Interaction, bytes]] = field(default_factory=list)

    def takes(self, key: bytes) -> Sequence[int]:
        return [number for number, (_, one) in enumerate(self.kept) if one == key]

    def read(self, number: int) -> Take:
        return Take(number, self.kept[number][0], "memory.tape")

    def has_endpoint(self, endpoint: str) -> bool:
        return any(one.call.endpoint == endpoint for one, _ in self.kept)

    def nearest(self, operation: str, endpoint: str) -> Iterable[Take]:
        return [self.read(number) for number in range(len(self.kept))]

    def in_sessions(self) -> Iterable[tuple[int, bytes, SessionMark]]:
        return [(n, key, one.session) for n, (one, key) in enumerate(self.kept) if one.session is not None]

    def __len__(self) -> int:
        return len(self.kept)


def deck_of(memory: Memory, *endpoints: Endpoint, mode: str = "none", faults: str = "", **options: object) -> Deck:
    settings = DeckSettings(mode=mode_for(mode, had_recordings=bool(memory.kept)), **options)  # type: ignore[arg-type]
    made = Deck(
        name="default",
        settings=settings,
        library=memory,
        matcher=Matcher(MatchRules()),
        scrubber=Scrubber(ScrubRules(), account="123456789012"),
        router=Router(endpoints, is_virtual=True),
        chances=Chances(7),
        is_remote=lambda spec: spec.startswith("aws"),
    )
    if faults:
        made.faults.add(parse_text(faults))
    return made


def call(body: str, session_id: str = "", **members: str) -> Call:
    found = members | ({"SessionId": session_id} if session_id else {})
    return Call("InvokeEndpoint", "chat", found, body.encode(), sha256(body.encode()).digest())


def record(memory: Memory, deck: Deck, asked: Call, script: Script) -> Script:
    """Forward a call, answer it as an upstream would, and keep what the deck says."""
    forward = deck.decide(asked, now=NOW)
    assert isinstance(forward, Forward)
    done = deck.complete(forward, script, now=NOW, source="aws", synthetic=False)
    if done.kept is not None:
        memory.kept.append((done.kept.interaction, done.kept.key))
    return done.script


def status(script: Script) -> int:
    head = head_of(script)
    assert head is not None
    return head.status


def reply(deck: Deck, asked: Call, *, now: float = NOW) -> Script:
    decided = deck.decide(asked, now=now)
    assert isinstance(decided, Reply)
    return decided.script


def recorded_session(*words: str) -> Memory:
    """A session recorded from a model that answers with its words."""
    memory = Memory()
    deck = deck_of(memory, mode="all", upstream=("aws",))
    record(
        memory, deck, call("open", "NEW_SESSION"), whole(200, ((NEW_ID, new_session("abcdef-1", NOW + 600)),), b"hi")
    )
    for word in words:
        record(memory, deck, call(word, "abcdef-1"), whole(200, (), f"{word} abcdef-1".encode()))
    return memory


def opened(deck: Deck, *, now: float = NOW) -> str:
    head = head_of(reply(deck, call("open", "NEW_SESSION"), now=now))
    assert head is not None
    value = head.header(NEW_ID)
    assert value is not None
    return value.partition(";")[0]


def test_recorded_session_plays_under_fresh_ids():
    """Two sessions from one recording, interleaved, each with its own id in header and body."""
    deck = deck_of(recorded_session("one", "two"))
    ids = [opened(deck) for _ in range(2)]
    assert len({*ids, "abcdef-1"}) == 3
    for word in ("one", "two"):
        for session_id in ids:
            assert body_of(reply(deck, call(word, session_id))) == f"{word} {session_id}".encode()


def test_replayed_session_expires_though_a_recording_goes_on():
    """After its Expires on the deck's clock a session is refused, even where the next step was recorded."""
    deck = deck_of(recorded_session("one", "two"))
    session_id = opened(deck)
    assert status(reply(deck, call("one", session_id), now=NOW + 599)) == 200
    late = reply(deck, call("two", session_id), now=NOW + 600)
    assert status(late) == 400
    assert b"expired" in body_of(late)


def test_recorded_refusal_has_the_last_word():
    """What the service said to a late call was recorded, and plays in place of the emulator's own text."""
    memory = Memory()
    recording = deck_of(memory, mode="all", upstream=("aws",))
    record(
        memory, recording, call("open", "NEW_SESSION"), whole(200, ((NEW_ID, new_session("abcdef-1", NOW + 600)),), b"")
    )
    refusal = whole(400, (("x-amzn-ErrorType", "ValidationError"),), b'{"Message":"the service says so"}')
    record(memory, recording, call("late", "abcdef-1"), refusal)
    deck = deck_of(memory)
    session_id = opened(deck)
    assert b"the service says so" in body_of(reply(deck, call("late", session_id), now=NOW + 700))


def test_throttled_step_leaves_the_session_where_it_was():
    """A call that the front end turns away never reached the model: sent again, it is the same step."""
    deck = deck_of(recorded_session("one", "two"), faults="throttle:position=2")
    session_id = opened(deck)
    assert body_of(reply(deck, call("one", session_id))) == b'{"message":null}'
    assert body_of(reply(deck, call("one", session_id))) == f"one {session_id}".encode()
    assert body_of(reply(deck, call("two", session_id))) == f"two {session_id}".encode()


def test_session_recorded_under_faults_replays_without_them():
    """Steps that a fault turned away while recording leave no trace in the recording."""
    memory = Memory()
    deck = deck_of(memory, mode="all", upstream=("aws",), faults="throttle:position=2")
    record(memory, deck, call("open", "NEW_SESSION"), whole(200, ((NEW_ID, new_session("abcdef-1", NOW + 600)),), b""))
    assert status(reply(deck, call("one", "abcdef-1"))) == 400
    record(memory, deck, call("one", "abcdef-1"), whole(200, (), b"done"))
    assert [one.session.step for one, _ in memory.kept if one.session is not None] == [0, 1]
    replaying = deck_of(memory)
    assert body_of(reply(replaying, call("one", opened(replaying)))) == b"done"


def test_closed_session_is_refused_at_replay():
    """A recorded close closes; another call is a refusal, not a miss."""
    memory = Memory()
    deck = deck_of(memory, mode="all", upstream=("aws",))
    record(memory, deck, call("open", "NEW_SESSION"), whole(200, ((NEW_ID, new_session("abcdef-1", NOW + 600)),), b""))
    record(memory, deck, call("bye", "abcdef-1"), whole(200, ((CLOSED_ID, "abcdef-1"),), b""))
    assert memory.kept[1][0].session == SessionMark("abcdef-1", 1, closes=True)
    deck = deck_of(memory)
    session_id = opened(deck)
    head = head_of(reply(deck, call("bye", session_id)))
    assert head is not None
    assert head.header(CLOSED_ID) == session_id
    assert b"is closed" in body_of(reply(deck, call("more", session_id)))


def test_step_out_of_order_is_a_miss_that_names_the_expected_one():
    """The text says what was expected, and the session can still go on in order."""
    deck = deck_of(recorded_session("one", "two"))
    session_id = opened(deck)
    missed = json.loads(body_of(reply(deck, call("two", session_id))))["Message"]
    assert "step 2 of its recorded session" in missed
    assert "InvokeEndpoint with body 'one'" in missed
    assert status(reply(deck, call("one", session_id))) == 200


def test_slow_load_is_through_after_two_calls_on_a_virtual_clock():
    """Each call that waited for a load brings it nearer, though the deck's clock stands still."""
    many = Endpoint("chat", multi_model=MultiModel((URL.replace("http", "function"),), load_s=100))
    deck = deck_of(Memory(), many)
    first = deck.decide(call("x", TargetModel="m"), now=NOW)
    assert isinstance(first, Reply)
    assert first.script[0] == Pause(60)
    assert status(first.script) == 429
    second = deck.decide(call("x", TargetModel="m"), now=NOW)
    assert isinstance(second, Forward)
    assert second.route.wait_s == 40
    deck.complete(second, whole(200, (), b""), now=NOW + 40, source="f", synthetic=True)
    third = deck.decide(call("x", TargetModel="m"), now=NOW)
    assert isinstance(third, Forward)
    assert third.route.wait_s == 0


def test_late_recording_is_a_timeout():
    """A declared latency of a minute before a recorded answer is the platform's 424."""
    memory = Memory()
    deck = deck_of(memory, mode="all", upstream=("aws",))
    record(memory, deck, call("x"), whole(200, (), b"{}"))
    assert status(reply(deck_of(memory, faults="latency:seconds=59"), call("x"))) == 200
    late = reply(deck_of(memory, faults="latency:seconds=60"), call("x"))
    assert status(late) == 424
    assert late[0] == Pause(60)


def test_faults_are_not_recorded():
    """The cassette keeps what the upstream said, whatever the client got."""
    memory = Memory()
    deck = deck_of(memory, mode="all", upstream=("aws",), faults="truncation")
    forward = deck.decide(call("x"), now=NOW)
    assert isinstance(forward, Forward)
    answer = whole(200, (), b"0123456789")
    done = deck.complete(forward, answer, now=NOW, source="aws", synthetic=False)
    assert done.kept is not None
    assert body_of(done.kept.interaction.script) == b"0123456789"
    assert body_of(deck.edited(forward, done.script)) == b"01234"


def test_decks_with_one_seed_are_equal():
    """Two decks of one seed give the same session ids; another seed gives others."""
    memory = recorded_session("one")
    ids = [[opened(deck) for _ in range(3)] for deck in (deck_of(memory), deck_of(memory))]
    other = replace(deck_of(memory), chances=Chances(8))
    assert ids[0] == ids[1]
    assert opened(other) not in ids[0]

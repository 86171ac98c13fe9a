"""Recorded sessions at replay: N at once, each with its own id, each in step."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from hashlib import blake2b, sha256

import pytest

from sagetape.core import eventstream
from sagetape.core.chance import Chances
from sagetape.core.errors import CallerError
from sagetape.core.lanes import Astray, Followed, Lanes
from sagetape.core.relabel import relabel_call, relabel_script
from sagetape.core.routes import Route
from sagetape.core.session_default import fresh_id
from sagetape.core.sessions import Session, Sessions, new_session
from sagetape.core.wire import Abort, Call, Chunk, End, Head, Script, SessionMark, body_of, head_of, whole

RECORDED_AT = 1_768_478_400.0
NOW = 1_800_000_000.0
ROUTE = Route("chat")
NEW_ID = "X-Amzn-SageMaker-New-Session-Id"
CLOSED_ID = "X-Amzn-SageMaker-Closed-Session-Id"


def call(session_id: str, body: str) -> Call:
    return Call("InvokeEndpoint", "chat", {"SessionId": session_id}, body.encode(), sha256(body.encode()).digest())


def key_of(asked: Call) -> bytes:
    return blake2b(f"{asked.endpoint}|{asked.position}|".encode() + asked.body, digest_size=16).digest()


@dataclass
class Tape:
    """What a cassette holds of sessions, and a deck's use of it in small."""

    calls: list[Call] = field(default_factory=list)
    scripts: list[Script] = field(default_factory=list)
    marks: list[SessionMark] = field(default_factory=list)
    sessions: Sessions = field(default_factory=Sessions)
    chances: Chances = field(default_factory=lambda: Chances(7))

    def __post_init__(self) -> None:
        self.lanes = Lanes(position_of=lambda number: self.calls[number].position, key_of=key_of)

    def record(self, session_id: str, turns: list[tuple[str, Script]]) -> None:
        """Record one session: what is asked, and the answer of a model that knows its id."""
        live = Sessions(is_lane_taken=lambda name: any(mark.lane == name for mark in self.marks))
        for step, (body, script) in enumerate(turns):
            asked = call("NEW_SESSION" if step == 0 else session_id, body)
            place = live.admit(asked, now=RECORDED_AT)
            assert place is not None
            asked = replace(asked, position=place.position)
            live.advance(place, key_of(asked), invocation_id=None)
            head = head_of(script)
            assert head is not None
            key = key_of(asked)
            settled = live.settle(place, asked, head=head, route=ROUTE, key=key, now=RECORDED_AT)
            assert settled.mark is not None
            self.calls.append(asked)
            self.scripts.append(script)
            self.marks.append(settled.mark)
            self.lanes.add(len(self.calls) - 1, key, mark=settled.mark)

    def open(self, body: str, *, take: int = 0, now: float = NOW) -> tuple[Session, Script]:
        """Replay an opening: the take is chosen by its key, like that of any request."""
        asked = call("NEW_SESSION", body)
        place = self.sessions.admit(asked, now=now)
        assert place is not None
        key = key_of(replace(asked, position=place.position))
        numbers = [n for n, one in enumerate(self.calls) if key_of(one) == key]
        number = numbers[take]
        mark = self.marks[number]
        assert mark.lifetime_s is not None
        fresh = fresh_id(asked, sessions=self.sessions, chance=self.chances.of(asked))
        recorded = mark.lane.partition("~")[0]
        script = relabel_script(self.scripts[number], recorded, new=fresh, expires_at=now + mark.lifetime_s)
        head = head_of(script)
        assert head is not None
        settled = self.sessions.settle(place, asked, head=head, route=ROUTE, key=key, now=now, lane=mark.lane)
        assert settled.session is not None
        return settled.session, script

    def follow(self, session: Session, body: str, *, now: float = NOW) -> Followed | Astray:
        asked = call(session.id, body)
        place = self.sessions.admit(asked, now=now)
        assert place is not None
        found = self.lanes.follow(place, asked)
        if isinstance(found, Followed):
            self.sessions.advance(found.place, found.key, invocation_id=None)
        return found

    def say(self, session: Session, body: str, *, now: float = NOW) -> Script:
        found = self.follow(session, body, now=now)
        assert isinstance(found, Followed)
        recorded = found.lane.partition("~")[0]
        script = relabel_script(self.scripts[found.number], recorded, new=session.id)
        head = head_of(script)
        assert head is not None
        place = self.sessions.admit(call(session.id, body), now=now)
        assert place is not None
        self.sessions.settle(place, found.call, head=head, route=ROUTE, key=found.key, now=now, lane=found.lane)
        return script


def opening(session_id: str, text: str = "hello") -> Script:
    head = ((NEW_ID, new_session(session_id, RECORDED_AT + 1200)), ("Content-Type", "application/json"))
    return whole(200, head, text.encode())


def answer(text: str, *headers: tuple[str, str], status: int = 200) -> Script:
    return whole(status, headers, text.encode())


ID_A, ID_B = "11111111-aaaa-4aaa-8aaa-111111111111", "22222222-bbbb-4bbb-8bbb-222222222222"


def conversation(session_id: str, *words: str) -> list[tuple[str, Script]]:
    turns = [("open", opening(session_id, f'{{"id":"{session_id}"}}'))]
    turns += [(word, answer(f"{word} in {session_id}")) for word in words]
    return [*turns, ("close", answer("bye", (CLOSED_ID, session_id)))]


@pytest.fixture
def tape() -> Tape:
    made = Tape()
    made.record(ID_A, conversation(ID_A, "one", "two"))
    return made


def test_fifty_sessions_share_one_lane(tape: Tape):
    """Fifty sessions in random order: each has its own id everywhere, and all answers are those of its step."""
    live = [tape.open("open") for _ in range(50)]
    assert len({session.id for session, _ in live}) == 50
    assert ID_A not in {session.id for session, _ in live}
    todo = [(session, step) for session, _ in live for step in range(3)]
    random.Random(1).shuffle(todo)
    steps = dict.fromkeys((session.id for session, _ in live), 0)
    for session, _ in todo:
        word = ("one", "two", "close")[steps[session.id]]
        steps[session.id] += 1
        script = tape.say(session, word)
        if word == "close":
            head = head_of(script)
            assert head is not None
            assert head.header(CLOSED_ID) == session.id
        else:
            assert body_of(script) == f"{word} in {session.id}".encode()
    assert tape.sessions.live(now=NOW) == ()
    assert tape.lanes.unvisited() == {ID_A: (0,)}  # openings are visited by the deck, which chooses their take


def test_session_ids_come_from_the_seed(tape: Tape):
    """The same seed gives the same ids again, another seed others."""
    first = [tape.open("open")[0].id for _ in range(3)]
    assert len(set(first)) == 3
    for seed, is_same in ((7, True), (8, False)):
        other = Tape(tape.calls, tape.scripts, tape.marks, chances=Chances(seed))
        assert ([other.open("open")[0].id for _ in range(3)] == first) is is_same


def test_expires_is_rebased(tape: Tape):
    """The opening says now plus the lifetime that was left, and the session lasts that long."""
    session, script = tape.open("open")
    head = head_of(script)
    assert head is not None
    assert head.header(NEW_ID) == new_session(session.id, NOW + 1200)
    assert session.expires_at == NOW + 1200


def test_step_out_of_order_names_the_expected_one(tape: Tape):
    """A step that comes too early is told where it belongs and what was expected; the session stays where it was."""
    session, _ = tape.open("open")
    found = tape.follow(session, "two")
    assert isinstance(found, Astray)
    assert (found.step, found.fits, found.expected) == (1, 2, 1)
    text = found.text(lambda number: f"a request with the body {tape.calls[number].body.decode()!r}")
    assert "is step 2 of its recorded session" in text
    assert "step 1 of the recorded session" in text
    assert "the body 'one'" in text
    assert "recorded order" in text
    assert body_of(tape.say(session, "one")) == f"one in {session.id}".encode()


def test_unrecorded_step_fits_nothing(tape: Tape):
    """A call that no step has is told what was expected."""
    session, _ = tape.open("open")
    found = tape.follow(session, "three")
    assert isinstance(found, Astray)
    assert found.fits is None
    assert "out of step" in found.text(lambda _number: "x")


def test_step_after_the_last_is_astray():
    """After the end of the lane nothing is expected."""
    tape = Tape()
    tape.record(ID_A, conversation(ID_A)[:1])
    session, _ = tape.open("open")
    found = tape.follow(session, "more")
    assert isinstance(found, Astray)
    assert found.expected is None
    assert "ends after step 0" in found.text(lambda _number: "never asked")


def test_two_lanes_with_one_opening_part_where_they_differ():
    """A session that opened on one lane changes over to the one that its calls fit, and its id with it."""
    tape = Tape()
    tape.record(ID_A, conversation(ID_A, "one", "left"))
    tape.record(ID_B, conversation(ID_B, "one", "right"))
    session, _ = tape.open("open", take=0)
    assert body_of(tape.say(session, "one")) == f"one in {session.id}".encode()
    assert session.lane == ID_A
    assert body_of(tape.say(session, "right")) == f"right in {session.id}".encode()
    assert session.lane == ID_B
    assert isinstance(tape.follow(session, "left"), Astray)


def test_lane_is_kept_where_both_fit():
    """Two lanes with the same requests and different answers are not mixed."""
    tape = Tape()
    for session_id, text in ((ID_A, "a"), (ID_B, "b")):
        tape.record(session_id, [("open", opening(session_id)), ("one", answer(text)), ("two", answer(text))])
    for take, text in ((0, b"a"), (1, b"b")):
        session, _ = tape.open("open", take=take)
        assert [body_of(tape.say(session, word)) for word in ("one", "two")] == [text, text]


def test_lane_of_another_beginning_is_not_entered():
    """A step of a session that began otherwise does not answer, though its body is equal."""
    tape = Tape()
    tape.record(ID_A, [("open", opening(ID_A)), ("red", answer("r")), ("then", answer("after red"))])
    tape.record(ID_B, [("open", opening(ID_B)), ("blue", answer("b")), ("go", answer("after blue"))])
    session, _ = tape.open("open", take=0)
    tape.say(session, "red")
    assert isinstance(tape.follow(session, "go"), Astray)


def test_id_in_a_request_body_matches():
    """A client that repeats the id in its body is matched under the recorded id."""
    tape = Tape()
    tape.record(ID_A, [("open", opening(ID_A)), (f'{{"session":"{ID_A}"}}', answer("ok"))])
    session, _ = tape.open("open")
    assert body_of(tape.say(session, f'{{"session":"{session.id}"}}')) == b"ok"


def test_session_expires_on_the_decks_clock(tape: Tape):
    """Past its Expires a replayed session has a refusal, which stands when the recording has no answer."""
    session, _ = tape.open("open")
    place = tape.sessions.admit(call(session.id, "more"), now=NOW + 1200)
    assert place is not None
    assert isinstance(place.refusal, CallerError)
    assert b"expired" in place.refusal.body
    assert isinstance(tape.lanes.follow(place, call(session.id, "more")), Astray)


def test_recorded_refusal_plays_in_its_lane():
    """What AWS said to a call after the close was recorded, and is found after the close at replay."""
    tape = Tape()
    tape.record(ID_A, conversation(ID_A)[:1])
    late = replace(call(ID_A, "late"), position="0123456789abcdef/1")
    tape.calls.append(late)
    tape.scripts.append(answer("over", status=400))
    key = key_of(late)
    tape.lanes.add(1, key, mark=SessionMark(ID_A, 1))
    session, _ = tape.open("open")
    tape.sessions.end("chat", session.id)
    place = tape.sessions.admit(call(session.id, "late"), now=NOW)
    assert place is not None
    assert place.refusal is not None
    found = tape.lanes.follow(place, call(session.id, "late"))
    assert isinstance(found, Followed)
    assert found.number == 1


def test_sdk_attempts_follow_the_recorded_attempts():
    """Where a step was recorded with a failed attempt first, an attempt that is repeated gets what came next."""
    tape = Tape()
    tape.record(ID_A, conversation(ID_A)[:1])
    first = replace(call(ID_A, "go"), position="0123456789abcdef/1")
    tape.calls += [first, first]
    tape.scripts += [answer("busy", status=500), answer("done")]
    for number in (1, 2):
        tape.lanes.add(number, key_of(first), mark=SessionMark(ID_A, 1))
    session, _ = tape.open("open")
    numbers = []
    for _ in range(3):
        asked = replace(call(session.id, "go"), invocation_id="i-1")
        place = tape.sessions.admit(asked, now=NOW)
        assert place is not None
        found = tape.lanes.follow(place, asked)
        assert isinstance(found, Followed)
        numbers.append(found.number)
        tape.sessions.advance(found.place, found.key, invocation_id="i-1")
    assert numbers == [1, 2, 2]


def test_steps_that_were_not_kept_are_passed_over(tape: Tape):
    """A call that was not kept leaves a gap: it misses, and the calls after it play."""
    gapped = Tape(tape.calls, tape.scripts, tape.marks)
    for number in (0, 2, 3):
        gapped.lanes.add(number, key_of(tape.calls[number]), mark=tape.marks[number])
    session, _ = gapped.open("open")
    found = gapped.follow(session, "one")
    assert isinstance(found, Astray)
    assert (found.step, found.expected, found.fits) == (2, 2, None)
    assert [body_of(gapped.say(session, word)) for word in ("two", "close")] == [
        f"two in {session.id}".encode(),
        b"bye",
    ]


def test_joined_session_replays_under_its_own_id():
    """A session that was open before recording began is found by the id that the program uses."""
    tape = Tape()
    tape.calls.append(replace(call("fixed-session", "go"), position="joined/0"))
    tape.scripts.append(answer("ok"))
    tape.lanes.add(0, key_of(tape.calls[0]), mark=SessionMark("fixed-session", 0))
    asked = call("fixed-session", "go")
    assert tape.lanes.joined("other") is None
    lane = tape.lanes.joined("fixed-session")
    assert lane is not None
    tape.sessions.join(asked, "fixed-session", now=NOW, lane=lane)
    place = tape.sessions.admit(asked, now=NOW)
    assert place is not None
    assert isinstance(tape.lanes.follow(place, asked), Followed)


def test_unvisited_steps_are_known(tape: Tape):
    """What no session played is listed by lane."""
    session, _ = tape.open("open")
    tape.lanes.visit(ID_A, 0)
    tape.say(session, "one")
    assert tape.lanes.unvisited() == {ID_A: (2, 3)}
    assert tape.lanes.has(ID_A)
    assert not tape.lanes.has(ID_B)


# --- ids in answers ---


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("{id}", "{new}"),
        ('{{"s":"{id}","t":"{id}"}}', '{{"s":"{new}","t":"{new}"}}'),
        ("x{id}", "x{id}"),
        ("{id}-1", "{id}-1"),
        ("_{id}", "_{id}"),
        ("/{id}/", "/{new}/"),
    ],
)
def test_id_is_exchanged_as_a_whole_token(before: str, after: str):
    """Only an id with nothing of an id beside it is one."""
    script = relabel_script(answer(before.format(id=ID_A)), ID_A, new=ID_B)
    assert body_of(script).decode() == after.format(id=ID_A, new=ID_B)


def test_short_id_is_exchanged_in_headers_only():
    """A container that counts its sessions does not get its figures exchanged."""
    script = relabel_script(answer('{"label":1}', (CLOSED_ID, "1")), "1", new=ID_B)
    head = head_of(script)
    assert head is not None
    assert head.header(CLOSED_ID) == ID_B
    assert body_of(script) == b'{"label":1}'
    assert relabel_call(call("1", "a 1"), "1", new="2").body == b"a 1"


def test_id_cut_in_two_parts_is_exchanged():
    """An id that lies across a part's boundary is found, and the parts stay as many."""
    script = (Head(200), Chunk(f"a {ID_A[:9]}".encode()), Chunk(f"{ID_A[9:]} b".encode()), Abort("cut"))
    changed = relabel_script(script, ID_A, new="x-1")
    assert changed == (Head(200), Chunk(b"a x-1"), Chunk(b" b"), Abort("cut"))


@pytest.mark.parametrize("cut", range(len(ID_A) + 1))
def test_id_in_event_frames_is_exchanged(cut: int):
    """Frames get new lengths and checksums that decode, wherever the id was cut; broken frames stay."""
    text = f'{{"s":"{ID_A}"}}'.encode()
    at = 6 + cut
    broken = eventstream.payload_part(b"zzz")[:-1] + b"\0"
    frames = [eventstream.payload_part(text[:at]), eventstream.payload_part(text[at:]), broken]
    head = Head(200, (("Content-Type", "application/vnd.amazon.eventstream"),))
    script = (head, *(Chunk(frame) for frame in frames), End())
    changed = relabel_script(script, ID_A, new="fresh-1")
    data = [bytes(step.data) for step in changed if isinstance(step, Chunk)]
    assert data[2] == broken
    payloads = [eventstream.decode(one).payload for one in data[:2]]
    assert b"".join(payloads) == b'{"s":"fresh-1"}'
    assert eventstream.decode(data[0]).headers == eventstream.decode(frames[0]).headers


def test_answer_without_the_id_is_unchanged():
    """What does not name the id is passed on as it is, bytes and boundaries."""
    script = (Head(200), Chunk(b"a"), Chunk(b"b"), End())
    assert relabel_script(script, ID_A, new=ID_B) == script

"""Request ids of a deck whose seed was given: each request's own, whatever came between."""

from __future__ import annotations

from hashlib import sha256

import pytest

from sagetape.core.chance import Chances
from sagetape.core.deck import Deck, DeckSettings, Forward
from sagetape.core.endpoints import Endpoint
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.modes import mode_for
from sagetape.core.routing import Router
from sagetape.core.rules import ScrubRules
from sagetape.core.scrub import Scrubber
from sagetape.core.wire import Call, head_of, whole
from sagetape.shell.library import Shelf

NOW = 1_800_000_000.0
F = ("function:models:chat",)


def deck_of(*, is_seeded: bool = True) -> Deck:
    return Deck(
        name="default",
        settings=DeckSettings(mode=mode_for("none", had_recordings=False), is_seeded=is_seeded),
        library=Shelf(()),
        matcher=Matcher(MatchRules()),
        scrubber=Scrubber(ScrubRules(), account="123456789012"),
        router=Router([Endpoint("chat", F, sessions=True)], is_virtual=True),
        chances=Chances(7),
        is_remote=lambda spec: False,
    )


def call(body: str, session: str = "") -> Call:
    members = {"SessionId": session} if session else {}
    return Call("InvokeEndpoint", "chat", members, body.encode(), sha256(body.encode()).digest(), request_id="counted")


def ask(deck: Deck, body: str, session: str = "") -> tuple[str, str | None]:
    """The request id, and the session that was opened."""
    forward = deck.decide(call(body, session), now=NOW)
    assert isinstance(forward, Forward)
    done = deck.complete(forward, whole(200, (), b"{}"), now=NOW, source="test", synthetic=True)
    head = head_of(done.script)
    assert head is not None
    opened = head.header("X-Amzn-SageMaker-New-Session-Id")
    assert forward.call.request_id == forward.entry.request_id
    return forward.entry.request_id, None if opened is None else opened.partition(";")[0]


@pytest.mark.parametrize("order", ["abab", "aabb", "bbaa", "baab"])
def test_equal_words_of_two_sessions_keep_their_ids(order: str) -> None:
    """The same word twice in each of two sessions: an id belongs to a session and a step, not to the interleaving."""
    deck = deck_of()
    sessions = {name: ask(deck, f"open {name}", "NEW_SESSION")[1] for name in "ab"}
    found: dict[str, list[str]] = {"a": [], "b": []}
    for name in order:
        found[name].append(ask(deck, "again", str(sessions[name]))[0])
    plain = deck_of()
    other = {name: ask(plain, f"open {name}", "NEW_SESSION")[1] for name in "ab"}
    assert other == sessions
    assert {name: [ask(plain, "again", str(other[name]))[0] for _ in range(2)] for name in "ab"} == found


def test_refused_calls_are_named_too() -> None:
    """An id that is not accepted, the same in every run; none is drawn where no seed was given."""
    ids = []
    for _ in range(2):
        deck = deck_of()
        deck.decide(call("x", "nobody"), now=NOW)
        ids.append(deck.journal.entries[0].request_id)
    assert ids[0] == ids[1] != "counted"
    plain = deck_of(is_seeded=False)
    plain.decide(call("x", "nobody"), now=NOW)
    assert plain.journal.entries[0].request_id == "counted"


def test_reset_deck_is_as_new() -> None:
    """Ids, sessions, routes' counts and listeners' entries begin again."""
    deck = deck_of()
    told: list[int] = []
    deck.journal.listeners.append(lambda entry: told.append(entry.number))
    first = [ask(deck, word) for word in ("x", "x", "y")]
    deck.reset()
    assert [ask(deck, word) for word in ("x", "x", "y")] == first
    assert told == [1, 2, 3, 1, 2, 3]
    assert deck.journal.counts == {"live": 3}

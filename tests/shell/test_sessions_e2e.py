"""Stateful sessions as boto3 meets them, over every upstream that can keep one, and what their ids are worth.

The life of a session against the real container, recorded and replayed fifty times, is in
`tests/contract/test_session_life.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from admin_calls import TOKEN, AdminCalls
from botocore.exceptions import ClientError
from e2e_clients import client_of, closed_clients, invoke, stream  # noqa: F401 - a fixture
from tests.models.running import running

from sagetape import Emulator

HERE = Path(__file__).parent
REMEMBERS = "function:e2e_models:remembers"
ENDPOINTS: dict[str, Any] = {
    "own": {"upstream": REMEMBERS},
    "other": {"upstream": REMEMBERS},
    "default": {"upstream": "function:e2e_models:echo", "sessions": True},
    "stateless": {"upstream": "function:e2e_models:echo"},
    "spread": {"upstream": "function:e2e_models:echo", "sessions": True, "instances": 5},
    "ab": {
        "variants": {"blue": {"weight": 1, "instances": 2}, "green": {"weight": 1, "instances": 2}},
        "upstream": "function:e2e_models:echo",
        "sessions": True,
    },
}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("SAGETAPE_TOKEN", TOKEN)
    with Emulator(endpoints=ENDPOINTS, python_path=HERE, clock="virtual", seed=7) as opened:
        yield opened


@pytest.fixture
def client(emulator: Emulator) -> Any:
    return client_of(emulator)


def opened(client: Any, endpoint: str, body: bytes = b"open") -> str:
    """The id of a new session."""
    value: str = invoke(client, endpoint, body, SessionId="NEW_SESSION")["NewSessionId"]
    return value.partition(";")[0]


def refused(client: Any, endpoint: str, session: str) -> str:
    """The text with which an id is refused, a ValidationError."""
    with pytest.raises(ClientError) as caught:
        invoke(client, endpoint, b"more", SessionId=session)
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    return str(caught.value.response["Error"]["Message"])


# --- who keeps them -------------------------------------------------------------------------------------------------


def test_function_keeps_sessions_apart_and_closes_them(client: Any) -> None:
    """Two at once; the close passes through, and the id is worth nothing afterwards."""
    first, second = opened(client, "own"), opened(client, "own")
    for word in (b"a", b"b"):
        invoke(client, "own", word, SessionId=first)
    assert json.loads(invoke(client, "own", b"c", SessionId=second)["Body"])["said"] == ["c"]
    answer = invoke(client, "own", b"CLOSE", SessionId=first)
    assert answer["ClosedSessionId"] == first
    assert json.loads(answer["Body"])["said"] == ["a", "b"]
    assert "closed" in refused(client, "own", first)
    assert json.loads(invoke(client, "own", b"d", SessionId=second)["Body"])["said"] == ["c", "d"]


def test_built_in_default_opens_and_closes(emulator: Emulator, client: Any) -> None:
    """For a model without sessions whose endpoint declares them: AWS's own words, twenty minutes."""
    answer = invoke(client, "default", b'{"requestType":"NEW_SESSION"}', SessionId="NEW_SESSION")
    session = answer["NewSessionId"].partition(";")[0]
    assert answer["Body"] == f"Session {session} created".encode()
    (told,) = AdminCalls(emulator.base_url).get("/decks/default/sessions").json["sessions"]
    assert told["expires_at"] - told["opened_at"] == pytest.approx(1200, abs=1)
    assert json.loads(invoke(client, "default", b"x", SessionId=session)["Body"])["session"] == session
    assert invoke(client, "default", b'{"requestType":"CLOSE"}', SessionId=session)["ClosedSessionId"] == session


def test_stateless_model_gets_no_session_invented(emulator: Emulator, client: Any) -> None:
    """NEW_SESSION reaches it, and its answer passes as it is."""
    answer = invoke(client, "stateless", SessionId="NEW_SESSION")
    assert "NewSessionId" not in answer
    assert json.loads(answer["Body"])["session"] == "NEW_SESSION"
    assert AdminCalls(emulator.base_url).get("/decks/default/sessions").json["sessions"] == []


def test_fifty_sessions_of_a_recorded_function_replay_at_once(tmp_path: Path) -> None:
    """Fresh ids, none twice; the recorded id in the body is the fresh one; equal again with one seed."""
    cassette = tmp_path / "own.tape"
    with Emulator(record_to=cassette, mode="all", endpoints=ENDPOINTS, python_path=HERE) as emulator:
        client = client_of(emulator)
        session = opened(client, "own")
        for word in (b"a", b"b"):
            invoke(client, "own", word, SessionId=session)
        invoke(client, "own", b"CLOSE", SessionId=session)
        client.close()

    def life(client: Any) -> str:
        answer = invoke(client, "own", b"open", SessionId="NEW_SESSION")
        fresh: str = answer["NewSessionId"].partition(";")[0]
        assert json.loads(answer["Body"])["id"] == fresh
        for word, said in ((b"a", ["a"]), (b"b", ["a", "b"])):
            assert json.loads(invoke(client, "own", word, SessionId=fresh)["Body"]) == {"said": said, "id": fresh}
        assert invoke(client, "own", b"CLOSE", SessionId=fresh)["ClosedSessionId"] == fresh
        assert "closed" in refused(client, "own", fresh)
        return fresh

    found = []
    for _ in range(2):
        with Emulator(cassette, is_replay=True, seed=5) as emulator:
            client = client_of(emulator)
            with ThreadPoolExecutor(50) as pool:
                found.append(set(pool.map(life, [client] * 50)))
            client.close()
    assert len(found[0]) == 50
    assert found[0] == found[1]
    assert session not in found[0]


# --- what an id is worth --------------------------------------------------------------------------------------------


def test_unknown_and_foreign_ids_are_refused(client: Any) -> None:
    """Each with its own reason; neither reaches a model."""
    session = opened(client, "own")
    assert "does not exist" in refused(client, "own", "nobody-opened-this")
    refused(client, "other", session)
    refused(client, "stateless", session)
    assert json.loads(invoke(client, "own", b"x", SessionId=session)["Body"])["said"] == ["x"]


def test_streams_continue_a_session_and_open_none(client: Any) -> None:
    session = opened(client, "own")
    assert json.loads(b"".join(stream(client, "own", b"streamed", SessionId=session)))["said"] == ["streamed"]
    with pytest.raises(ClientError) as caught:
        stream(client, "own", b"open", SessionId="NEW_SESSION")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


@pytest.mark.parametrize(
    "header",
    [
        "s-1",
        "s-1; Expires=tomorrow",
        "s-1; Expires=2099-13-01T00:00:00Z",
        "s-1;Expires=2099-01-01T00:00:00Z",
        "s-1; Expires=2099-01-01T00:00:00+01:00",
        "-s; Expires=2099-01-01T00:00:00Z",
        "s" * 240 + "; Expires=2099-01-01T00:00:00Z",
    ],
)
def test_malformed_header_of_a_model_opens_nothing(emulator: Emulator, client: Any, header: str) -> None:
    """The header is dropped with a warning in the log, the rest of the answer passes."""
    answer = invoke(client, "own", f"header:{header}".encode(), SessionId="NEW_SESSION")
    assert "NewSessionId" not in answer
    assert answer["Body"]
    assert AdminCalls(emulator.base_url).get("/decks/default/sessions").json["sessions"] == []


def test_past_expiry_of_a_model_is_a_session_that_is_over(client: Any) -> None:
    body = b"header:s-past; Expires=2001-01-01T00:00:00Z"
    assert invoke(client, "own", body, SessionId="NEW_SESSION")["NewSessionId"].startswith("s-past")
    assert "expired" in refused(client, "own", "s-past")


def test_expiry_comes_with_the_advanced_clock_to_the_second(emulator: Emulator, client: Any) -> None:
    """Through the admin API; a call does not prolong a session."""
    admin, session = AdminCalls(emulator.base_url), opened(client, "default")
    (told,) = admin.get("/decks/default/sessions").json["sessions"]
    admin.post("/decks/default/clock/set", {"instant": told["expires_at"] - 1})
    invoke(client, "default", SessionId=session)
    admin.post("/decks/default/clock/advance", {"seconds": 1})
    assert "expired" in refused(client, "default", session)


# --- where it lives -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["spread", "ab"])
def test_session_stays_with_its_instance(emulator: Emulator, client: Any, endpoint: str) -> None:
    """Other traffic in between moves nobody; another variant is refused."""
    admin = AdminCalls(emulator.base_url)
    sessions = [opened(client, endpoint) for _ in range(4)]

    def places() -> dict[str, tuple[str, int]]:
        found = admin.get("/decks/default/sessions").json["sessions"]
        return {one["id"]: (one["variant"], one["instance"]) for one in found}

    before = places()
    assert len(set(before.values())) > 1
    for number in range(12):
        invoke(client, endpoint, b"%d" % number)
        session = sessions[number % 4]
        assert (
            invoke(client, endpoint, b"%d" % number, SessionId=session)["InvokedProductionVariant"]
            == before[session][0]
        )
    assert places() == before
    if endpoint == "ab":
        other = {"blue": "green", "green": "blue"}[before[sessions[0]][0]]
        with pytest.raises(ClientError):
            invoke(client, "ab", SessionId=sessions[0], TargetVariant=other)


# --- recorded from a real container ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def conversation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two conversations with the stateful container, which begin alike."""
    cassette = tmp_path_factory.mktemp("sessions") / "chat.tape"
    with running("stateful") as url, Emulator(record_to=cassette, mode="all", upstream=url) as emulator:
        client = client_of(emulator)
        for words in (("When in the course", "of human events"), ("When in the course", "we the people")):
            session = opened(client, "chat", b'{"requestType":"NEW_SESSION"}')
            for text in words:
                invoke(client, "chat", json.dumps({"text": text}).encode(), SessionId=session)
            invoke(client, "chat", b'{"requestType":"CLOSE"}', SessionId=session)
        client.close()
    return cassette


@pytest.fixture
def replaying(conversation: Path) -> Iterator[Any]:
    with Emulator(conversation, is_replay=True, clock="virtual", seed=3) as emulator:
        yield client_of(emulator)


def say(text: str) -> bytes:
    return json.dumps({"text": text}).encode()


def chat(client: Any) -> str:
    return opened(client, "chat", b'{"requestType":"NEW_SESSION"}')


def miss_text(call: Callable[[], Any]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "SagetapeMiss"
    return str(caught.value.response["Error"]["Message"])


def test_step_out_of_order_is_a_miss_that_names_the_expected_one(replaying: Any) -> None:
    """Over the wire; the session goes on where it was."""
    session = chat(replaying)
    text = miss_text(lambda: invoke(replaying, "chat", say("of human events"), SessionId=session))
    assert "When in the course" in text
    assert "turn" in json.loads(invoke(replaying, "chat", say("When in the course"), SessionId=session)["Body"])


def test_session_takes_the_lane_that_it_fits(replaying: Any) -> None:
    """Two recorded conversations begin alike: what is said next decides, for each session by itself."""
    first, second = chat(replaying), chat(replaying)
    for session in (first, second):
        invoke(replaying, "chat", say("When in the course"), SessionId=session)
    people = invoke(replaying, "chat", say("we the people"), SessionId=first)["Body"]
    events = invoke(replaying, "chat", say("of human events"), SessionId=second)["Body"]
    assert json.loads(people)["reply"] != json.loads(events)["reply"]
    for session in (first, second):
        assert invoke(replaying, "chat", b'{"requestType":"CLOSE"}', SessionId=session)["ClosedSessionId"] == session


def test_step_after_the_last_one_is_a_miss(replaying: Any) -> None:
    session = chat(replaying)
    invoke(replaying, "chat", say("When in the course"), SessionId=session)
    assert "step" in miss_text(lambda: invoke(replaying, "chat", say("something else"), SessionId=session))

"""Streams that a client inside the process leaves in the middle while they are recorded: paid for, and kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from tests.client.standin import ACCESS_KEY, SECRET_KEY, Standin, frame, stream

from sagetape import attach
from sagetape.inprocess import opened
from sagetape.inprocess.opened import DeckClosed

WORDS = "function:tests.plugin.stand_models:words"


@pytest.fixture
def service() -> Iterator[Standin]:
    standin = Standin()
    standin.script(stream([frame(b"one "), frame(b"two "), frame(b"three ")]))
    yield standin
    standin.close()


@pytest.fixture
def client(service: Standin, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent/config")
    return boto3.Session(ACCESS_KEY, SECRET_KEY, region_name="us-east-1").client(
        "sagemaker-runtime", endpoint_url=service.url, config=Config(retries={"total_max_attempts": 1})
    )


def ask(client: Any) -> Any:
    return client.invoke_endpoint_with_response_stream(EndpointName="llm", Body=b"one two three")["Body"]


def leave_after_one(client: Any) -> None:
    for _ in ask(client):
        break


def never_read(client: Any) -> None:
    ask(client)


HELD: list[Any] = []


def hold_on(client: Any) -> None:
    body = iter(ask(client))
    next(body)
    HELD.append(body)


@pytest.mark.parametrize("leave", [leave_after_one, never_read, hold_on])
@pytest.mark.parametrize(("upstream", "source"), [("", "live"), (WORDS, "local")])
def test_a_stream_left_without_a_close_is_kept(
    client: Any, tmp_path: Path, leave: Any, upstream: str, source: str
) -> None:
    """It is heard to its end at the latest when the deck is closed, counts, and replays whole."""
    path = tmp_path / "left.tape"
    more = {"upstream": upstream} if upstream else {}
    with attach(client, path, mode="once", **more) as attached:
        leave(client)
    HELD.clear()
    assert attached.failures == []
    assert attached.verdict().counts == {source: 1}
    assert attached.verdict().kept == 1
    with attach(client, path):
        assert [event["PayloadPart"]["Bytes"] for event in ask(client)] == [b"one ", b"two ", b"three "]


def test_a_call_counts_from_when_it_is_made(client: Any, tmp_path: Path) -> None:
    """A verdict in the middle of a stream says that the service was asked."""
    with attach(client, tmp_path / "t.tape", mode="once") as attached:
        body = ask(client)
        next(iter(body))
        assert attached.verdict().word == "live"
        body.close()
        assert attached.verdict().counts == {"live": 1}


def test_who_reads_on_after_the_deck_gets_the_rest(client: Any, tmp_path: Path) -> None:
    """What was read out is not lost for a client that comes back: no end that is none."""
    with attach(client, tmp_path / "t.tape", mode="once"):
        body = iter(ask(client))
        next(body)
    assert [event["PayloadPart"]["Bytes"] for event in body] == [b"two ", b"three "]


def test_who_reads_on_from_a_function_is_told(client: Any, tmp_path: Path) -> None:
    """A stream that was heard out behind its client does not end as if it were whole."""
    with attach(client, tmp_path / "t.tape", mode="once", upstream=WORDS):
        body = iter(ask(client))
        next(body)
    with pytest.raises(DeckClosed, match="which is closed"):
        next(body)


def test_a_stream_that_does_not_end_is_cut_off_and_told(
    client: Any, service: Standin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the deck waits as long as the platform would, then says what was not recorded."""
    goes_on = threading.Event()

    def endless() -> Iterator[bytes]:
        yield frame(b"one ")
        goes_on.wait(30)
        yield frame(b"two ")

    service.script(replace(stream([]), parts=endless()))
    monkeypatch.setattr(opened, "LEFT_LIMIT_S", 0.2)
    path = tmp_path / "t.tape"
    with attach(client, path, mode="once") as attached:
        leave_after_one(client)
    goes_on.set()
    assert attached.verdict().counts == {"live": 1}
    (text,) = attached.failures
    assert "An answer of llm" in text
    assert "is not recorded" in text
    assert not path.exists() or attached.verdict().kept == 0

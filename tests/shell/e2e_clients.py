"""boto3 clients for the end-to-end tests: without retries of their own, and closed when their test is over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from botocore.config import Config

from sagetape.emulator import DeckView

ONCE = Config(retries={"total_max_attempts": 1}, max_pool_connections=64)
_OPEN: list[Any] = []


def client_of(deck: DeckView, **options: Any) -> Any:
    """A client of an emulator or of one of its decks."""
    return kept(deck.client(config=ONCE, **options))


def kept(client: Any) -> Any:
    """The client itself, to be closed after the test."""
    _OPEN.append(client)
    return client


@pytest.fixture(autouse=True)
def closed_clients() -> Iterator[None]:
    """Every client of a test is closed after it."""
    yield
    while _OPEN:
        _OPEN.pop().close()


def invoke(client: Any, endpoint: str, body: bytes = b"{}", **members: Any) -> dict[str, Any]:
    """One call; its answer with the body read."""
    answer: dict[str, Any] = client.invoke_endpoint(EndpointName=endpoint, Body=body, **members)
    answer["Body"] = answer["Body"].read()
    return answer


def stream(client: Any, endpoint: str, body: bytes = b"{}", **members: Any) -> list[bytes]:
    """The parts of a stream."""
    answer = client.invoke_endpoint_with_response_stream(EndpointName=endpoint, Body=body, **members)
    with closing(answer["Body"]) as events:
        return [event["PayloadPart"]["Bytes"] for event in events]

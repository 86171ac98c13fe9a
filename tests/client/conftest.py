"""A stand-in for the service, and clients that cannot wait."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from sagetape_client.chances import Chances
from sagetape_client.invoker import Client
from tests.client.standin import ENVIRON, Standin


class Waits:
    """Clocks that stand still but for the waits asked of them, which are kept."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.now_s = 1_700_000_000.0

    def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        self.now_s += seconds

    def chances(self) -> Chances:
        return Chances(now=lambda: self.now_s, monotonic=lambda: self.now_s, sleep=self.sleep, random=lambda: 0.5)


@pytest.fixture(scope="session")
def shared() -> Iterator[Standin]:
    """One server for all tests of a process; each test finds it as new (`service`)."""
    standin = Standin()
    yield standin
    standin.close()


@pytest.fixture
def service(shared: Standin) -> Standin:
    """The server, with nothing arrived and nothing scripted."""
    shared.reset()
    return shared


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture(scope="session")
def through_boto(shared: Standin) -> Iterator[Client]:
    """One client over boto3 for all tests of a process, for making one takes long."""
    with pytest.MonkeyPatch.context() as patch:
        clear_environment(patch)
        made = make_client(shared, Waits(), through="boto")
        made.invoke("e", b"x")
    yield made
    made.close()


@pytest.fixture(params=["light", "boto"])
def client(request: pytest.FixtureRequest, service: Standin, waits: Waits) -> Iterator[Client]:
    """The client over each of its transports."""
    if request.param == "light":
        with make_client(service, waits) as made:
            yield made
        return
    made = request.getfixturevalue("through_boto")
    service.reset()
    made.chances = Chances(monotonic=lambda: waits.now_s, sleep=waits.sleep, random=lambda: 0.5)
    made.history.clear()
    yield made


@pytest.fixture
def light(service: Standin, waits: Waits) -> Iterator[Client]:
    """The client over the light transport."""
    made = make_client(service, waits, through="light")
    yield made
    made.close()


def make_client(service: Standin, waits: Waits, *, through: str = "light", **options: Any) -> Client:
    """A client of the stand-in. `boto` is chosen by a client configuration that changes nothing."""
    chances = Chances(monotonic=lambda: waits.now_s, sleep=waits.sleep, random=lambda: 0.5)
    if through == "boto":
        options = {
            "client_config": {"user_agent_appid": "test"},
            "endpoint_url": service.url,
            "region": "us-east-1",
            "credential": (ENVIRON["AWS_ACCESS_KEY_ID"], ENVIRON["AWS_SECRET_ACCESS_KEY"]),
        } | options
    return Client(environ=service.environ(), chances=chances, **options)


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A process environment without anything of this machine's AWS."""
    clear_environment(monkeypatch)
    return dict(ENVIRON)


def clear_environment(patch: pytest.MonkeyPatch) -> None:
    """Only a stand-in's keys and region are left."""
    for name in [n for n in os.environ if n.startswith(("AWS_", "SAGETAPE_"))]:
        patch.delenv(name)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        patch.delenv(name, raising=False)
    for name, value in ENVIRON.items():
        patch.setenv(name, value)

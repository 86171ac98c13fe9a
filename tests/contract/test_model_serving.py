"""Multi-model endpoints, pipelines, direct containers and components with boto3, against real containers."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.models.running import running

from sagetape import Emulator

TWO = 2


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    """A multi-model container that holds two models."""
    with running("multi_model", "--capacity", str(TWO)) as url:
        yield url


def ask(client: Any, model: str | None, endpoint: str = "many") -> dict[str, Any]:
    target = {} if model is None else {"TargetModel": model}
    body = b'{"prompt":"When","max_tokens":3}'
    found = client.invoke_endpoint(EndpointName=endpoint, ContentType="application/json", Body=body, **target)
    answer: dict[str, Any] = json.loads(found["Body"].read())
    return answer


def loaded(container: str) -> int:
    """How many models the container holds."""
    with urllib.request.urlopen(f"{container}/models") as answer:
        return len(json.load(answer)["models"])


def test_models_are_loaded_on_demand_and_make_room(container: str) -> None:
    """Five models through a container that holds two: it says 507, the least recently used leaves, all answer."""
    endpoints = {"many": {"multi_model": {"upstream": [container]}}}
    with Emulator(endpoints=endpoints) as emulator:
        client = emulator.client()
        for model in ("a", "b", "a", "c", "d", "e", "a"):
            assert ask(client, model)["model"] == model
            assert 1 <= loaded(container) <= TWO


def test_declared_capacity_unloads_before_the_container_is_full(container: str) -> None:
    """With a capacity of one the container never holds more than what was there and one."""
    endpoints = {"many": {"multi_model": {"upstream": [container], "capacity": 1, "models": ["x", "y"]}}}
    with Emulator(endpoints=endpoints) as emulator:
        client = emulator.client()
        assert [ask(client, model)["model"] for model in ("x", "y", "x")] == ["x", "y", "x"]
        with pytest.raises(ClientError, match="Failed to download model data"):
            ask(client, "z")
        with pytest.raises(ClientError, match="is missing a target model header"):
            ask(client, None)


def test_container_that_lost_a_model_is_told_to_load_it(container: str) -> None:
    """Somebody unloads a model behind the emulator's back: one call fails, the next is answered."""
    endpoints = {"many": {"multi_model": {"upstream": [container]}}}
    with Emulator(endpoints=endpoints) as emulator:
        client = emulator.client()
        ask(client, "lost")
        with urllib.request.urlopen(f"{container}/models") as answer:
            names = [one["modelName"] for one in json.load(answer)["models"]]
        for name in names:
            urllib.request.urlopen(urllib.request.Request(f"{container}/models/{name}", method="DELETE")).close()
        with pytest.raises(ClientError, match="ModelError"):
            ask(client, "lost")
        assert ask(client, "lost")["model"] == "lost"


STAGES = {
    "containers": {
        "first": {"upstream": "function:tests.models.stages:first"},
        "second": {"upstream": "function:tests.models.stages:second"},
    }
}


def invoke(client: Any, body: bytes, **members: str) -> bytes:
    found: bytes = client.invoke_endpoint(EndpointName="e", Body=body, **members)["Body"].read()
    return found


def test_pipeline_passes_the_answer_on() -> None:
    """The answer of one container is the request of the next; the failing one is named; a large hop is refused."""
    with Emulator(endpoints={"e": STAGES}) as emulator:
        client = emulator.client()
        assert invoke(client, b"in") == b"second(first(in))"
        with pytest.raises(ClientError, match=r"server error \(500\) from second with message"):
            invoke(client, b"fail second")
        with pytest.raises(ClientError, match="request payload from first to second is 6000000 bytes"):
            invoke(client, b"grow")


def test_direct_call_reaches_the_named_container() -> None:
    """Only the container that is named runs, and errors name it."""
    with Emulator(endpoints={"e": {**STAGES, "container_mode": "direct"}}) as emulator:
        client = emulator.client()
        assert invoke(client, b"in", TargetContainerHostname="second") == b"second(in)"
        with pytest.raises(ClientError, match="requires a target container hostname"):
            invoke(client, b"in")
        with pytest.raises(ClientError, match="no container with hostname third"):
            invoke(client, b"in", TargetContainerHostname="third")

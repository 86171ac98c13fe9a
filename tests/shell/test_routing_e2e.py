"""Routing as boto3 meets it: every kind of endpoint, every wrong combination, and who served what."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import e2e_models
import pytest
from admin_calls import TOKEN, AdminCalls
from botocore.exceptions import ClientError
from e2e_clients import client_of, closed_clients, invoke, stream  # noqa: F401 - a fixture
from tests.models.running import running

from sagetape import Emulator

HERE = Path(__file__).parent
ECHO = "function:e2e_models:echo"
GATED = "function:e2e_models:gated"
ENDPOINTS: dict[str, Any] = {
    "plain": {"upstream": ECHO},
    "ab": {"variants": {"blue": {"weight": 9}, "green": {"weight": 1}}, "upstream": ECHO},
    "pipeline": {
        "containers": {
            "one": {"upstream": "function:e2e_models:first"},
            "two": {"upstream": "function:e2e_models:second"},
        }
    },
    "clogged": {
        "containers": {
            "one": {"upstream": "function:e2e_models:large"},
            "two": {"upstream": "function:e2e_models:second"},
        }
    },
    "broken": {
        "containers": {
            "one": {"upstream": "function:e2e_models:first"},
            "two": {"upstream": "function:e2e_models:raises"},
        }
    },
    "direct": {
        "container_mode": "direct",
        "containers": {
            "one": {"upstream": "function:e2e_models:first"},
            "two": {"upstream": "function:e2e_models:second"},
        },
    },
    "many": {"multi_model": {"upstream": ECHO, "models": ["de.tar.gz", "fr.tar.gz"], "load_s": 90.0, "capacity": 1}},
    "llm": {
        "components": {
            "chat": {"upstream": GATED, "copies": 1},
            "idle": {"upstream": ECHO, "copies": 0, "scale_up_s": 120.0},
            "tuned": {"adapter_of": "chat"},
        }
    },
    "mirrored": {"upstream": ECHO, "shadow": {"upstream": "function:e2e_models:shadow"}},
    "serverless": {"upstream": ECHO, "serverless": {"cold_start_s": 20.0, "idle_s": 300.0, "max_concurrency": 1}},
    "busy": {"upstream": GATED, "serverless": {"max_concurrency": 1}},
    "later": {"upstream": ECHO, "async": True},
    "empty": {},
}


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulator]:
    monkeypatch.setenv("SAGETAPE_TOKEN", TOKEN)
    with Emulator(endpoints=ENDPOINTS, python_path=HERE, clock="virtual", seed=7) as opened:
        yield opened


@pytest.fixture
def client(emulator: Emulator) -> Any:
    return client_of(emulator)


def refused(client: Any, endpoint: str, **members: Any) -> tuple[int, str, str]:
    """Status, code and text of an error."""
    with pytest.raises(ClientError) as caught:
        invoke(client, endpoint, **members)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


# --- wrong combinations ---------------------------------------------------------------------------------------------

MODEL = {"TargetModel": "de.tar.gz"}
HOST = {"TargetContainerHostname": "one"}
COMPONENT = {"InferenceComponentName": "chat"}


@pytest.mark.parametrize(
    ("endpoint", "members", "said"),
    [
        ("nobody", {}, "not found"),
        ("plain", MODEL, "target model header"),
        ("plain", HOST, "ontainer"),
        ("plain", COMPONENT, "omponent"),
        ("plain", {"TargetVariant": "blue"}, "ariant"),
        ("ab", {"TargetVariant": "red"}, "ariant"),
        ("pipeline", MODEL, "target model header"),
        ("pipeline", HOST, "ontainer"),
        ("pipeline", COMPONENT, "omponent"),
        ("direct", {}, "ontainer"),
        ("direct", {"TargetContainerHostname": "three"}, "ontainer"),
        ("direct", {**HOST, **MODEL}, "target model header"),
        ("direct", {**HOST, **COMPONENT}, "omponent"),
        ("many", {}, "is missing a target model header"),
        ("many", {"TargetModel": "es.tar.gz"}, "es.tar.gz"),
        ("many", {**MODEL, **HOST}, "ontainer"),
        ("many", {**MODEL, **COMPONENT}, "omponent"),
        ("llm", {}, "omponent"),
        ("llm", {"InferenceComponentName": "none"}, "omponent"),
        ("llm", {**COMPONENT, **MODEL}, "target model header"),
        ("llm", {**COMPONENT, **HOST}, "ontainer"),
        ("later", {}, "ynchronous"),
    ],
)
def test_wrong_combination_has_the_platforms_error(
    client: Any, endpoint: str, members: dict[str, str], said: str
) -> None:
    """A ValidationError with its own text, at once, and no model is asked."""
    status, code, text = refused(client, endpoint, **members)
    assert (status, code) == (400, "ValidationError")
    assert said in text


# --- variants and instances -----------------------------------------------------------------------------------------


def test_weights_are_followed_and_told(emulator: Emulator, client: Any) -> None:
    """Each answer names its variant; the admin API's shares are those that were counted here."""
    served = Counter(invoke(client, "ab", b"%d" % n)["InvokedProductionVariant"] for n in range(60))
    blue, green = AdminCalls(emulator.base_url).get("/decks/default/shares").json["endpoints"]["ab"]
    assert {"blue": blue["drawn"], "green": green["drawn"]} == served
    assert green["actual"] == served["green"] / 60
    assert invoke(client, "ab", TargetVariant="green")["InvokedProductionVariant"] == "green"


def instances_at_once(emulator: Emulator, endpoint: str, bodies: list[bytes], **members: str) -> list[int]:
    """The calls that each instance has in hand while all of them wait in the model."""
    client, gates = client_of(emulator), [e2e_models.Gate() for _ in bodies]
    for body, gate in zip(bodies, gates, strict=True):
        e2e_models.GATES[body.decode()] = gate
    with ThreadPoolExecutor(len(bodies)) as pool:
        waiting: list[Future[Any]] = []
        for body, gate in zip(bodies, gates, strict=True):
            waiting.append(pool.submit(invoke, client, endpoint, body, **members))
            gate.await_arrivals(1)
        plan = emulator.player.deck.router._plans[endpoint]
        pools = emulator.on_loop(lambda: [list(one.outstanding) for one in plan._pools.values()])
        for body, gate in zip(bodies, gates, strict=True):
            gate.opened.set()
            del e2e_models.GATES[body.decode()]
        for one in waiting:
            one.result()
    return pools[0]


@pytest.mark.parametrize(
    ("strategy", "options", "outstanding"),
    [
        ("LEAST_OUTSTANDING_REQUESTS", {}, [2, 2, 2]),
        ("ROUND_ROBIN", {}, [2, 2, 2]),
        ("PREFIX_AWARE", {"concurrency_threshold": 2}, [2, 2, 2]),
        ("PREFIX_AWARE", {"concurrency_threshold": 4}, [1, 1, 4]),
    ],
)
def test_strategy_spreads_calls_in_flight(strategy: str, options: dict[str, int], outstanding: list[int]) -> None:
    """Six calls with one beginning at once on three instances; a prefix spills over at its threshold."""
    routing = {"strategy": strategy, **options}
    endpoints = {"spread": {"upstream": GATED, "instances": 3, "routing": routing}}
    bodies = [b"p" * 1024 + b"%d" % n for n in range(6)]
    with Emulator(endpoints=endpoints, python_path=HERE, clock="virtual", seed=7) as emulator:
        assert sorted(instances_at_once(emulator, "spread", bodies, PrefixAwareId="same")) == outstanding


def test_random_instances_are_the_seeds() -> None:
    """Twice the same with one seed, and not all on one instance."""
    endpoints = {"spread": {"upstream": GATED, "instances": 3, "routing": {"strategy": "RANDOM"}}}
    bodies = [b"random %d" % n for n in range(8)]
    found = []
    for _ in range(2):
        with Emulator(endpoints=endpoints, python_path=HERE, clock="virtual", seed=7) as emulator:
            found.append(instances_at_once(emulator, "spread", bodies))
    assert found[0] == found[1]
    assert sum(found[0]) == 8
    assert max(found[0]) < 8


# --- containers -----------------------------------------------------------------------------------------------------


def test_pipeline_passes_answers_on(client: Any) -> None:
    """The answer of one is the request of the next; the failing container is named; a large hop is refused."""
    assert invoke(client, "pipeline", b"x")["Body"] == b"[<x>]"
    status, code, text = refused(client, "broken")
    assert (status, code) == (424, "ModelError")
    assert "from two with message" in text
    status, code, text = refused(client, "clogged")
    assert (status, code) == (424, "ModelError")
    assert "one" in text


def test_direct_call_reaches_one_container(client: Any) -> None:
    assert invoke(client, "direct", b"x", TargetContainerHostname="two")["Body"] == b"[x]"


# --- multi-model ----------------------------------------------------------------------------------------------------


def test_load_over_a_minute_is_not_ready_while_it_goes_on(emulator: Emulator, client: Any) -> None:
    """429 after 60 virtual seconds; the next call waits for the rest of the load and is answered."""
    status, code, _ = refused(client, "many", TargetModel="de.tar.gz")
    assert (status, code) == (429, "ModelNotReadyException")
    assert json.loads(invoke(client, "many", TargetModel="de.tar.gz")["Body"])["model"] == "de.tar.gz"
    assert refused(client, "many", TargetModel="fr.tar.gz")[0] == 429  # the other one left for it
    emulator.advance(40)
    assert json.loads(invoke(client, "many", TargetModel="/fr.tar.gz")["Body"])["model"] == "/fr.tar.gz"


def test_real_load_over_a_minute_is_not_ready_while_it_goes_on() -> None:
    """The same in front of a real container, whose loads take virtual time as declared."""
    with running("multi_model", "--capacity", "1") as url:
        endpoints = {"many": {"multi_model": {"upstream": url, "load_s": 61.0}}}
        with Emulator(endpoints=endpoints, clock="virtual") as emulator:
            client = client_of(emulator)
            body = b'{"prompt":"We the","max_tokens":3}'
            for model in ("a.tar.gz", "b.tar.gz"):
                assert refused(client, "many", TargetModel=model)[1] == "ModelNotReadyException"
                assert json.loads(invoke(client, "many", body, TargetModel=model)["Body"])["model"] == model


# --- inference components, shadow, serverless -----------------------------------------------------------------------


def test_component_without_copies_scales_from_the_first_call_on(emulator: Emulator, client: Any) -> None:
    """Refused until the declared time has passed."""
    first = refused(client, "llm", InferenceComponentName="idle")
    emulator.advance(119)
    assert refused(client, "llm", InferenceComponentName="idle") == first
    emulator.advance(1)
    assert json.loads(invoke(client, "llm", InferenceComponentName="idle")["Body"])["component"] == "idle"


def test_adapter_reaches_its_base_with_headers(client: Any) -> None:
    """Those of AWS's own library for containers."""
    headers = json.loads(invoke(client, "llm", b"free", InferenceComponentName="tuned")["Body"])["headers"]
    found = {name.lower(): value for name, value in headers.items()}
    assert found["x-amzn-sagemaker-adapter-identifier"] == "tuned"
    headers = json.loads(invoke(client, "llm", b"free", InferenceComponentName="chat")["Body"])["headers"]
    assert not [name for name in headers if "adapter" in name.lower()]


def test_shadow_gets_a_copy_and_its_answer_reaches_nobody(emulator: Emulator, client: Any) -> None:
    """The client sees production's answer, whatever the shadow does."""
    assert json.loads(invoke(client, "mirrored", b"copied")["Body"])["body"] == "copied"
    assert e2e_models.SHADOW_SEEN.acquire(timeout=60)
    assert e2e_models.SHADOWED.pop() == b"copied"
    assert AdminCalls(emulator.base_url).get("/decks/default/shares").json["mirrored"] == {"mirrored": {"shadow": 1}}


def test_cold_start_is_waited_for_and_paid_again_after_idling(emulator: Emulator, client: Any) -> None:
    """In virtual time: at once for the client, in the journal for everybody."""
    for _ in range(2):
        invoke(client, "serverless")
    emulator.advance(301)
    invoke(client, "serverless")
    assert refused(client, "serverless", body=b"x" * (4 * 1024 * 1024 + 1))[0] == 413


def test_calls_over_the_concurrency_are_throttled(client: Any) -> None:
    """While one is being answered, the next is turned away."""
    gate = e2e_models.GATES["held"] = e2e_models.Gate()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(invoke, client, "busy", b"held")
        gate.await_arrivals(1)
        assert refused(client, "busy", body=b"other")[1] == "ThrottlingException"
        gate.opened.set()
        held.result()
    del e2e_models.GATES["held"]
    invoke(client, "busy", b"other")


# --- declared, recorded, and both -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Answers of two endpoints, one of which the tests declare."""
    cassette = tmp_path_factory.mktemp("mixed") / "mixed.tape"
    with Emulator(record_to=cassette, mode="all", upstream="function:e2e_models:first", python_path=HERE) as opened:
        client = client_of(opened)
        invoke(client, "plain", b"recorded")
        invoke(client, "elsewhere", b"recorded")
        client.close()
    return cassette


def test_cassette_alone_is_an_endpoint(recording: Path) -> None:
    """Nothing is declared; what was recorded exists, and what was not is a miss."""
    with Emulator(recording, clock="virtual") as emulator:
        client = client_of(emulator)
        assert invoke(client, "elsewhere", b"recorded")["Body"] == b"<recorded>"
        assert refused(client, "elsewhere", body=b"other")[1] == "SagetapeMiss"


def test_declared_and_recorded_endpoints_live_together(recording: Path) -> None:
    """A recording answers first, the declared model the rest; a name that neither knows does not exist."""
    with Emulator(recording, endpoints=ENDPOINTS, python_path=HERE, clock="virtual") as emulator:
        client = client_of(emulator)
        assert invoke(client, "plain", b"recorded")["Body"] == b"<recorded>"
        assert json.loads(invoke(client, "plain", b"other")["Body"])["body"] == "other"
        assert invoke(client, "elsewhere", b"recorded")["Body"] == b"<recorded>"
        assert refused(client, "elsewhere", body=b"other")[1] == "SagetapeMiss"
        assert refused(client, "nobody")[1] == "ValidationError"
        assert refused(client, "empty")[1] == "SagetapeMiss"
        assert [entry.source for entry in emulator.journal] == [
            "recorded",
            "live",
            "recorded",
            "miss",
            "refused",
            "miss",
        ]


def test_recorded_variant_serves_under_its_own_name(tmp_path: Path) -> None:
    """A replay without any declaration names the variant that answered when it was recorded."""
    cassette = tmp_path / "ab.tape"
    settings: dict[str, Any] = {"python_path": HERE, "seed": 7}
    with Emulator(record_to=cassette, mode="all", endpoints={"ab": ENDPOINTS["ab"]}, **settings) as emulator:
        client = client_of(emulator)
        live = [invoke(client, "ab", b"%d" % n)["InvokedProductionVariant"] for n in range(12)]
        client.close()
    with Emulator(cassette, is_replay=True) as emulator:
        client = client_of(emulator)
        assert [invoke(client, "ab", b"%d" % n)["InvokedProductionVariant"] for n in range(12)] == live


def test_sixty_four_threads_get_what_one_gets() -> None:
    """Variants, request ids and faults are each request's own, whatever the order."""
    faults = ["throttle:probability=0.3,endpoint=ab"]
    settings: dict[str, Any] = {"endpoints": ENDPOINTS, "python_path": HERE, "seed": 11, "faults": faults}

    def outcome(client: Any, number: int) -> tuple[str, str]:
        try:
            answer = invoke(client, "ab", b"%d" % number)
        except ClientError as error:
            return error.response["Error"]["Code"], error.response["ResponseMetadata"]["RequestId"]
        return answer["InvokedProductionVariant"], answer["ResponseMetadata"]["RequestId"]

    with Emulator(**settings) as emulator:
        client = client_of(emulator)
        alone = [outcome(client, number) for number in range(128)]
        client.close()
    with Emulator(**settings) as emulator:
        client, start = client_of(emulator), threading.Barrier(64)

        def pair(number: int) -> list[tuple[str, str]]:
            start.wait(60)
            return [outcome(client, 127 - number), outcome(client, number)]

        with ThreadPoolExecutor(64) as pool:
            pairs = list(pool.map(pair, range(64)))
    assert [one for _, one in pairs] == alone[:64]
    assert [one for one, _ in reversed(pairs)] == alone[64:]
    assert len({code for code, _ in alone}) == 3


def test_stream_names_its_variant_and_takes_its_route(client: Any) -> None:
    """The same rules for InvokeEndpointWithResponseStream."""
    assert b"".join(stream(client, "pipeline", b"x")) == b"[<x>]"
    with pytest.raises(ClientError, match="ariant"):
        stream(client, "ab", TargetVariant="red")

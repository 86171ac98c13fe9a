"""From a call to the place that answers it, for every kind of endpoint."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest

from sagetape.core.chance import Chances
from sagetape.core.endpoints import (
    Component,
    ContainerMode,
    ContainerSpec,
    Endpoint,
    MultiModel,
    Routing,
    Serverless,
    Shadow,
    Strategy,
    Variant,
)
from sagetape.core.errors import CallerError
from sagetape.core.models import opaque_name
from sagetape.core.pipeline import next_call
from sagetape.core.routing import HOP_MAX_BYTES, Hop, Route, Router, Sticky
from sagetape.core.wire import Call, body_of, whole

NOW = 1_800_000_000.0
F, G = ("function:models:f",), ("function:models:g",)
URL = ("http://127.0.0.1:8080",)
STREAM, ASYNC = "InvokeEndpointWithResponseStream", "InvokeEndpointAsync"


def call(endpoint: str = "e", *, body: bytes = b"{}", operation: str = "InvokeEndpoint", **members: str) -> Call:
    return Call(operation, endpoint, members, body, sha256(body).digest(), request_id="r-1")


class World:
    """A router with chance, and a time of the test's own."""

    def __init__(self, *endpoints: Endpoint, seed: int = 7) -> None:
        self.router = Router(endpoints)
        self.chances = Chances(seed)
        self.now = NOW

    def go(self, asked: Call | None = None, *, sticky: Sticky | None = None, **members: str) -> Route:
        asked = asked or call(**members)
        return self.router.route(asked, self.chances.of(asked), now=self.now, sticky=sticky)

    def visit(self, asked: Call | None = None, *, took_s: float = 0, **members: str) -> Route:
        """A whole call: route, wait, answer, finish, as on a virtual clock that does not move by itself."""
        route = self.go(asked, **members)
        self.router.finish(route, now=self.now + route.wait_s + took_s)
        return route

    def refusal(self, asked: Call | None = None, **members: str) -> CallerError:
        with pytest.raises(CallerError) as caught:
            self.go(asked, **members)
        return caught.value


def message(error: CallerError) -> str:
    body = json.loads(error.body)
    assert error.status == 400
    assert error.code == "ValidationError"
    return str(body["Message"])


# --- plain and undeclared ---


def test_undeclared_endpoint_has_the_trivial_route():
    """An endpoint that only a cassette names is no mistake here; its route is made once."""
    world = World()
    route = world.go(call("recorded"))
    assert (route.variant, route.hops, route.timeout_s, route.wait_s) == ("AllTraffic", (Hop(()),), 60, 0)
    assert world.go(call("recorded")) is route
    assert world.go(call("recorded", operation=STREAM)).timeout_s == 480
    assert world.go(call("recorded", TargetVariant="blue")).variant == "blue"
    assert world.router.declared("recorded") is None
    assert world.router.shares("recorded") == []


def test_undeclared_routes_are_bounded(monkeypatch: pytest.MonkeyPatch):
    """A client that makes up names does not fill the memory."""
    monkeypatch.setattr("sagetape.core.routing._TRIVIAL_MAX", 2)
    world = World()
    for number in range(5):
        assert world.go(call(f"e{number}")).endpoint == f"e{number}"
    assert len(world.router._trivial) <= 2


def test_plain_endpoint_has_a_ready_made_route():
    """One variant, one instance, one container: nothing is made and nothing counted per call."""
    world = World(Endpoint("e", F, timeout_s=5, stream_timeout_s=9))
    route = world.go()
    assert route is world.go()
    assert (route.hops, route.timeout_s, route.is_counted) == ((Hop(F),), 5, False)
    assert world.go(call(operation=STREAM)).timeout_s == 9


def test_asynchronous_call_has_its_own_limit():
    """Fifteen minutes, or as long as the caller says."""
    world = World(Endpoint("e", F, is_async=True))
    assert world.go(call(operation=ASYNC)).timeout_s == 900
    assert world.go(call(operation=ASYNC, InvocationTimeoutSeconds="30")).timeout_s == 30
    assert world.go(call("recorded", operation=ASYNC, InvocationTimeoutSeconds="40")).timeout_s == 40
    assert world.go(call("recorded", operation=ASYNC)).timeout_s == 900


@pytest.mark.parametrize(
    ("endpoint", "operation", "text"),
    [
        (Endpoint("e", F, is_async=True), "InvokeEndpoint", "is an asynchronous endpoint"),
        (Endpoint("e", F), ASYNC, "is not an asynchronous endpoint"),
    ],
)
def test_operation_must_fit_the_endpoint(endpoint: Endpoint, operation: str, text: str):
    """A real-time call to an asynchronous endpoint is refused, and the other way round."""
    assert text in message(World(endpoint).refusal(call(operation=operation)))


# --- wrong combinations of targets ---

MANY = Endpoint("e", multi_model=MultiModel(F, ("m.tar.gz",)))
DIRECT = Endpoint(
    "e", containers=(ContainerSpec("one", F), ContainerSpec("two", G)), container_mode=ContainerMode.DIRECT
)
SERIAL = replace(DIRECT, container_mode=ContainerMode.SERIAL)
PARTS = Endpoint("e", components=(Component("chat", F), Component("none", F, copies=0)))

REFUSED = [
    (Endpoint("e", F), {"TargetModel": "m"}, "Endpoint e is not a multi-model endpoint and does not support target mo"),
    (Endpoint("e", F), {"TargetContainerHostname": "one"}, "does not support target container hostname header"),
    (Endpoint("e", F), {"InferenceComponentName": "c"}, "does not support inference component header"),
    (Endpoint("e", F), {"TargetVariant": "blue"}, "has no production variant blue. It has: AllTraffic."),
    (MANY, {}, "Request r-1 is missing a target model header"),
    (MANY, {"TargetModel": ""}, "Request r-1 is missing a target model header"),
    (MANY, {"TargetModel": "x"}, "(bucket: sagemaker-us-east-1-123456789012, key: x). Please ensure"),
    (MANY, {"TargetModel": "m.tar.gz", "TargetContainerHostname": "one"}, "target container hostname header"),
    (MANY, {"TargetModel": "m.tar.gz", "InferenceComponentName": "one"}, "does not support inference component"),
    (DIRECT, {}, "requires a target container hostname header. It has: one, two."),
    (DIRECT, {"TargetContainerHostname": "three"}, "has no container with hostname three. It has: one, two."),
    (DIRECT, {"TargetModel": "m", "TargetContainerHostname": "one"}, "not a multi-model endpoint"),
    (DIRECT, {"TargetContainerHostname": "one", "InferenceComponentName": "c"}, "support inference component"),
    (SERIAL, {"TargetContainerHostname": "one"}, "does not run its containers in direct mode"),
    (PARTS, {}, "Inference Component Name header is required for endpoints to which you plan to deploy inference"),
    (PARTS, {"InferenceComponentName": "code"}, "has no inference component code. It has: chat, none."),
    (PARTS, {"InferenceComponentName": "none"}, "Inference Component has no capacity to process this request."),
    (PARTS, {"InferenceComponentName": "chat", "TargetModel": "m"}, "not a multi-model endpoint"),
    (PARTS, {"InferenceComponentName": "chat", "TargetContainerHostname": "m"}, "in direct mode"),
]


@pytest.mark.parametrize(("endpoint", "members", "text"), REFUSED)
def test_wrong_target_has_the_platforms_error(endpoint: Endpoint, members: dict[str, str], text: str):
    """Every combination of targets that does not fit is a 400 ValidationError that says so."""
    assert text in message(World(endpoint).refusal(call(**members)))


@pytest.mark.parametrize(
    ("endpoint", "members", "code"),
    [
        (Endpoint("e", F), {"TargetModel": "m"}, "TARGET_MODEL_HEADER_NOT_SUPPORTED"),
        (PARTS, {}, "INFERENCE_COMPONENT_NAME_MISSING"),
    ],
)
def test_known_error_codes_are_sent(endpoint: Endpoint, members: dict[str, str], code: str):
    """Where AWS's ErrorCode was seen it stands first in the body, keys in alphabetical order."""
    error = World(endpoint).refusal(call(**members))
    assert error.body.startswith(f'{{"ErrorCode":"{code}","Message":"'.encode())


def test_empty_target_counts_as_not_sent():
    """A target header without a value chooses nothing and offends nobody."""
    assert World(Endpoint("e", F)).go(TargetModel="", TargetVariant="").hops == (Hop(F),)


# --- variants ---

AB = Endpoint("e", variants=(Variant("blue", 9, 2, F), Variant("green", 1, 1, G)))


def test_ten_thousand_calls_follow_the_weights():
    """Nine to one within five standard deviations of the binomial, and the same again with the same seed."""
    runs = []
    for _ in range(2):
        world = World(AB)
        runs.append([world.visit(call(body=str(number).encode())).variant for number in range(10_000)])
    assert runs[0] == runs[1]
    assert abs(Counter(runs[0])["green"] - 1000) < 5 * (10_000 * 0.1 * 0.9) ** 0.5
    other = World(AB, seed=8)
    assert [other.visit(call(body=str(number).encode())).variant for number in range(10_000)] != runs[0]


def test_equal_calls_follow_the_weights():
    """The same request over and over is spread as well: each time it occurs is another draw."""
    world = World(AB)
    counted = Counter(world.visit().variant for _ in range(10_000))
    assert abs(counted["green"] - 1000) < 5 * (10_000 * 0.1 * 0.9) ** 0.5


def test_shares_tell_expected_from_actual():
    """Calls that name their variant are counted apart from those that were given one."""
    world = World(AB)
    for number in range(100):
        world.visit(call(body=str(number).encode()))
    for _ in range(50):
        world.visit(call(TargetVariant="green"))
    blue, green = world.router.shares("e")
    assert (blue.expected, green.expected) == (0.9, 0.1)
    assert blue.drawn + green.drawn == 100
    assert green.calls == green.drawn + 50


def test_named_variant_serves():
    """TargetVariant overrides the weights, also for a variant without any."""
    world = World(replace(AB, variants=(AB.variants[0], Variant("zero", 0, 1, G))))
    assert {world.visit(call(body=bytes([n]))).variant for n in range(100)} == {"blue"}
    route = world.go(TargetVariant="zero")
    assert (route.variant, route.hops) == ("zero", (Hop(G),))


def test_session_is_led_to_its_instance():
    """A bound call is not drawn, and naming another variant is refused."""
    world = World(AB)
    sticky = Sticky("s-1", "blue", 1)
    assert {(r.variant, r.instance) for r in (world.go(sticky=sticky) for _ in range(20))} == {("blue", 1)}
    assert world.go(sticky=sticky, TargetVariant="blue").instance == 1
    with pytest.raises(CallerError, match="held by variant blue"):
        world.go(sticky=sticky, TargetVariant="green")
    assert World().go(call("recorded"), sticky=sticky).variant == "blue"


# --- instances ---


def instances(strategy: Strategy, count: int = 3, **options: int) -> World:
    routing = Routing(strategy, **options)
    return World(Endpoint("e", F, instances=count, routing=routing))


def test_round_robin_takes_turns():
    """One instance after the other, and from the beginning again."""
    world = instances(Strategy.ROUND_ROBIN)
    assert [world.visit().instance for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_least_outstanding_takes_the_idle_one():
    """An instance that is still at work is passed over until its call is finished."""
    world = instances(Strategy.LEAST_OUTSTANDING_REQUESTS)
    slow = world.go()
    assert [world.visit().instance for _ in range(4)] == [1, 2, 1, 2]
    world.router.finish(slow, now=NOW)
    assert 0 in [world.visit().instance for _ in range(3)]


def test_random_instances_are_seeded():
    """Every instance has its share, and the same seed chooses the same ones."""
    runs = [[instances(Strategy.RANDOM).visit(call(body=bytes([n]))).instance for n in range(200)] for _ in range(2)]
    assert runs[0] == runs[1]
    assert set(runs[0]) == {0, 1, 2}


def test_equal_prefix_goes_to_one_instance():
    """The same beginning and the same id lead to the same instance, whatever follows; ids spread over all."""
    world = instances(Strategy.PREFIX_AWARE, 4, concurrency_threshold=1000)
    prefix = b"p" * 1024
    found = {world.visit(call(body=prefix + bytes([n]), PrefixAwareId="a")).instance for n in range(50)}
    assert len(found) == 1
    assert {world.visit(call(body=prefix, PrefixAwareId=str(n))).instance for n in range(100)} == {0, 1, 2, 3}
    assert {world.visit(call(body=bytes([n]) + prefix)).instance for n in range(100)} == {0, 1, 2, 3}


def test_prefix_spills_over_at_the_threshold():
    """When the instance of a prefix has its hands full others take over, and it is used again afterwards."""
    world = instances(Strategy.PREFIX_AWARE, 3, concurrency_threshold=2)
    held = [world.go() for _ in range(4)]
    home = held[0].instance
    assert [route.instance == home for route in held] == [True, True, False, False]
    assert held[2].instance != held[3].instance
    world.router.finish(held[0], now=NOW)
    assert world.go().instance == home


# --- containers ---


def test_pipeline_passes_every_container():
    """A serial pipeline is one hop per container, each under its own name."""
    assert World(SERIAL).go().hops == (Hop(F, hostname="one"), Hop(G, hostname="two"))


def test_direct_call_reaches_one_container():
    """The container that the call names, and no other."""
    assert World(DIRECT).go(TargetContainerHostname="two").hops == (Hop(G, hostname="two"),)


@pytest.mark.parametrize("body_bytes", [HOP_MAX_BYTES, HOP_MAX_BYTES + 1])
def test_hop_limit_names_both_containers(body_bytes: int):
    """Over 5 MB between two containers is the developer guide's text in a 424."""
    answer = whole(200, (("Content-Type", "text/csv"),), b"x" * body_bytes)
    following = next_call(call(), World(SERIAL).go(), hop_number=0, answer=answer)
    if body_bytes <= HOP_MAX_BYTES:
        assert isinstance(following, Call)
        assert (following.body, following.members["ContentType"]) == (body_of(answer), "text/csv")
        return
    assert isinstance(following, tuple)
    text = json.loads(body_of(following))["Message"]
    assert text.startswith(
        "Received response from one with status code 200. However, the request payload from one to two is 5242881 "
        "bytes, which has exceeded the maximum limit of 5 MB. See https://"
    )


# --- multi-model ---


def many(**options: object) -> World:
    upstream = options.pop("upstream", F)
    instances = options.pop("instances", 1)
    declared = MultiModel(upstream, **options)  # type: ignore[arg-type]
    return World(Endpoint("e", multi_model=declared, instances=instances))  # type: ignore[arg-type]


def test_first_call_waits_for_the_load():
    """The first call of a model waits, the next one does not, though the deck's clock stands still."""
    world = many(load_s=3.0)
    assert [world.visit(TargetModel="a").wait_s for _ in range(3)] == [3, 0, 0]
    assert world.go(TargetModel="b").wait_s == 3


def test_call_during_the_load_waits_for_the_rest():
    """A call that comes while the model is loading waits until it is there."""
    world = many(load_s=10.0)
    world.go(TargetModel="a")
    world.now += 4
    assert world.go(TargetModel="a").wait_s == 6


def test_least_recently_used_model_leaves():
    """Over the capacity the model that was not used for longest goes, and has to be loaded again."""
    world = many(load_s=3.0, capacity=2)
    waits = [world.visit(TargetModel=model).wait_s for model in ("a", "b", "a", "c", "a", "b")]
    assert waits == [3, 3, 0, 3, 0, 3]


def test_model_in_use_does_not_leave():
    """When all models in memory are at work there is no room: 429 at once."""
    world = many(capacity=1)
    held = world.go(TargetModel="a")
    refused = world.visit(TargetModel="b")
    assert refused.refusal is not None
    assert (refused.refusal.status, refused.refusal.code) == (429, "ModelNotReadyException")
    world.router.finish(held, now=NOW)
    assert world.visit(TargetModel="b").refusal is None


def test_slow_load_gives_not_ready_and_goes_on():
    """Past 60 s the caller gets a 429, and calls again until the load is through."""
    world = many(load_s=100.0)
    first = world.visit(TargetModel="a")
    assert first.wait_s == 60
    assert first.refusal is not None
    assert first.refusal.status == 429
    second = world.visit(TargetModel="a")
    assert (second.wait_s, second.refusal) == (40, None)
    assert world.visit(TargetModel="a").wait_s == 0


def test_slow_load_is_through_when_time_has_passed():
    """A call that comes after the load does not wait."""
    world = many(load_s=100.0)
    world.visit(TargetModel="a")
    world.now += 100
    assert world.visit(TargetModel="a").wait_s == 0


def test_load_is_given_up_after_six_minutes():
    """A load of more than 360 s is never through: calls go on getting 429, and the load starts over."""
    world = many(load_s=1000.0)
    for _ in range(20):
        route = world.visit(TargetModel="a")
        assert route.refusal is not None
        assert route.wait_s == 60


def test_uncached_models_are_loaded_for_every_call():
    """With the model cache off nothing stays."""
    world = many(load_s=2.0, is_cached=False)
    assert [world.visit(TargetModel="a").wait_s for _ in range(3)] == [2, 2, 2]


def test_instances_load_for_themselves():
    """Each instance has its own memory."""
    world = many(load_s=2.0, instances=2)
    assert [(r.instance, r.wait_s) for r in (world.visit(TargetModel="a") for _ in range(4))] == [
        (0, 2),
        (1, 2),
        (0, 0),
        (1, 0),
    ]


def test_real_container_is_told_to_load_and_unload():
    """In front of a container the routes carry the calls of its interface until it has confirmed them."""
    world = many(upstream=URL, capacity=1)
    name = opaque_name("a")
    route = world.go(TargetModel="a")
    assert route.hops == (Hop(URL, path=f"/models/{name}/invoke"),)
    (load,) = route.before
    assert (load.kind, load.method, load.path) == ("load", "POST", "/models")
    assert json.loads(load.body) == {"model_name": name, "url": f"/opt/ml/models/{name}/model"}
    assert world.go(TargetModel="a").before == (load,)
    world.router.loaded(route)
    assert world.go(TargetModel="a").before == ()
    for _ in range(3):
        world.router.finish(route, now=NOW)
    unload, load = world.go(TargetModel="b").before
    assert (unload.kind, unload.method, unload.path) == ("unload", "DELETE", f"/models/{name}")
    assert load.model == "b"


def test_full_container_unloads_others_first():
    """A 507 leads to unloading the least recently used, until nothing is left."""
    world = many(upstream=URL)
    for model in ("a", "b"):
        world.router.loaded(world.visit(TargetModel=model))
    route = world.go(TargetModel="c")
    assert [(action.kind, action.model) for action in world.router.refused(route)] == [("unload", "a"), ("load", "c")]
    assert [(action.kind, action.model) for action in world.router.refused(route)] == [("unload", "b"), ("load", "c")]
    assert world.router.refused(route) == ()


def test_forgotten_model_is_loaded_again():
    """A container that lost a model is told to load it."""
    world = many(upstream=URL)
    route = world.visit(TargetModel="a")
    world.router.loaded(route)
    world.router.forgotten(route)
    assert [action.kind for action in world.go(TargetModel="a").before] == ["load"]


def test_uncached_container_unloads_before_it_loads():
    """With the model cache off a real container is emptied of the model first."""
    world = many(upstream=URL, is_cached=False)
    assert [action.kind for action in world.visit(TargetModel="a").before] == ["unload", "load"]


def test_instances_of_one_container_share_its_memory():
    """Two instances in front of one real container do not load a model twice."""
    world = many(upstream=URL, instances=2)
    world.router.loaded(world.visit(TargetModel="a"))
    route = world.visit(TargetModel="a")
    assert (route.instance, route.before) == (1, ())


# --- components ---


def test_component_serves_under_its_own_log_group():
    """The component's container answers, and errors point to its logs."""
    route = World(PARTS).go(InferenceComponentName="chat")
    assert (route.component, route.hops) == ("chat", (Hop(F),))
    assert route.log_group == "/aws/sagemaker/InferenceComponents/chat"


def test_component_without_copies_scales_up():
    """The first refused call starts the scaling; after its time there is a copy, and not before."""
    world = World(Endpoint("e", components=(Component("c", F, copies=0, scale_up_s=30),)))
    for seconds in (0, 29):
        world.now = NOW + seconds
        assert "no capacity" in message(world.refusal(InferenceComponentName="c"))
    world.now = NOW + 30
    assert world.visit(InferenceComponentName="c").instance == 0


def test_component_is_scaled_by_hand():
    """Copies can be taken away and given back; each takes its turn."""
    world = World(PARTS)
    assert world.router.scale("e", "chat", copies=2)
    held = [world.go(InferenceComponentName="chat") for _ in range(4)]
    assert [route.instance for route in held] == [0, 1, 0, 1]
    assert world.router.scale("e", "chat", copies=0)
    assert "no capacity" in message(world.refusal(InferenceComponentName="chat"))
    for route in held:
        world.router.finish(route, now=NOW)
    assert not world.router.scale("e", "code", copies=1)
    assert not world.router.scale("other", "chat", copies=1)


def test_adapter_is_served_by_its_base():
    """An adapter's calls go to the base component's container, with the adapter's headers, if the base has copies."""
    base, adapter = Component("chat", URL), Component("law", adapter_of="chat", adapter_source="s3://b/law")
    world = World(Endpoint("e", components=(base, adapter)))
    route = world.visit(InferenceComponentName="law")
    headers = (("X-Amzn-SageMaker-Adapter-Identifier", "law"), ("X-Amzn-SageMaker-Adapter-Alias", "law"))
    assert route.hops == (Hop(URL, extra_headers=headers),)
    (action,) = route.before
    assert (action.method, action.path, json.loads(action.body)) == (
        "POST",
        "/adapters",
        {"name": "law", "src": "s3://b/law"},
    )
    world.router.loaded(route)
    assert world.visit(InferenceComponentName="law").before == ()
    world.router.forgotten(route)
    assert world.visit(InferenceComponentName="law").before == (action,)
    world.router.scale("e", "chat", copies=0)
    assert "no capacity" in message(world.refusal(InferenceComponentName="law"))


# --- shadow and serverless ---


def test_shadow_gets_a_copy():
    """The shadow variant has a route of its own; the caller sees the production variant."""
    route = World(Endpoint("e", F, shadow=Shadow("next", G))).go()
    assert route.variant == "AllTraffic"
    assert route.shadow is not None
    assert (route.shadow.variant, route.shadow.hops) == ("next", (Hop(G),))


def test_shadow_gets_its_share():
    """A share of a quarter is a quarter of the calls, drawn by the seed."""
    world = World(Endpoint("e", F, shadow=Shadow("next", G, share=0.25)))
    count = sum(world.visit().shadow is not None for _ in range(2000))
    assert abs(count - 500) < 5 * (2000 * 0.25 * 0.75) ** 0.5


def serverless(**options: float) -> World:
    return World(Endpoint("e", F, serverless=Serverless(**options)))  # type: ignore[arg-type]


def test_cold_start_is_paid_once():
    """The first call waits; the next finds a warm worker, until it has been idle for too long."""
    world = serverless(cold_start_s=5, idle_s=100)
    assert [world.visit().wait_s for _ in range(2)] == [5, 0]
    world.now += 100
    assert world.visit().wait_s == 0
    world.now += 106
    assert world.visit().wait_s == 5


def test_calls_at_once_start_their_own_workers():
    """Each call at once is a worker of its own, up to the concurrency, and then a throttled one."""
    world = serverless(cold_start_s=5, max_concurrency=2)
    held = [world.go() for _ in range(2)]
    assert [(route.instance, route.wait_s) for route in held] == [(0, 5), (1, 5)]
    error = world.refusal()
    assert (error.status, error.code, error.body) == (400, "ThrottlingException", b'{"message":null}')
    world.router.finish(held[1], now=NOW + 5)
    assert world.go().instance == 1


def test_slow_provisioning_gives_not_ready():
    """Past 60 s of cold start the caller gets a 429; the worker goes on starting."""
    world = serverless(cold_start_s=90)
    route = world.visit()
    assert route.wait_s == 60
    assert route.refusal is not None
    assert route.refusal.status == 429
    second = world.visit()
    assert (second.wait_s, second.refusal) == (30, None)


def test_serverless_body_is_bounded():
    """More than 4 MB is refused, exactly 4 MB is not."""
    world = serverless()
    world.visit(call(body=bytes(4 * 1024 * 1024)))
    assert world.refusal(call(body=bytes(4 * 1024 * 1024 + 1))).status == 413

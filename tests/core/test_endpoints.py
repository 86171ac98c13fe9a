"""Contradictions in declared endpoints: each is found, all are listed, and none is invented."""

from __future__ import annotations

import pytest

from sagetape.core.endpoint_rules import check, check_faults
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
from sagetape.core.faults.parsing import parse_text

F = ("function:models:f",)
PIPE = (ContainerSpec("first", F), ContainerSpec("last", F))
PREFIX = Routing(Strategy.PREFIX_AWARE)

SOUND = [
    Endpoint("churn", F),
    Endpoint("cassettes-only"),
    Endpoint("ab", variants=(Variant("blue", 9, 2, F), Variant("green", 0, 1, F))),
    Endpoint("many", multi_model=MultiModel(F, ("de.tar.gz", "team/fr.tar.gz"), load_s=3, capacity=2)),
    Endpoint("direct", containers=PIPE, container_mode=ContainerMode.DIRECT, sessions=True),
    Endpoint("pipe", containers=(PIPE[0], ContainerSpec("last", F, sessions=True)), sessions=True),
    Endpoint(
        "llm", components=(Component("chat", F, 2), Component("tuned", adapter_of="chat", adapter_source="s3://a"))
    ),
    Endpoint("zero", components=(Component("chat", F, 0, scale_up_s=30),)),
    Endpoint("shadowed", F, shadow=Shadow("next", F, 0.5)),
    Endpoint("less", F, serverless=Serverless(cold_start_s=5)),
    Endpoint("prefix", F, instances=2, routing=PREFIX),
    Endpoint("later", F, is_async=True),
]

WRONG = [
    (Endpoint("a_b", F), "'a_b' is no name"),
    (Endpoint("-a", F), "'-a' is no name"),
    (Endpoint("a" * 64, F), "is no name"),
    (Endpoint("e", F, multi_model=MultiModel(F)), "upstream and multi_model exclude each other"),
    (Endpoint("e", containers=PIPE, variants=(Variant("v", upstream=F),)), "variant v has an upstream"),
    (Endpoint("e", F, variants=(Variant("v"), Variant("v"))), "variant 'v' is there twice"),
    (Endpoint("e", F, variants=(Variant("v", 0), Variant("w", 0))), "all variants have the weight 0"),
    (Endpoint("e", F, variants=(Variant("v", -1), Variant("w"))), "variant v has the weight -1"),
    (Endpoint("e", F, variants=(Variant("v", float("nan")), Variant("w"))), "the weight nan"),
    (Endpoint("e", F, variants=(Variant("v", instances=0),)), "variant v has 0 instances"),
    (Endpoint("e", F, instances=0), "0 instances"),
    (Endpoint("e", F, instances=2, variants=(Variant("v"),)), "instances beside variants"),
    (Endpoint("e", F, routing=PREFIX), "PREFIX_AWARE with one instance"),
    (Endpoint("e", F, instances=2, routing=Routing(Strategy.PREFIX_AWARE, 10)), "prefix_bytes = 10"),
    (Endpoint("e", F, instances=2, routing=Routing(Strategy.PREFIX_AWARE, 2048, 0)), "concurrency_threshold = 0"),
    (Endpoint("e", F, container_mode=ContainerMode.DIRECT), "without containers"),
    (Endpoint("e", containers=PIPE[:1]), "1 containers"),
    (Endpoint("e", containers=(PIPE[0], PIPE[0])), "hostname 'first' is there twice"),
    (Endpoint("e", containers=PIPE, sessions=True), "no container of the pipeline opens one"),
    (Endpoint("e", containers=(ContainerSpec("a", F, sessions=True), PIPE[1])), "container a opens sessions, but only"),
    (Endpoint("e", multi_model=MultiModel(F, capacity=0)), "holds no model"),
    (Endpoint("e", multi_model=MultiModel(F, load_s=-1)), "load_s = -1"),
    (Endpoint("e", multi_model=MultiModel(F, location="bucket")), "location = 'bucket'"),
    (Endpoint("e", multi_model=MultiModel(F, ("m", "/m"))), "model 'm' is there twice"),
    (Endpoint("e", components=(Component("c", F), Component("c", F))), "component 'c' is there twice"),
    (Endpoint("e", components=(Component("c", F, -1),)), "copies = -1"),
    (Endpoint("e", components=(Component("c", F, 1, scale_up_s=3),)), "for a component with none"),
    (Endpoint("e", components=(Component("c", F), Component("t", adapter_of="d"))), "adapter_of = 'd' is not there"),
    (Endpoint("e", components=(Component("c", F, adapter_source="s3://x"),)), "without adapter_of"),
    (
        Endpoint("e", components=(Component("c", F), Component("t", adapter_of="c"), Component("u", adapter_of="t"))),
        "t is an adapter itself",
    ),
    (Endpoint("e", F, shadow=Shadow("AllTraffic", F)), "the production variant's name"),
    (Endpoint("e", F, shadow=Shadow("s", F, 1.5)), "share = 1.5"),
    (Endpoint("e", F, variants=(Variant("v"), Variant("w")), shadow=Shadow("s", F)), "2 production variants"),
    (Endpoint("e", F, serverless=Serverless(max_concurrency=0)), "max_concurrency = 0"),
    (Endpoint("e", F, serverless=Serverless(memory_mb=1000)), "memory_mb = 1000"),
    (Endpoint("e", F, serverless=Serverless(cold_start_s=-1)), "seconds from 0 on"),
    (Endpoint("e", F, serverless=Serverless(), sessions=True), "sessions need an instance"),
    (Endpoint("e", F, serverless=Serverless(), instances=2), "no instances of its own"),
    (Endpoint("e", multi_model=MultiModel(F), serverless=Serverless()), "one container. Leave multi_model out"),
    (Endpoint("e", F, timeout_s=0), "timeout_s = 0"),
    (Endpoint("e", F, stream_timeout_s=float("inf")), "stream_timeout_s = inf"),
    (Endpoint("e", F, is_async=True, sessions=True), "InvokeEndpointAsync knows no sessions"),
]


def test_sound_endpoints_have_no_problems():
    """Nothing is invented about endpoints that can be."""
    assert check(SOUND) == []


@pytest.mark.parametrize(("endpoint", "text"), WRONG, ids=[text[:40] for _, text in WRONG])
def test_contradiction_is_named_with_place_and_remedy(endpoint: Endpoint, text: str):
    """One sentence for what is wrong, beginning with the place, ending with what to do."""
    problems = check([endpoint])
    assert len(problems) == 1
    assert text in problems[0]
    assert problems[0].startswith(f"endpoints.{endpoint.name}")
    assert problems[0].endswith((".", "?"))


def test_all_problems_are_listed_at_once():
    """Every contradiction of every endpoint is there, and an endpoint declared twice as well."""
    problems = check([endpoint for endpoint, _ in WRONG])
    assert len(problems) == len(WRONG) + 1
    assert problems[0] == "endpoints: endpoint 'e' is there twice. Rename one, or leave it out."


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("throttle:endpoint=ab,variant=red", "has no variant 'red'. There are: blue, green."),
        ("throttle:endpoint=ab,variant=blu", "Did you mean 'blue'?"),
        ("throttle:endpoint=many,model=en.tar.gz", "has no model 'en.tar.gz'"),
        ("throttle:endpoint=churn,model=m", "has no model 'm'. It has none."),
        ("throttle:endpoint=llm,component=chatt", "Did you mean 'chat'?"),
    ],
)
def test_fault_that_can_never_strike_is_a_problem(text: str, problem: str):
    """A fault on a variant, model or component that a declared endpoint does not have is listed."""
    (found,) = check_faults([parse_text(text)], SOUND)
    assert problem in found


@pytest.mark.parametrize(
    "text", ["throttle", "throttle:endpoint=recorded,variant=x", "throttle:endpoint=many,model=de.tar.gz"]
)
def test_fault_that_may_strike_is_none(text: str):
    """An endpoint that is not declared may be in a cassette, with any variant."""
    assert check_faults([parse_text(text)], SOUND) == []

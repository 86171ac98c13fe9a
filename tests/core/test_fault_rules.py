"""When faults strike, and what a rule may say."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import pytest

from sagetape.core.chance import Chances
from sagetape.core.errors import ConfigError
from sagetape.core.faults import KINDS
from sagetape.core.faults.parsing import SELECTORS, parse_rule, parse_rules, parse_text, written
from sagetape.core.faults.selection import Faults, Selector
from sagetape.core.platform import Ask
from sagetape.core.routes import Route
from sagetape.core.wire import Call


def call(body: bytes = b"1,2", *, endpoint: str = "churn", **members: str) -> Call:
    return Call("InvokeEndpoint", endpoint, members, body, sha256(body).digest())


def strikes(text: str, calls: list[Call], *, seed: int = 7, variant: str = "AllTraffic") -> list[bool]:
    faults, chances = Faults(), Chances(seed)
    faults.add(parse_text(text))
    route = Route("churn", variant)
    return [faults.strike(Ask(one), route, chance=chances.of(one)) is not None for one in calls]


def places(text: str, count: int = 10) -> list[int]:
    return [place for place, struck in enumerate(strikes(text, [call()] * count), 1) if struck]


# --- selection ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("throttle", list(range(1, 11))),
        ("throttle:count=2", [1, 2]),
        ("throttle:position=3", [3]),
        ("throttle:every=3", [3, 6, 9]),
        ("throttle:after=7", [8, 9, 10]),
        ("throttle:after=2,position=1", [3]),
        ("throttle:after=1,every=4", [5, 9]),
        ("throttle:every=2,count=2", [2, 4]),
        ("throttle:after=8,count=1", [9]),
        ("throttle:probability=0", []),
        ("throttle:probability=1,count=3", [1, 2, 3]),
        ("throttle:endpoint=other", []),
    ],
)
def test_fault_strikes_in_its_places(text: str, expected: list[int]):
    """Position, cycle, delay and number count the calls that the rule considers."""
    assert places(text) == expected


def test_only_considered_calls_are_counted():
    """Calls of another endpoint do not move the place."""
    calls = [call(endpoint=name) for name in ("other", "churn", "other", "churn", "churn")]
    assert strikes("throttle:endpoint=churn,position=2", calls) == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("text", "is_struck"),
    [
        ("throttle:endpoint=churn", True),
        ("throttle:endpoint=ch*", True),
        ("throttle:endpoint=Churn", False),
        ("throttle:operation=InvokeEndpoint", True),
        ("throttle:operation=InvokeEndpointAsync", False),
        ("throttle:variant=blue", True),
        ("throttle:variant=green", False),
        ("throttle:model=m.tar.gz", True),
        ("throttle:model=n.tar.gz", False),
        ("throttle:component=chat", True),
        ("throttle:component=code", False),
        ("throttle:endpoint=churn,variant=green", False),
    ],
)
def test_fault_considers_by_target(text: str, is_struck: bool):
    """Endpoint, operation, variant, model and component restrict, each and together."""
    asked = call(TargetModel="m.tar.gz", InferenceComponentName="chat")
    assert strikes(text, [asked], variant="blue") == [is_struck]


def test_probability_is_seeded_and_even():
    """A tenth of the calls, the same ones with the same seed, others with another."""
    calls = [call(str(number).encode()) for number in range(5000)]
    found = strikes("throttle:probability=0.1", calls)
    assert abs(sum(found) - 500) < 5 * (5000 * 0.1 * 0.9) ** 0.5
    assert strikes("throttle:probability=0.1", calls) == found
    assert strikes("throttle:probability=0.1", calls, seed=8) != found


def test_probability_does_not_depend_on_the_order():
    """Which calls are struck is decided by the calls, not by when they come."""
    calls = [call(str(number % 20).encode()) for number in range(400)]
    order = list(range(400))
    random.Random(5).shuffle(order)
    shuffled = [calls[number] for number in order]

    def struck(those: list[Call]) -> Counter[bytes]:
        found = strikes("throttle:probability=0.3", those)
        return Counter(one.body for one, is_struck in zip(those, found, strict=True) if is_struck)

    assert struck(calls) == struck(shuffled)


def test_two_rules_draw_for_themselves():
    """Equal rules strike different calls: each has draws of its own."""
    faults, chances = Faults(), Chances(7)
    for _ in range(2):
        faults.add(parse_text("throttle:probability=0.5"))
    names = Counter()
    for number in range(400):
        asked = call(str(number).encode())
        struck = faults.strike(Ask(asked), Route("churn"), chance=chances.of(asked))
        names[0 if struck is None else len(struck.rules)] += 1
    assert all(abs(names[count] - expected) < 50 for count, expected in ((0, 100), (1, 200), (2, 100)))


def test_rules_are_added_and_removed():
    """A deck without rules is false; a removed rule strikes no more; tallies tell what happened."""
    faults = Faults()
    assert not faults
    rule = faults.add(parse_text("throttle:every=2"))
    assert faults
    for _ in range(5):
        faults.strike(Ask(call()), Route("churn"), chance=Chances(1).of(call()))
    tally = faults.tallies[rule.id]
    assert (tally.considered, tally.struck) == (5, 2)
    assert faults.remove(rule.id)
    assert not faults.remove(rule.id)
    assert not faults
    faults.add(rule)
    faults.clear()
    assert faults.add(replace(rule, id="")).id == "throttle-1"


def test_endpoints_without_faults_are_known(monkeypatch: pytest.MonkeyPatch):
    """Which endpoints a rule speaks of is remembered, and forgotten when the rules change."""
    monkeypatch.setattr("sagetape.core.faults.selection.CONCERNED_MAX", 2)
    faults = Faults()
    assert not faults.concern("churn")
    rule = faults.add(parse_text("throttle:endpoint=ch*"))
    assert [faults.concern(name) for name in ("churn", "other", "chat", "churn")] == [True, False, True, True]
    faults.remove(rule.id)
    assert not faults.concern("churn")
    faults.add(parse_text("throttle"))
    assert faults.concern("other")


# --- parsing ---


def test_rule_is_read_from_a_table():
    """A table's values come in the types of TOML and JSON."""
    rule = parse_rule({"fault": "latency", "seconds": 2, "endpoint": "churn", "probability": 0.5, "every": 3})
    assert (rule.fault, rule.parameters.seconds) == ("latency", 2.0)
    assert rule.selector == Selector(endpoint="churn", probability=0.5, every=3)


def test_rule_is_read_from_text():
    """The command line's form: quotes hold commas, a backslash holds quotes."""
    rule = parse_text('model-error: status=503 , text="a, \\"b\\" \\\\ c",endpoint=churn')
    assert (rule.parameters.status, rule.parameters.text) == (503, 'a, "b" \\ c')
    assert rule.selector.endpoint == "churn"
    assert parse_text("throttle") == parse_rule({"fault": "throttle"})
    assert parse_text("throttle:") == parse_rule({"fault": "throttle"})


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "no fault is named. Say fault = one of throttle,"),
        ({"fault": 3}, "no fault is named"),
        ({"fault": "throtle"}, "there is no fault 'throtle'. Did you mean 'throttle'?"),
        ({"fault": "zzz"}, "there is no fault 'zzz'. There are: throttle,"),
        ({"fault": "throttle", "endpont": "x"}, "throttle has no parameter 'endpont'. Did you mean 'endpoint'?"),
        ({"fault": "throttle", "seconds": 1}, "throttle has no parameter 'seconds'"),
        ({"fault": "throttle", "probability": 1.5}, "1.5 is out of range, which is from 0 to 1."),
        ({"fault": "throttle", "probability": "often"}, "'often' is not a number."),
        ({"fault": "throttle", "probability": True}, "True is not a number."),
        ({"fault": "throttle", "probability": float("nan")}, "nan is not a number."),
        ({"fault": "throttle", "probability": 10**400}, "is not a number."),
        ({"fault": "throttle", "every": 0}, "0 is out of range, which is from 1 to any."),
        ({"fault": "throttle", "every": 1.5}, "1.5 is not a whole number."),
        ({"fault": "throttle", "endpoint": 7}, "7 is not a text."),
        ({"fault": "throttle", "endpoint": None}, "None is not a text."),
        ({"fault": "latency", "distribution": "unifrom"}, "'unifrom' is not possible. Did you mean 'uniform'?"),
        ({"fault": "latency", "seconds": -1}, "-1 is out of range"),
        ({"fault": "throttle", "id": 4}, "throttle has no parameter 'id'"),
    ],
)
def test_wrong_rule_says_what_is_wrong(values: dict[str, object], problem: str):
    """Every problem begins with its place and names what would have worked."""
    with pytest.raises(ConfigError) as caught:
        parse_rule(values, place="sagetape.toml:31")
    (found,) = caught.value.problems
    assert found.startswith("sagetape.toml:31")
    assert problem in found


def test_all_problems_are_listed_at_once():
    """Several tables, several problems: one list."""
    tables = [{"fault": "throttle", "a": 1, "every": 0}, {"fault": "latency"}, {"fault": "nothing"}]
    with pytest.raises(ConfigError) as caught:
        parse_rules(tables)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["faults[1]", "faults[1]", "faults[3]"]
    assert len(parse_rules([{"fault": "throttle"}, {"fault": "latency"}])) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("throttle:every", "'every' has no value. Write every=VALUE."),
        ("throttle:every=1,every=2", "every is there twice"),
        (":every=1", "no fault is named"),
        ("throttle:fault=latency", "fault is there twice"),
    ],
)
def test_wrong_text_says_what_is_wrong(text: str, problem: str):
    """A text that is no rule is quoted with the problem."""
    with pytest.raises(ConfigError) as caught:
        parse_text(text)
    assert problem in str(caught.value)
    assert text in str(caught.value)


def test_rule_is_written_as_it_was_read():
    """What is listed can be read again, and says nothing that is at its default."""
    values = {"id": "mine", "fault": "latency", "endpoint": "churn", "count": 2, "distribution": "uniform", "high": 3.0}
    assert written(parse_rule(values)) == values
    assert parse_rule(written(parse_rule(values))) == parse_rule(values)


def test_selectors_are_documented():
    """Every selector has a text, and none has a default that restricts."""
    assert [row.name for row in SELECTORS][:2] == ["endpoint", "operation"]
    assert all(row.doc.endswith(".") and row.default is None and row.is_optional for row in SELECTORS)


def test_table_of_faults_is_complete():
    """All faults that the project promises are there."""
    promised = "throttle model-error model-timeout not-ready internal dependency unavailable latency bandwidth reset"
    assert list(KINDS) == [*promised.split(), "truncation", "stream-error", "checksum", "rechunk"]

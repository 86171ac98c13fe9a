"""The text of a miss: the nearest recording, the first difference, what to do; pinned word by word."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.misses import EXAMINED_MAX, SCORED_MAX, explain_miss, find_nearest, miss_text
from sagetape.core.wire import Call, Interaction, Provenance, whole

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "misses"
MATCHER = Matcher(MatchRules())
RECORDED_AT = 1_768_478_400.0  # 2026-01-15 12:00:00 UTC


@dataclass(frozen=True)
class Take:
    """A recording as a miss sees it."""

    number: int
    interaction: Interaction
    cassette: str = "tests/churn.tape"


def call(body: bytes = b'{"a":1}', content_type: str | None = "application/json", **members: str) -> Call:
    """A call with members."""
    typed = {} if content_type is None else {"ContentType": content_type}
    return Call("InvokeEndpoint", "churn", typed | members, body, hashlib.sha256(body).digest())


def recorded(*calls: Call, source: str = "aws") -> list[Take]:
    """Recordings of these calls, numbered from 1."""
    origin = Provenance(RECORDED_AT, source, "1.0")
    return [Take(number, Interaction(one, whole(200, (), b"{}"), origin)) for number, one in enumerate(calls, 1)]


def npy(array: object) -> bytes:
    """An array as numpy writes it."""
    out = io.BytesIO()
    numpy.save(out, numpy.asanyarray(array))
    return out.getvalue()


def prompt(word: str) -> bytes:
    """A long prompt that differs in one word."""
    return f'{{"inputs":"{"Tell me a story about the sea. " * 20}It begins with {word}.","seed":7}}'.encode()


NPY = "application/x-npy"
CASES: dict[str, tuple[Call, list[Take], dict[str, object]]] = {
    "number": (
        call(b'{"inputs":[{"age":42,"name":"Ann"}]}'),
        recorded(call(b'{"inputs":[{"age":10,"name":"Ann"}]}'), call(b'{"inputs":[{"age":41,"name":"Ann"}]}')),
        {"cassette_names": ["tests/churn.tape"]},
    ),
    "text": (call(prompt("rain")), recorded(call(prompt("fog")), call(b'{"other":1}')), {}),
    "model": (call(TargetModel="de.tar.gz"), recorded(call(TargetModel="fr.tar.gz"), call(b"[]")), {}),
    "accept": (call(Accept="text/csv"), recorded(call()), {}),
    "variant-and-body": (call(b"[1]", TargetVariant="blue"), recorded(call(b"[2]", TargetVariant="green")), {}),
    "operation": (replace(call(), operation="InvokeEndpointWithResponseStream"), recorded(call()), {}),
    "endpoint": (replace(call(), endpoint="churn-2"), recorded(call()), {}),
    "authentication": (replace(call(), auth="InvalidSignatureException"), recorded(call()), {}),
    "position": (replace(call(), position="3f0e/2"), recorded(replace(call(), position="3f0e/1")), {}),
    "missing-key": (call(b'{"a":1}'), recorded(call(b'{"a":1,"parameters":{"top k":5}}')), {}),
    "not-json": (call(b'{"a":1,"a":1}'), recorded(call(b'{"a":1}')), {}),
    "array": (call(npy([[1.0, 2.5]]), NPY), recorded(call(npy([[1.0, 2.0]]), NPY), call(npy([1.0]), NPY)), {}),
    "array-shape": (call(npy(numpy.zeros((1, 784))), NPY), recorded(call(npy(numpy.zeros((1, 28, 28))), NPY)), {}),
    "csv": (call(b"1,2\n3,4", "text/csv"), recorded(call(b"1,2\n3,5", "text/csv")), {}),
    "bytes": (call(b"\x89PNG-a", "image/png"), recorded(call(b"\x89PNG-b", "image/png")), {}),
    "many": (call(b'{"a":1,"b":2,"c":3}'), recorded(call(b'{"a":4,"b":5,"c":6}')), {}),
    "mode": (call(), recorded(call(b"[]"), source="http://127.0.0.1:8080"), {"why": "mode", "mode": "once"}),
    "exhausted": (call(), recorded(call(), call(b"[]")), {"why": "exhausted"}),
    "nothing": (call(), [], {"cassette_names": ["a.tape", "b.tape", "c.tape", "d.tape"]}),
}


@pytest.mark.parametrize("name", CASES)
def test_miss_text_golden(name: str) -> None:
    """What a user reads is pinned word by word."""
    asked, takes, options = CASES[name]
    text = explain_miss(asked, takes, matcher=MATCHER, **options)  # type: ignore[arg-type]
    assert text + "\n" == (GOLDEN / f"{name}.txt").read_text()


def test_miss_golden_files_are_all_used() -> None:
    """No golden text outlives its case."""
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(CASES)


def test_miss_whole_text_names_every_difference() -> None:
    """The journal gets what the exception has no room for."""
    asked, takes, _ = CASES["many"]
    whole_text = miss_text(asked, takes, matcher=MATCHER)
    assert [f"$.{name}" in whole_text for name in "abc"] == [True] * 3
    assert "$.b" not in explain_miss(asked, takes, matcher=MATCHER)


def test_miss_prefers_the_same_route_to_the_same_body() -> None:
    """A recording for another model is farther away than another body for the same model."""
    takes = recorded(call(b"[5]", TargetModel="a"), call(b"[9]", TargetModel="b"))
    nearest = find_nearest(call(b"[5]", TargetModel="b"), takes, matcher=MATCHER)
    assert nearest is not None
    assert nearest.recorded.number == 2


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=SCORED_MAX, unique=True), st.integers(0, 1000))
def test_miss_nearest_number_wins(known: list[int], asked: int) -> None:
    """Among recordings that differ in one number the one with the smallest distance is shown."""
    takes = recorded(*[call(b"[%d]" % number) for number in known])
    nearest = find_nearest(call(b"[%d]" % asked), takes, matcher=MATCHER)
    assert nearest is not None

    def apart(number: int) -> float:
        return abs(number - asked) / max(number, asked, 1)

    assert apart(known[nearest.recorded.number - 1]) == pytest.approx(min(map(apart, known)))


def test_miss_looks_at_a_bounded_number_of_recordings() -> None:
    """A miss among very many recordings stays cheap: candidates beyond the cap are not even fetched."""
    fetched = 0

    def endless() -> object:
        nonlocal fetched
        take = recorded(call(b"[1]"))[0]
        while True:
            fetched += 1
            yield take

    nearest = find_nearest(call(b"[2]"), endless(), matcher=MATCHER)  # type: ignore[arg-type]
    assert nearest is not None
    assert nearest.searched == EXAMINED_MAX
    assert fetched <= EXAMINED_MAX + 1


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=80),
    st.binary(max_size=80),
    st.text(max_size=3000),
    st.sampled_from(["no-match", "exhausted", "mode"]),
)
def test_miss_text_total_and_short(asked: bytes, before: bytes, model: str, why: str) -> None:
    """Whatever was asked and recorded, there is a text, and it fits into AWS's Message."""
    takes = recorded(call(before, "text/csv", TargetModel="m"), call(before, None))
    text = explain_miss(call(asked, "application/json", TargetModel=model), takes, matcher=MATCHER, why=why)
    assert 0 < len(text) <= 2048
    assert "sagetape record" in text


def test_miss_text_short_with_long_names() -> None:
    """Names of any length leave room for what to do, and nothing in a text can command a terminal."""
    asked = call(b'{"%s":1}' % (b"k" * 100_000), TargetModel="\x1b[2J" + "m" * 5000)
    text = explain_miss(asked, recorded(call(b"{}", TargetModel="n")), matcher=MATCHER)
    assert len(text) <= 2048
    assert "\x1b" not in text
    assert text.endswith("--upstream aws")


@pytest.mark.parametrize("name", sorted(set(CASES) - {"nothing", "exhausted"}))
def test_miss_advice_never_drops_a_route(name: str) -> None:
    """Nobody is told to leave out what chooses the model: that would answer wrongly and silently."""
    asked, takes, options = CASES[name]
    text = explain_miss(asked, takes, matcher=MATCHER, **options)  # type: ignore[arg-type]
    assert not any(f"leave {member}" in text for member in ("TargetModel", "TargetVariant", "InferenceComponentName"))


def test_miss_advice_works() -> None:
    """The match option that a miss proposes makes the call match."""
    asked, takes, _ = CASES["number"]
    text = explain_miss(asked, takes, matcher=MATCHER)
    path = text.partition("ignore_paths = ['")[2].partition("']")[0]
    loosened = Matcher(MatchRules(ignore_paths=(path,)))
    assert loosened.key(asked) == loosened.key(takes[1].interaction.call)


@pytest.mark.parametrize(
    ("source", "advised"),
    [
        ("aws+http://127.0.0.1:41151", "<where your model is>"),
        ("http://localhost:8080", "<where your model is>"),
        ("http://[::1]:8080/x", "<where your model is>"),
        ("http://model.internal:8080", "http://model.internal:8080"),
        ("http://127.example.com", "http://127.example.com"),
        ("function:models:churn", "function:models:churn"),
        ("aws", "aws"),
        ("import", "aws"),
    ],
)
def test_miss_advice_names_no_upstream_of_another_run(source: str, advised: str) -> None:
    """A loopback port was a test's or a container's, and is another one every time."""
    text = explain_miss(call(b"[1]"), recorded(call(b"[2]"), source=source), matcher=MATCHER)
    assert f"--upstream {advised}" in text

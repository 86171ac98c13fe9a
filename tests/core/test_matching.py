"""The key: what is in it, what is never in it, and that yesterday's cassettes keep theirs."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagetape.core.errors import ConfigError
from sagetape.core.keys import written
from sagetape.core.matching import DEFAULT_MEMBERS, OPTIONAL_MEMBERS, BodyMemo, Matcher, MatchRules
from sagetape.core.meaning import PLAIN
from sagetape.core.presets import PRESETS
from sagetape.core.wire import Call

ROOT = Path(__file__).resolve().parents[2]
DEFAULT = Matcher(MatchRules())


def call(body: bytes = b'{"a":1}', content_type: str | None = "application/json", **members: str) -> Call:
    """A call with members."""
    typed = {} if content_type is None else {"ContentType": content_type}
    return Call("InvokeEndpoint", "churn", typed | members, body, hashlib.sha256(body).digest())


BASE = call(TargetModel="a.tar.gz", Accept="text/csv")


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, operation="InvokeEndpointWithResponseStream"),
        replace(BASE, endpoint="churn2"),
        replace(BASE, position="d41d8c/1"),
        replace(BASE, auth="InvalidSignatureException"),
        replace(BASE, body=b"[]", body_sha256=hashlib.sha256(b"[]").digest()),
        *[replace(BASE, members={**BASE.members, name: "other"}) for name in DEFAULT_MEMBERS],
        *[replace(BASE, members={**BASE.members, name: ""}) for name in DEFAULT_MEMBERS],
        replace(BASE, members={name: value for name, value in BASE.members.items() if name != "TargetModel"}),
        replace(BASE, members={**BASE.members, "MemberOfANewerBotocore": "x"}),
    ],
)
def test_key_differs_with_what_counts(changed: Call) -> None:
    """Each part of the key alone changes the key: another model's answer is never given."""
    assert DEFAULT.key(changed) != DEFAULT.key(BASE)
    assert DEFAULT.projections(changed) != DEFAULT.projections(BASE)


@pytest.mark.parametrize(
    "changed",
    [
        replace(BASE, invocation_id="3f0e8a6e"),
        replace(BASE, request_id="6f1b"),
        replace(BASE, region="eu-west-1", account="210987654321"),
        replace(BASE, members={**BASE.members, "SessionId": "NEW_SESSION"}),
        *[replace(BASE, members={**BASE.members, name: "x"}) for name in OPTIONAL_MEMBERS],
        replace(BASE, members=dict(reversed(BASE.members.items()))),
    ],
)
def test_key_same_without_what_counts(changed: Call) -> None:
    """What is of the moment, and the optional members, are not in the default key."""
    assert DEFAULT.key(changed) == DEFAULT.key(BASE)
    assert DEFAULT.projections(changed) == DEFAULT.projections(BASE)


@pytest.mark.parametrize("name", OPTIONAL_MEMBERS)
def test_key_optional_members_count_when_asked(name: str) -> None:
    """An optional member is in the key when the rules name it, whatever the order of the names."""
    rules = MatchRules(members=(name, *DEFAULT_MEMBERS))
    with_it = replace(BASE, members={**BASE.members, name: "x"})
    assert Matcher(rules).key(with_it) != Matcher(rules).key(BASE)
    assert Matcher(MatchRules(members=(*DEFAULT_MEMBERS, name))).key(with_it) == Matcher(rules).key(with_it)


def test_key_members_do_not_run_together() -> None:
    """Two calls whose members give the same text one after the other have two keys."""
    assert DEFAULT.key(call(TargetModel="ab", TargetVariant="c")) != DEFAULT.key(
        call(TargetModel="a", TargetVariant="bc")
    )
    assert DEFAULT.key(call(TargetModel="x")) != DEFAULT.key(call(TargetVariant="x"))
    assert DEFAULT.key(call(TargetModel="s1:b")) != DEFAULT.key(call(TargetModel="s1:bs1:b"))


@given(st.text(), st.text(), st.text(), st.text())
def test_key_total_and_injective_in_members(one: str, two: str, three: str, four: str) -> None:
    """Any texts make a key, lone surrogates too, and different texts make different keys."""
    first = call(TargetModel=one, Accept=two)
    second = call(TargetModel=three, Accept=four)
    assert (DEFAULT.key(first) == DEFAULT.key(second)) == ((one, two) == (three, four))


def test_key_multipart_boundary_is_not_the_content_type() -> None:
    """A boundary is new in each request and counts neither in the body nor in the content type; a charset does."""
    body = b"--%s\r\nA: 1\r\n\r\nhello\r\n--%s--\r\n"
    one = call(body % (b"x1", b"x1"), "multipart/form-data; boundary=x1")
    other = call(body % (b"y2", b"y2"), 'multipart/form-data; boundary="y2"')
    third = call(body % (b"x1", b"x1"), "multipart/form-data; charset=utf-8; boundary=x1")
    assert DEFAULT.key(one) == DEFAULT.key(other) != DEFAULT.key(third)


@settings(max_examples=100)
@given(st.binary(max_size=60), st.sampled_from(["application/json", "text/csv", "application/x-npy", "text/plain"]))
def test_key_agrees_with_projections(body: bytes, content_type: str) -> None:
    """Keys are equal exactly when all projections are: what explains a miss is what decides it."""
    asked, recorded = call(body, content_type), call(b"[1]", content_type)
    same = DEFAULT.projections(asked) == DEFAULT.projections(recorded)
    assert (DEFAULT.key(asked) == DEFAULT.key(recorded)) == same


def npy_bytes() -> bytes:
    """A small array as numpy writes it."""
    out = io.BytesIO()
    numpy.save(out, numpy.array([[1.5, 2.0], [0.25, -3.0]], "<f4"))
    return out.getvalue()


MULTIPART = (
    b'--b\r\nContent-Disposition: form-data; name="f"\r\nContent-Type: application/json\r\n\r\n{"a":1}\r\n--b--\r\n'
)
GOLDEN: dict[str, tuple[Callable[[], Call], MatchRules, str]] = {
    "empty": (lambda: call(b"", None), MatchRules(), "dd22f150092aa3a482d5957f71f7f335"),
    "json": (
        lambda: call(b'{"b":[1.50,true,null,-2e40],"a":"\\u00e9"}'),
        MatchRules(),
        "d314abb52f8924b43c73eb97f7fdec53",
    ),
    "members": (
        lambda: replace(BASE, position="ab/2", auth="InvalidSignatureException"),
        MatchRules(),
        "b64f8a1c1859b98e343173c686adeaaa",
    ),
    "newer-member": (lambda: call(Zone="z"), MatchRules(), "99230cb10c633a861923cc2472b75f21"),
    "optional": (
        lambda: call(CustomAttributes="t=1"),
        MatchRules(members=(*DEFAULT_MEMBERS, "CustomAttributes")),
        "459ba86ec29280ed4291152d582e29ab",
    ),
    "json-lines": (
        lambda: call(b'{"a":1}\n[2]\n', "application/jsonlines"),
        MatchRules(),
        "4c915f9e7310a51dff6149e983da987b",
    ),
    "csv": (lambda: call(b'1,"a,b"\n2,c\n', "text/csv"), MatchRules(), "cccd8902a2c482b2cda3c89167f6823c"),
    "csv-rounded": (
        lambda: call(b"1.2345,x\n", "text/csv"),
        MatchRules(round_digits=2),
        "ddfabf6933343d998cdcb9bb0a16afc9",
    ),
    "npy": (lambda: call(npy_bytes(), "application/x-npy"), MatchRules(), "8adfca6f6df09ee4de698be6adea0c29"),
    "npy-rounded": (
        lambda: call(npy_bytes(), "application/x-npy"),
        MatchRules(round_digits=1),
        "0a0f6e654db1b3a7fabc4fe3c3d6862c",
    ),
    "multipart": (
        lambda: call(MULTIPART, "multipart/form-data; boundary=b"),
        MatchRules(),
        "e0b05f30d9fc1da04a55b23c5754e7c9",
    ),
    "events": (
        lambda: call(b'data: {"a": 1}\n\ndata: [DONE]\n\n', "text/event-stream"),
        MatchRules(),
        "ffd2c696d3f257d76a651880163bc822",
    ),
    "bytes": (lambda: call(b"\x00\xff", "application/octet-stream"), MatchRules(), "ec100e1a0cda587f5d4208ea63700450"),
    "ignored": (
        lambda: call(b'{"id":7,"a":[1,2]}'),
        MatchRules(ignore_paths=("id", "a[0]")),
        "3e5aa8150d359b9f253d3ceca6cf8146",
    ),
    "preset": (
        lambda: call(b'{"id":"x","inputs":[]}'),
        MatchRules(presets=("triton",)),
        "1fe516c3d49676e2a8477aed82d603ae",
    ),
    "rounded": (lambda: call(b"[0.12345]"), MatchRules(round_digits=3), "71ca9cabc1de851c6a51095b4c33ac18"),
    "body-ignored": (lambda: call(b"x"), MatchRules(body="ignore"), "fd975461020343ba491dfad0aa978004"),
    "body-bytes": (lambda: call(b"[ 1 ]"), MatchRules(body="bytes"), "8861d0ec567c4b85af475b5709181483"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_key_golden(name: str) -> None:
    """Keys never change: a cassette recorded yesterday is found today. A failure here is a broken cassette."""
    make, rules, expected = GOLDEN[name]
    assert Matcher(rules).key(make()).hex() == expected


def test_key_golden_are_all_different() -> None:
    """The golden calls mean different things, or are read by different rules of body."""
    assert len({expected for _, _, expected in GOLDEN.values()}) == len(GOLDEN)


def test_key_same_in_another_process() -> None:
    """The key does not depend on the process: its hash seed, its locale."""
    script = (
        "import hashlib, sys; from sagetape.core.matching import *; from sagetape.core.wire import Call\n"
        "members = {'ContentType': 'application/json', 'Z': 'z', 'Y': 'y'}\n"
        "c = Call('InvokeEndpoint', 'churn', members, b'{\"b\":1,\"a\":2}',"
        ' hashlib.sha256(b\'{"b":1,"a":2}\').digest())\n'
        "print(Matcher(MatchRules(custom=('m:f',)), custom=[lambda c: frozenset('abc')]).key(c).hex())"
    )
    keys = {
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "emulator"), "LC_ALL": "C"},
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(keys) == 1


# --- rules --------------------------------------------------------------------------------------------------------

RULES = [
    MatchRules(),
    MatchRules(members=("TargetModel",), ignore_paths=("a[*].b", "id"), round_digits=4, presets=("tgi", "triton")),
    MatchRules(custom=("pkg.mod:f",), body="ignore", images="bytes"),
]


@pytest.mark.parametrize("rules", RULES)
def test_rules_round_trip_as_dict(rules: MatchRules) -> None:
    """Rules survive the cassette's header, where only plain values travel."""
    plain = rules.as_dict()
    assert MatchRules.from_dict(plain) == rules
    assert all(isinstance(value, (str, int, list, type(None))) for value in plain.values())


BAD_RULES = {
    "unknown-name": ({"ignore_path": ["a"]}, "Did you mean 'ignore_paths'?"),
    "unknown-member": ({"members": ["Targetmodel"]}, "Did you mean 'TargetModel'?"),
    "session-is-no-member": ({"members": ["SessionId"]}, "is not known"),
    "unknown-preset": ({"presets": ["vlm"]}, "Did you mean 'vllm'?"),
    "unknown-body": ({"body": "byte"}, "Did you mean 'bytes'?"),
    "unknown-images": ({"images": "pixel"}, "Did you mean 'pixels'?"),
    "filter": ({"ignore_paths": ["a[?b]"]}, "a[?b]"),
    "function": ({"ignore_paths": ["length(a)"]}, "length(a)"),
    "slice": ({"ignore_paths": ["a[0:2]"]}, "a[0:2]"),
    "pipe": ({"ignore_paths": ["a | b"]}, "a | b"),
    "flatten": ({"ignore_paths": ["a[].b"]}, "a[].b"),
    "empty": ({"ignore_paths": [""]}, "path"),
    "too-many-paths": ({"ignore_paths": ["a"] * 101}, "at most 100"),
    "text-for-list": ({"ignore_paths": "id"}, 'Write it as ["..."]'),
    "number-in-list": ({"members": [1]}, "not a list of texts"),
    "round-text": ({"round_digits": "3"}, "not a whole number"),
    "round-bool": ({"round_digits": True}, "not a whole number"),
    "round-negative": ({"round_digits": -1}, "between 0 and 30"),
    "body-number": ({"body": 1}, "not a text"),
    "custom-form": ({"custom": ["module.function"]}, "module:function"),
    "newer": ({"version": 2}, "Update Sagetape"),
}


@pytest.mark.parametrize("name", BAD_RULES)
def test_rules_refuse_with_the_nearest_that_works(name: str) -> None:
    """A rule that is not understood is a configuration error that says what would have worked."""
    given_rules, text = BAD_RULES[name]
    with pytest.raises(ConfigError) as refusal:
        MatchRules.from_dict(given_rules)
    assert text in str(refusal.value)


def test_rules_list_all_problems_at_once() -> None:
    """Every problem is named in one go."""
    with pytest.raises(ConfigError) as refusal:
        MatchRules(members=("X",), presets=("y",), ignore_paths=("[?z]",), round_digits=99)
    assert len(refusal.value.problems) == 4


def test_rules_body_choices() -> None:
    """The body counts by meaning, as bytes, or not at all."""
    tight, spaced = call(b'{"a":1}'), call(b'{ "a" : 1 }')
    assert Matcher(MatchRules()).key(tight) == Matcher(MatchRules()).key(spaced)
    assert Matcher(MatchRules(body="bytes")).key(tight) != Matcher(MatchRules(body="bytes")).key(spaced)
    assert Matcher(MatchRules(body="ignore")).key(tight) == Matcher(MatchRules(body="ignore")).key(call(b"else"))


@pytest.mark.parametrize(
    ("preset", "one", "other"),
    [
        (
            "tgi",
            b'{"messages":[{"tool_call_id":"a","content":"x"}]}',
            b'{"messages":[{"tool_call_id":"b","content":"x"}]}',
        ),
        ("vllm", b'{"request_id":"1","prompt":"x"}', b'{"request_id":"2","prompt":"x"}'),
        ("djl", b'{"messages":[{"tool_calls":[{"id":"a"}]}]}', b'{"messages":[{"tool_calls":[{"id":"b"}]}]}'),
        ("triton", b'{"id":"1","inputs":[]}', b'{"inputs":[]}'),
    ],
)
def test_presets_leave_out_ids_only(preset: str, one: bytes, other: bytes) -> None:
    """A preset makes requests equal that differ in generated ids, and no others."""
    matcher = Matcher(MatchRules(presets=(preset,)))
    assert matcher.key(call(one)) == matcher.key(call(other)) != matcher.key(call(one.replace(b"}", b',"q":1}', 1)))
    assert DEFAULT.key(call(one)) != DEFAULT.key(call(other))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_name_places_in_answers_too(preset: str) -> None:
    """Every preset's paths are in the path language, and its answer paths leave out the answer's id."""
    from sagetape.core.differences import Body, compare_bodies

    reading = MatchRules(presets=(preset,)).answer_reading()
    one, other = (Body(b'{"id":"%s","x":1}' % name, "application/json") for name in (b"a", b"b"))
    assert not compare_bodies(one, other, reading=reading)
    assert compare_bodies(one, other)


# --- custom projections -------------------------------------------------------------------------------------------


def test_custom_projection_counts() -> None:
    """A projection from Python adds to the key; with the body ignored it takes the body's place."""

    def first_word(asked: Call) -> str:
        return asked.body.decode().partition(" ")[0]

    matcher = Matcher(MatchRules(custom=("own:first_word",), body="ignore"), custom=[first_word])
    assert matcher.key(call(b"hello you")) == matcher.key(call(b"hello there")) != matcher.key(call(b"bye you"))
    assert ("own:first_word", "hello") in matcher.projections(call(b"hello you"))


@pytest.mark.parametrize(
    "function", [lambda asked: asked.members["Nothing"], lambda asked: [1], lambda asked: object()]
)
def test_custom_projection_failure_names_it(function: Callable[[Call], object]) -> None:
    """A projection that raises, or gives what has no stable form, is named with what to do."""
    matcher = Matcher(MatchRules(custom=("own:broken",)), custom=[function])  # type: ignore[list-item]
    with pytest.raises(ConfigError, match=r"own:broken failed on a call of 'churn'.*It must give a value"):
        matcher.key(call())


def test_custom_projections_must_all_be_given() -> None:
    """Rules that name a function cannot be used without it: the key would be another one."""
    with pytest.raises(ConfigError, match="names 1 functions, 0 were given"):
        Matcher(MatchRules(custom=("own:f",)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=8,
)


@given(VALUES, VALUES)
def test_written_form_is_unambiguous(one: object, other: object) -> None:
    """Two values have one written form only when they are one value of one type."""
    assert (written(one) == written(other)) == (repr(one) == repr(other))  # type: ignore[arg-type]


# --- the memo -----------------------------------------------------------------------------------------------------


def test_memo_reads_an_equal_body_once() -> None:
    """The second call with a body is answered from memory: its bytes are not looked at again."""
    digest = hashlib.sha256(b'{"a":1}').digest()
    memo = BodyMemo(PLAIN)
    first = memo.project("application/json", b'{"a":1}', digest)
    assert memo.project("application/json", b"not looked at", digest) == first
    assert memo.project("text/plain", b'{"a":1}', digest) != first


def test_memo_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many bodies and content types come, the memory keeps two generations, and still answers rightly."""
    monkeypatch.setattr(BodyMemo, "GENERATION", 50)
    memo, first = BodyMemo(PLAIN), []
    for number in range(300):
        body = b"[%d]" % (number % 120)
        digest = hashlib.sha256(body).digest()
        first.append(memo.project(f"application/json; v={number % 7}", body, digest))
        assert len(memo) <= 100
    assert first[:120] == first[120:240]
    assert len(set(first)) == 120


@pytest.mark.parametrize("content_type", [None, "text/plain", "multipart/form-data; boundary=x"])
def test_memo_keeps_nothing_that_never_returns(content_type: str | None) -> None:
    """Bodies compared as bytes cost nothing to read, and a boundary is new each time: neither takes room."""
    memo, body = BodyMemo(PLAIN), b"--x\r\n\r\n1\r\n--x--"
    memo.project(content_type, body, hashlib.sha256(body).digest())
    assert len(memo) == 0

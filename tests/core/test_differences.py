"""Where two bodies and two answers differ, by how much, and within which tolerances they do not."""

from __future__ import annotations

import io

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagetape.core.differences import Body, Tolerances, compare_answers, compare_bodies, describe, nearness
from sagetape.core.eventstream import exception, payload_part
from sagetape.core.meaning import KINDS
from sagetape.core.meaning.comparison import first_difference, overlap, similarity
from sagetape.core.wire import Abort, Chunk, End, Head, Pause, Script, whole

JSON = "application/json"


def npy(array: object) -> bytes:
    """An array as numpy writes it."""
    out = io.BytesIO()
    numpy.save(out, numpy.asanyarray(array))
    return out.getvalue()


def npz(**arrays: object) -> bytes:
    """Arrays by name as numpy writes them."""
    out = io.BytesIO()
    numpy.savez(out, **arrays)
    return out.getvalue()


def part(body: bytes) -> bytes:
    """A multipart body of one JSON part."""
    return b"--x\r\nContent-Type: application/json\r\n\r\n" + body + b"\r\n--x--\r\n"


CASES: dict[str, tuple[str | None, bytes, bytes, list[str]]] = {
    "json-number": (JSON, b'{"a":[{"b":41}]}', b'{"a":[{"b":42}]}', ["$.a[0].b: recorded 41, now 42 (1 apart)"]),
    "json-decimals": (JSON, b"[0.1]", b"[0.3]", ["$[0]: recorded 0.1, now 0.3 (0.2 apart)"]),
    "json-tiny": (JSON, b"[1e-40]", b"[3e-40]", ["$[0]: recorded 1e-40, now 3e-40 (2.000000e-40 apart)"]),
    "json-text": (JSON, b'{"q":"yes"}', b'{"q":"no"}', ['$.q: recorded "yes", now "no"']),
    "json-type": (JSON, b'{"q":1}', b'{"q":"1"}', ['$.q: recorded 1, now "1"']),
    "json-bool": (JSON, b"[true]", b"[1]", ["$[0]: recorded true, now 1"]),
    "json-missing": (JSON, b'{"a":1,"b":2}', b'{"a":1}', ["$.b: recorded 2, now absent"]),
    "json-extra": (JSON, b'{"a":1}', b'{"a":1,"b c":{}}', ['$."b c": recorded absent, now an object of 0 members']),
    "json-length": (JSON, b'{"a":[1]}', b'{"a":[1,2]}', ["$.a: recorded 1 element, now 2 elements"]),
    "json-two": (
        JSON,
        b'{"a":1,"b":2}',
        b'{"a":3,"b":4}',
        ["$.a: recorded 1, now 3 (2 apart)", "$.b: recorded 2, now 4 (2 apart)"],
    ),
    "json-root": (JSON, b"[]", b"{}", ["$: recorded a list of 0 elements, now an object of 0 members"]),
    "json-long-text": (
        JSON,
        b'"' + b"a" * 500 + b'b"',
        b'"' + b"a" * 500 + b'c"',
        [f'$: recorded ..."{"a" * 24}b", now ..."{"a" * 24}c" (from character 501 on)'],
    ),
    "kind": (
        JSON,
        b'{"a":1}',
        b'{"a":1,"a":1}',
        ["kind of body: recorded json, now bytes (the new body is compared as bytes: a key occurs twice)"],
    ),
    "lines": (
        "application/jsonlines",
        b'{"a":1}\n{"a":2}',
        b'{"a":1}\n{"a":5}',
        ["line 2 $.a: recorded 2, now 5 (3 apart)"],
    ),
    "lines-count": ("application/jsonlines", b"1\n2", b"1", ["json-lines: recorded 2 lines, now 1 line"]),
    "csv": ("text/csv", b"1,2\n3,4", b"1,2\n3,5", ['row 2, column 2: recorded "4", now "5"']),
    "csv-columns": ("text/csv", b"1,2", b"1", ["row 1: recorded 2 columns, now 1 column"]),
    "npy-shape": (
        "application/x-npy",
        npy(numpy.zeros((2, 3))),
        npy(numpy.zeros((3, 2))),
        ["npy: recorded shape (2, 3), now shape (3, 2)"],
    ),
    "npy-dtype": (
        "application/x-npy",
        npy(numpy.zeros(2, "f4")),
        npy(numpy.zeros(2, "f8")),
        ["npy: recorded dtype f4, now dtype f8"],
    ),
    "npy-element": (
        "application/x-npy",
        npy([[1.0, 2.0], [3.0, 4.0]]),
        npy([[1.0, 2.25], [3.0, 4.5]]),
        ["npy: recorded 4.0, now 4.5 (2 of 4 elements differ, largest difference 0.5 at (1, 1))"],
    ),
    "npy-nan": (
        "application/x-npy",
        npy([1.0, 2.0]),
        npy([1.0, numpy.nan]),
        ["npy: recorded 2.0, now nan (1 of 2 elements differ, largest difference inf at (1,))"],
    ),
    "npy-texts": (
        "application/x-npy",
        npy(["ab"]),
        npy(["ac"]),
        ["npy: recorded 62 00 00 00, now 63 00 00 00 (first difference at byte 4)"],
    ),
    "npz": (
        "application/x-npz",
        npz(x=[1, 2], y=[1]),
        npz(x=[1, 9], y=[1]),
        ["array x: recorded 2, now 9 (1 of 2 elements differ, largest difference 7 at (1,))"],
    ),
    "npz-missing": (
        "application/x-npz",
        npz(x=[1.5], y=[1]),
        npz(x=[1.5]),
        ["array y: recorded an array of i8, shape (1,), now absent"],
    ),
    "multipart": (
        "multipart/mixed; boundary=x",
        part(b'{"a":1}'),
        part(b'{"a":2}'),
        ["part 1 $.a: recorded 1, now 2 (1 apart)"],
    ),
    "events": (
        "text/event-stream",
        b'data: {"a":1}\n\ndata: x\n\n',
        b'data: {"a":2}\n\ndata: y\n\n',
        ["event 1 $.a: recorded 1, now 2 (1 apart)", 'event 2 data: recorded "x", now "y"'],
    ),
    "bytes": (
        None,
        b"abcdef",
        b"abcxef!",
        ["bytes: recorded 64 65 66, now 78 65 66 21 (first difference at byte 3, 6 bytes recorded, 7 now)"],
    ),
    "bytes-end": (
        "image/png",
        b"abc",
        b"ab",
        ["bytes: recorded 63, now the end (first difference at byte 2, 3 bytes recorded, 2 now)"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_difference_names_place_and_distance(name: str) -> None:
    """A difference says where, what was recorded, what is now, and how far apart."""
    content_type, recorded, actual, lines = CASES[name]
    found = compare_bodies(Body(recorded, content_type), Body(actual, content_type))
    assert [describe(difference) for difference in found] == lines
    assert not compare_bodies(Body(recorded, content_type), Body(recorded, content_type))


@pytest.mark.parametrize(
    ("content_type", "recorded", "actual", "within", "beyond"),
    [
        (JSON, b"[1.00]", b"[1.04]", Tolerances(absolute=0.05), Tolerances(absolute=0.03)),
        (JSON, b"[1000]", b"[1010]", Tolerances(relative=0.01), Tolerances(relative=0.009)),
        (JSON, b"[0]", b"[0.001]", Tolerances(absolute=0.001), Tolerances(relative=0.5)),
        ("application/x-npy", npy([1.0, 2.0]), npy([1.0, 2.1]), Tolerances(absolute=0.2), Tolerances(absolute=0.05)),
        (
            "application/x-npy",
            npy([1.0, 200.0]),
            npy([1.0, 201.0]),
            Tolerances(relative=0.01),
            Tolerances(relative=0.001),
        ),
        (
            JSON,
            b'{"text":"the quick brown fox jumps over the lazy dog"}',
            b'{"text":"the quick brown fox jumps over the lazy cat"}',
            Tolerances(text_similarity=0.8),
            Tolerances(text_similarity=0.95),
        ),
    ],
)
def test_tolerances_decide(
    content_type: str, recorded: bytes, actual: bytes, within: Tolerances, beyond: Tolerances
) -> None:
    """What is within the tolerances is no difference; what is beyond them is one."""
    one, other = Body(recorded, content_type), Body(actual, content_type)
    assert not compare_bodies(one, other, tolerances=within)
    assert len(compare_bodies(one, other, tolerances=beyond)) == 1


def test_tolerance_does_not_cover_types_and_shapes() -> None:
    """No tolerance makes a text a number, or one shape another."""
    wide = Tolerances(absolute=1e9, relative=1.0, text_similarity=0.0)
    assert compare_bodies(Body(b"[1]", JSON), Body(b'["1"]', JSON), tolerances=wide)
    assert compare_bodies(Body(b"[1]", JSON), Body(b"[1,1]", JSON), tolerances=wide)
    array = "application/x-npy"
    assert compare_bodies(Body(npy([1.0]), array), Body(npy([[1.0]]), array), tolerances=wide)
    assert compare_bodies(Body(npy([1.0]), array), Body(npy([numpy.inf]), array), tolerances=wide)


def test_array_dtype_difference_beside_equal_numbers() -> None:
    """Arrays of two types are compared by their numbers too: the type is a difference of its own."""
    found = compare_bodies(
        Body(npy(numpy.array([1, 2], "i4")), "application/x-npy"), Body(npy([1.0, 2.5]), "application/x-npy")
    )
    assert [difference.place for difference in found] == ["npy", "npy"]
    assert "largest difference 0.5" in found[1].note


def test_differences_stop_at_the_limit() -> None:
    """Two unlike bodies cost no more differences than were asked for."""
    one, other = (Body(b"[" + b",".join([digit] * 10_000) + b"]", JSON) for digit in (b"1", b"2"))
    assert len(compare_bodies(one, other, limit=7)) == 7


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_first_difference_is_the_first(one: bytes, other: bytes) -> None:
    """Everything before it is equal; what stands at it is not, or one ends there."""
    at = first_difference(one, other)
    assert one[:at] == other[:at]
    assert at == min(len(one), len(other)) or one[at] != other[at]


@given(st.text(max_size=60), st.text(max_size=60))
def test_similarity_is_a_share(one: str, other: str) -> None:
    """Similarity is between 0 and 1, the same both ways, and 1 for equal texts."""
    assert 0 <= similarity(one, other) == similarity(other, one) <= 1
    assert similarity(one, one) == 1


@given(st.text(alphabet="ab", max_size=12), st.text(alphabet="ab", max_size=12))
def test_overlap_is_a_share_of_begin_and_end(one: str, other: str) -> None:
    """Of the longer text; 1 for equal texts only, and the same whichever is asked about which."""
    share = overlap(one, other)
    assert 0 <= share <= 1
    assert share == overlap(other, one)
    assert (share == 1) == (one == other)
    begin = max(n for n in range(min(len(one), len(other)) + 1) if one[:n] == other[:n])
    assert share >= begin / max(len(one), len(other), 1)


def test_long_texts_are_ranked_by_their_overlap() -> None:
    """The nearest of three texts of a megabyte is the one that differs in one word."""
    text = "all happy families are alike " * 40_000
    bodies = [Body(b'"%b"' % one.encode(), JSON) for one in (text, f"{text[:500_000]}un{text[500_000:]}", text[::-1])]
    (near,), (far,) = (compare_bodies(other, bodies[0]) for other in bodies[1:])
    assert near.weight < 0.01 < 0.9 < far.weight
    assert near.note == "from character 500001 on"


def test_similarity_sees_order() -> None:
    """The same words in another order are less similar than in the same order."""
    assert similarity("a b c d", "d c b a") < similarity("a b c d", "a b c e")


TYPES = [*KINDS, "multipart/mixed; boundary=x", "", "image/png"]
BODIES = [case[1] for case in CASES.values()] + [case[2] for case in CASES.values()]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_comparison_total_and_consistent(data: st.DataObject) -> None:
    """Any two bodies of any types can be compared; each difference can be said in one line and has a weight."""
    one, other = (
        Body(data.draw(st.sampled_from(BODIES) | st.binary(max_size=50)), data.draw(st.sampled_from(TYPES)))
        for _ in range(2)
    )
    found = compare_bodies(one, other)
    assert all("\n" not in describe(difference) and difference.weight > 0 for difference in found)
    assert nearness(found) >= 0
    assert compare_bodies(one, one) == []


# --- answers ------------------------------------------------------------------------------------------------------

STREAM_HEAD = Head(
    200, (("X-Amzn-SageMaker-Content-Type", JSON), ("Content-Type", "application/vnd.amazon.eventstream"))
)


def stream(*parts: bytes, end: End | Abort | None = None, last: bytes = b"") -> Script:
    """An event stream of these parts."""
    chunks = [Chunk(payload_part(data)) for data in parts] + ([Chunk(last)] if last else [])
    return (STREAM_HEAD, *chunks, end or End())


def answer(status: int = 200, body: bytes = b'{"y":0.5}', **headers: str) -> Script:
    """A whole answer."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return whole(status, (("Content-Type", JSON), *named), body)


@pytest.mark.parametrize(
    ("recorded", "actual", "lines"),
    [
        (answer(), answer(body=b'{ "y" : 0.50 }'), []),
        (answer(), answer(x_Amzn_Unknown="1"), []),
        (answer(), answer(body=b'{"y":0.75}'), ["$.y: recorded 0.5, now 0.75 (0.25 apart)"]),
        (answer(), answer(424), ["status: recorded 200, now 424"]),
        (
            answer(),
            answer(x_Amzn_Invoked_Production_Variant="blue"),
            ['header x-Amzn-Invoked-Production-Variant: recorded absent, now "blue"'],
        ),
        (
            answer(),
            (Abort("reset"),),
            [
                "status: recorded 200, now no answer",
                "ending: recorded whole, now broken (reset)",
                "kind of body: recorded json, now bytes",
            ],
        ),
        (answer(), (*answer()[:-1], Abort()), ["ending: recorded whole, now broken"]),
        (stream(b'{"a"', b":1}"), stream(b"{", b'"a" :1.0', b"}"), []),
        (stream(b'{"a":1}'), stream(b'{"a":2}'), ["$.a: recorded 1, now 2 (1 apart)"]),
        (stream(b"[1]"), (STREAM_HEAD, Pause(0.5), Chunk(payload_part(b"[1]")), End()), []),
        (
            stream(b"[1]"),
            stream(b"[1]", last=exception("ModelStreamError", "gone", error_code="StreamBroken")),
            ['ending: recorded whole, now ModelStreamError: {"Message":"gone","ErrorCode":"StreamBroken"}'],
        ),
        (
            stream(b"[1]"),
            stream(b"[1]", last=b"no frame at all"),
            ["ending: recorded whole, now damaged: prelude checksum"],
        ),
        (stream(b"[1]"), stream(b"[1]", end=Abort("cut")), ["ending: recorded whole, now broken (cut)"]),
    ],
)
def test_answers_differ_in_what_means_something(recorded: Script, actual: Script, lines: list[str]) -> None:
    """Status, meaning headers, wholeness and the body count; waits and where a stream is cut into parts do not."""
    found = [describe(difference) for difference in compare_answers(recorded, actual)]
    assert len(found) == len(lines)
    assert all(text.startswith(line) for text, line in zip(found, lines, strict=True))

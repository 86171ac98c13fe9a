"""What bodies mean: which are equal, which are not, and that no bytes at all make a reader raise."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagetape.core import meaning
from sagetape.core.meaning import Reading
from sagetape.core.meaning.tree import number
from sagetape.core.paths import parse_path

JSON, LINES, CSV, NPY, NPZ = (
    "application/json",
    "application/jsonlines",
    "text/csv",
    "application/x-npy",
    "application/x-npz",
)
MULTI = "multipart/form-data; boundary="
EVENTS = "text/event-stream"


def meant(content_type: str | None, body: bytes, reading: Reading = meaning.PLAIN) -> tuple[str, bytes]:
    """The projection of a body."""
    return meaning.project(content_type, body, body_sha256=hashlib.sha256(body).digest(), reading=reading)


def npy(array: object, *, version: tuple[int, int] | None = None) -> bytes:
    """An array as numpy writes it."""
    out = io.BytesIO()
    numpy.lib.format.write_array(out, numpy.asanyarray(array), version=version)
    return out.getvalue()


def npz(*, compressed: bool = False, **arrays: object) -> bytes:
    """Arrays by name as numpy writes them."""
    out = io.BytesIO()
    (numpy.savez_compressed if compressed else numpy.savez)(out, **arrays)
    return out.getvalue()


def form(boundary: str, *parts: tuple[str, bytes]) -> bytes:
    """A multipart body of (headers, body)."""
    pieces = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + body + b"\r\n" for head, body in parts]
    return b"".join(pieces) + f"--{boundary}--\r\n".encode()


EQUAL = {
    "json-key-order": (JSON, b'{"a":1,"b":2}', JSON, b'{"b":2,"a":1}'),
    "json-spacing": (JSON, b'[1,{"a":null}]', JSON, b' [ 1 ,\r\n\t{ "a" : null } ]\n'),
    "json-integer-and-decimal": (JSON, b"[1]", JSON, b"[1.0]"),
    "json-exponent": (JSON, b"[100, 0.25, -5]", JSON, b"[1e2, 25E-2, -0.5e+1]"),
    "json-zeros": (JSON, b"[0, 0, 0]", JSON, b"[-0, 0.000, 0e77]"),
    "json-long-decimal": (
        JSON,
        b"[0.1000000000000000055511151231257827]",
        JSON,
        b"[1000000000000000055511151231257827e-34]",
    ),
    "json-huge": (JSON, b"[1e400]", JSON, b"[0.1e401]"),
    "json-escapes": (JSON, b'"\\u00e9\\/\\ud83d\\ude00"', JSON, '"é/😀"'.encode()),
    "json-suffix": ("application/vnd.x+json", b'{"a":1,"b":2}', "application/vnd.x+json; v=1", b'{"b":2,"a":1}'),
    "json-case-of-type": ("Application/JSON; charset=utf-8", b"[1]", JSON, b"[ 1 ]"),
    "lines-ends": (LINES, b'{"a":1}\n{"b":2}\n', LINES, b'{"a": 1.0}\r\n\r\n{"b":2}'),
    "lines-names": ("application/x-ndjson", b"1\n2", "application/json-lines", b"1.0\n2.0\n"),
    "csv-quotes": (CSV, b'1,"a",""\n', CSV, b"1,a,\n"),
    "csv-line-ends": (CSV, b"1,2\n3,4\n", CSV, b"1,2\r\n3,4"),
    "csv-carriage-returns": (CSV, b"1,2\r3,4\r", "text/csv; header=present", b'"1","2"\n"3",4\n'),
    "npy-memory-order": (
        NPY,
        npy(numpy.arange(24.0).reshape(2, 3, 4)),
        NPY,
        npy(numpy.asfortranarray(numpy.arange(24.0).reshape(2, 3, 4))),
    ),
    "npy-byte-order": (NPY, npy(numpy.arange(5, dtype="<i4")), NPY, npy(numpy.arange(5, dtype=">i4"))),
    "npy-text-byte-order": (
        NPY,
        npy(numpy.array(["ab", "c"], dtype="<U3")),
        NPY,
        npy(numpy.array(["ab", "c"], dtype=">U3")),
    ),
    "npy-complex-byte-order": (
        NPY,
        npy(numpy.array([1 + 2j], dtype="<c8")),
        NPY,
        npy(numpy.array([1 + 2j], dtype=">c8")),
    ),
    "npy-version": (NPY, npy(numpy.eye(2), version=(1, 0)), NPY, npy(numpy.eye(2), version=(2, 0))),
    "npz-compression": (NPZ, npz(a=[1, 2], b=[3.0]), NPZ, npz(compressed=True, a=[1, 2], b=[3.0])),
    "npz-order": (NPZ, npz(a=[1, 2], b=[3.0]), NPZ, npz(b=[3.0], a=[1, 2])),
    "multipart-boundary": (
        MULTI + "xx",
        form("xx", ("A: 1", b"hello")),
        MULTI + '"y y"',
        form("y y", ("a:1", b"hello")),
    ),
    "multipart-inner-json": (
        MULTI + "x",
        form("x", ("Content-Type: application/json\r\nB: 2", b'{"a":1,"b":2}')),
        MULTI + "x",
        form("x", ("b: 2\r\ncontent-type: application/json", b'{"b":2, "a":1.0}')),
    ),
    "multipart-preamble": (
        MULTI + "x",
        form("x", ("A: 1", b"h")),
        MULTI + "x",
        b"see below\r\n" + form("x", ("A: 1", b"h")) + b"end",
    ),
    "events-json": (EVENTS, b'data: {"a":1,"b":2}\n\n', EVENTS, b'data:{"b":2.0,\r\ndata:"a":1}\r\n\r\n: ping\r\n\r\n'),
}


@pytest.mark.parametrize("name", EQUAL)
def test_projection_equal_meaning(name: str) -> None:
    """What does not count for a kind of body does not change its projection, and it was really read as that kind."""
    one_type, one, other_type, other = EQUAL[name]
    assert one != other
    assert meant(one_type, one) == meant(other_type, other)
    assert meant(one_type, one)[0] != "bytes"


DIFFERENT = {
    "json-true-and-one": (JSON, b"[true]", b"[1]"),
    "json-false-and-zero": (JSON, b"[false]", b"[0]"),
    "json-null-and-absent": (JSON, b'{"a":null}', b"{}"),
    "json-number-and-text": (JSON, b"[1]", b'["1"]'),
    "json-beyond-double": (JSON, b"[9007199254740993]", b"[9007199254740992]"),
    "json-last-digit": (JSON, b"[0.1]", b"[0.10000000000000000001]"),
    "json-sign": (JSON, b"[1]", b"[-1]"),
    "json-list-order": (JSON, b"[1,2]", b"[2,1]"),
    "json-empty-containers": (JSON, b"[]", b"{}"),
    "json-nesting": (JSON, b"[[1],2]", b"[[1,2]]"),
    "json-normal-forms": (JSON, b'"\\u00e9"', b'"e\\u0301"'),
    "json-duplicate-key": (JSON, b'{"a":1,"a":1}', b'{"a":1}'),
    "lines-order": (LINES, b"1\n2", b"2\n1"),
    "lines-one-list": (LINES, b"[1]\n[2]", b"[[1],[2]]"),
    "csv-numbers-are-texts": (CSV, b"1.0", b"1"),
    "csv-spaces": (CSV, b"1, 2", b"1,2"),
    "csv-columns": (CSV, b"1,2\n3", b"1\n2,3"),
    "csv-quoted-comma": (CSV, b'"1,2"', b"1,2"),
    "csv-quoted-line-end": (CSV, b'"a\nb"', b"a\nb"),
    "csv-empty-row": (CSV, b"1\n\n2", b"1\n2"),
    "npy-shape": (NPY, npy(numpy.zeros((2, 3))), npy(numpy.zeros((3, 2)))),
    "npy-dtype": (NPY, npy(numpy.zeros(2, "f4")), npy(numpy.zeros(4, "f2"))),
    "npy-signed": (NPY, npy(numpy.zeros(2, "i4")), npy(numpy.zeros(2, "u4"))),
    "npy-unit": (NPY, npy(numpy.zeros(2, "M8[s]")), npy(numpy.zeros(2, "M8[ms]"))),
    "npy-element": (NPY, npy([1.0, 2.0]), npy([1.0, 2.5])),
    "npy-transposed": (NPY, npy(numpy.arange(6).reshape(2, 3)), npy(numpy.arange(6).reshape(3, 2).T.copy())),
    "npz-names": (NPZ, npz(a=[1]), npz(b=[1])),
    "npz-values": (NPZ, npz(a=[1], b=[2]), npz(a=[2], b=[1])),
    "multipart-order": (
        MULTI + "x",
        form("x", ("A: 1", b"h"), ("A: 1", b"i")),
        form("x", ("A: 1", b"i"), ("A: 1", b"h")),
    ),
    "multipart-header": (MULTI + "x", form("x", ("A: 1", b"h")), form("x", ("A: 2", b"h"))),
    "multipart-part-type": (
        MULTI + "x",
        form("x", ("A: 1", b"[1]")),
        form("x", ("A: 1\r\nContent-Type: application/json", b"[1]")),
    ),
    "events-text-and-json": (EVENTS, b"data: x\n\n", b'data: "x"\n\n'),
    "events-names": (EVENTS, b"event: a\ndata: 1\n\n", b"event: b\ndata: 1\n\n"),
    "octets": ("application/octet-stream", b'{"a":1}', b'{"a": 1}'),
    "text": ("text/plain", b"1,2\n", b"1,2\r\n"),
    "no-type": (None, b'{"a":1}', b'{"a": 1}'),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_projection_different_meaning(name: str) -> None:
    """What counts for a kind of body changes its projection."""
    content_type, one, other = DIFFERENT[name]
    assert meant(content_type, one) != meant(content_type, other)


UNREADABLE = {
    "json-empty": (JSON, b""),
    "json-cut": (JSON, b'{"a":'),
    "json-duplicate-key": (JSON, b'{"a":1,"\\u0061":1}'),
    "json-nan": (JSON, b"[NaN]"),
    "json-infinity": (JSON, b"[-Infinity]"),
    "json-exponent": (JSON, b"[1e10000]"),
    "json-exponent-of-many-digits": (JSON, b"[1e" + b"9" * 50 + b"]"),
    "json-digits": (JSON, b"[" + b"7" * 5000 + b"]"),
    "json-depth": (JSON, b"[" * 101 + b"]" * 101),
    "json-depth-beyond-the-stack": (JSON, b"[" * 200_000 + b"]" * 200_000),
    "json-lone-surrogate": (JSON, b'"\\ud800"'),
    "json-lone-surrogate-as-key": (JSON, b'{"\\uDFFF":1}'),
    "json-byte-order-mark": (JSON, b"\xef\xbb\xbf[1]"),
    "json-utf-16": (JSON, "[1]".encode("utf-16")),
    "json-latin-1": (JSON, b'"\xe9"'),
    "json-two": (JSON, b"1 2"),
    "json-control-character": (JSON, b'"\x01"'),
    "lines-one-bad": (LINES, b'{"a":1}\noops\n'),
    "csv-open-quote": (CSV, b'1,"2\n'),
    "csv-text-after-quote": (CSV, b'"1"2\n'),
    "csv-quote-inside": (CSV, b'1"2,3\n'),
    "csv-latin-1": (CSV, b"caf\xe9\n"),
    "npy-empty": (NPY, b""),
    "npy-cut": (NPY, npy([1.0, 2.0])[:-1]),
    "npy-trailing": (NPY, npy([1.0, 2.0]) + b"\0"),
    "npy-structured": (NPY, npy(numpy.zeros(2, [("a", "f4"), ("b", "i4")]))),
    "npy-future": (NPY, b"\x93NUMPY\x04\x00" + npy([1])[8:]),
    "npy-long-header": (NPY, b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{}"),
    "npz-cut": (NPZ, npz(a=[1, 2, 3])[:-30]),
    "multipart-no-boundary": ("multipart/form-data", form("x", ("A: 1", b"h"))),
    "multipart-other-boundary": (MULTI + "y", form("x", ("A: 1", b"h"))),
    "multipart-not-closed": (MULTI + "x", form("x", ("A: 1", b"h"))[:-6]),
    "multipart-no-empty-line": (MULTI + "x", b"--x\r\nA: 1\r\n--x--\r\n"),
    "events-latin-1": (EVENTS, b"data: \xe9\n\n"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_projection_unreadable_is_bytes(name: str) -> None:
    """A body that is not what its content type says, or has no one meaning, is compared as bytes, and why is known."""
    content_type, body = UNREADABLE[name]
    assert meant(content_type, body) == ("bytes", hashlib.sha256(body).digest())
    assert meaning.understand(content_type, body, meaning.PLAIN).refused


def test_npy_objects_are_never_unpickled() -> None:
    """An array of objects, which numpy would unpickle, is compared as bytes."""
    out = io.BytesIO()
    numpy.lib.format.write_array(out, numpy.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert meant(NPY, out.getvalue())[0] == "bytes"


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,)}",
        "{ 'shape':(2,),'fortran_order':False ,'descr':'<f8', }",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2L,), }",
    ],
)
def test_npy_header_writings_are_one(header: str) -> None:
    """The entries' order and spacing, and long integers of old writers, do not count."""
    assert meant(NPY, raw_npy(header, b"\0" * 16)) == meant(NPY, npy([0.0, 0.0]))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), 'x': 1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<f8', 'fortran_order': 'False', 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'fortran_order': True, 'shape': (2,)}",
        "{'descr': '=f8', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': True, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999999999, 9999999999999999999)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (%s)}" % ("1, " * 65),
        "__import__('os').system('true')",
        "{" + " " * 9000,
    ],
)
def test_npy_header_strange_is_bytes(header: str) -> None:
    """A header that numpy does not write is not guessed at."""
    assert meant(NPY, raw_npy(header, b"\0" * 16))[0] == "bytes"


def raw_npy(header: str, data: bytes) -> bytes:
    """An npy file with any header."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + data


@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (5,), (2, 3), (3, 2), (1, 4), (4, 1, 3), (2, 3, 4), (3, 1, 2, 2), (2,) * 6]
)
@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "i4", "f2", "f8", "c16", "U3", "S5", "M8[ns]"])
def test_npy_agrees_with_numpy(dtype: str, shape: tuple[int, ...]) -> None:
    """Any layout of an array reads as numpy reads it: the elements in C order, little-endian."""
    count = int(numpy.prod(shape))
    array = numpy.arange(count).astype(dtype).reshape(shape)
    for layout in (array, numpy.asfortranarray(array), array.astype(array.dtype.newbyteorder(">"))):
        tree = meaning.understand(NPY, npy(layout), meaning.PLAIN).tree
        assert (tree.shape, tree.data) == (layout.shape, array.tobytes())


def test_npy_fortran_in_tiny_pieces_is_bytes() -> None:
    """An array whose reordering would take too many steps is compared as bytes, at once."""
    array = numpy.asfortranarray(numpy.zeros((2,) * 20, "u1"))
    assert meant(NPY, npy(array))[0] == "bytes"


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (LINES, b"1\n" * 200_001),
        (CSV, b"\n" * 500_001),
        (CSV, b"\r" * 500_001),
        (EVENTS, b"a\n\n" * 200_001),
        (MULTI + "x", b"--x\r\n\r\n\r\n" * 1001 + b"--x--"),
    ],
)
def test_projection_of_too_many_pieces_is_bytes(content_type: str, body: bytes) -> None:
    """A body of very many tiny pieces, each costing far more than its bytes, is compared as bytes, at once."""
    assert meant(content_type, body)[0] == "bytes"


def test_npz_bomb_is_bytes() -> None:
    """An archive that would inflate beyond the cap is not inflated."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(f"{name}.npy", b"\0" * (25 * 2**20))
    assert meant(NPZ, out.getvalue())[0] == "bytes"


def test_npz_stated_size_is_not_trusted() -> None:
    """A member that states a small size and inflates to a large one is not read past what it states."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", b"\0" * (80 * 2**20))
    lie = out.getvalue().replace((80 * 2**20).to_bytes(4, "little"), (16).to_bytes(4, "little"))
    assert meant(NPZ, lie)[0] == "bytes"


def test_multipart_nested_deeply_is_bytes_inside() -> None:
    """Parts within parts are read to a depth; below it they are bytes, so a hostile body cannot exhaust the stack."""
    body = b"core"
    for level in range(50):
        body = form(f"b{level}", (f"Content-Type: multipart/mixed; boundary=b{level - 1}", body))
    kind, _ = meant(MULTI + "b49", body)
    assert kind == "multipart"


# --- rounding and ignored places ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "one", "other", "digits"),
    [
        (JSON, b"[0.12345]", b"[0.12349]", 3),
        (JSON, b"[1]", b"[1.0000001]", 6),
        (JSON, b"[-0.0000001]", b"[0]", 6),
        (JSON, b"[2.5e-9, 1e300]", b"[0, 1.0e300]", 4),
        (LINES, b"0.1234\n", b"0.1231\n", 3),
        (CSV, b"0.12345,a\n", b"+.12346,a\n", 3),
        (CSV, b"1,2.\n", b"1.00000001,2\n", 4),
        (NPY, npy([0.12345, -0.0]), npy([0.12346, 0.0]), 3),
        (NPY, npy(numpy.array([0.5, numpy.nan], "f2")), npy(numpy.array([0.5, -numpy.nan], "f2")), 1),
        (NPY, npy(numpy.array([1.004 + 2j])), npy(numpy.array([1.0 + 2.004j])), 2),
        (NPZ, npz(a=[0.12345]), npz(a=[0.12346]), 3),
    ],
)
def test_rounding_makes_near_numbers_equal(content_type: str, one: bytes, other: bytes, digits: int) -> None:
    """Numbers that round to the same decimal are one number, and are two without rounding."""
    reading = Reading(round_digits=digits)
    assert meant(content_type, one, reading) == meant(content_type, other, reading)
    assert meant(content_type, one) != meant(content_type, other)


@pytest.mark.parametrize(
    ("content_type", "one", "other"),
    [
        (JSON, b"[0.124]", b"[0.126]"),
        (JSON, b'["0.121"]', b'["0.122"]'),
        (CSV, b"007", b"7"),
        (CSV, b"1.0.0", b"1.0"),
        (NPY, npy(numpy.array([1.0], "f4")), npy(numpy.array([1.0], "f8"))),
        (NPY, npy([0.1, numpy.inf]), npy([0.1, -numpy.inf])),
    ],
)
def test_rounding_keeps_others_apart(content_type: str, one: bytes, other: bytes) -> None:
    """Rounding touches numbers only, and only to the digit."""
    reading = Reading(round_digits=2)
    assert meant(content_type, one, reading) != meant(content_type, other, reading)


def ignoring(*paths: str) -> Reading:
    """A reading that leaves places out."""
    return Reading(ignored=tuple(map(parse_path, paths)))


@pytest.mark.parametrize(
    ("paths", "one", "other"),
    [
        (("id",), b'{"id":1,"a":2}', b'{"a":2}'),
        (("a.b",), b'{"a":{"b":1,"c":2}}', b'{"a":{"c":2,"b":[3]}}'),
        (("a[0]",), b'{"a":[1,2]}', b'{"a":[9,2]}'),
        (("a[*].b",), b'{"a":[{"b":1},{"b":2,"c":3}]}', b'{"a":[{},{"c":3}]}'),
        (("a.*",), b'{"a":{"x":1}}', b'{"a":{"y":2}}'),
        (("*.id",), b'{"x":{"id":1},"y":{"id":2}}', b'{"x":{},"y":{}}'),
        (("[*].id",), b'[{"id":1}]', b'[{"id":2}]'),
        (('"a b"."c.d"',), b'{"a b":{"c.d":1}}', b'{"a b":{"c.d":2}}'),
        (("a[*]",), b'{"a":[1,2]}', b'{"a":[3,4]}'),
        (("id", "a.t"), b'{"id":1,"a":{"t":1}}', b'{"id":2,"a":{"t":2}}'),
    ],
)
def test_ignored_places_do_not_count(paths: tuple[str, ...], one: bytes, other: bytes) -> None:
    """What stands at an ignored path does not change the projection; without the path it does."""
    assert meant(JSON, one, ignoring(*paths)) == meant(JSON, other, ignoring(*paths))
    assert meant(JSON, one) != meant(JSON, other)


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        ("a.b", b'{"a":{"b":1,"c":2}}', b'{"a":{"b":1,"c":3}}'),
        ("a[*]", b'{"a":[1,2]}', b'{"a":[1,2,3]}'),
        ("a[5]", b'{"a":[1]}', b'{"a":[2]}'),
        ("a.b.c", b'{"a":1}', b'{"a":2}'),
        ("a[0]", b'{"a":["\\ud83dignored"]}'.replace(b"\\ud83d", b""), b'{"a":[1, 2]}'),
    ],
)
def test_ignored_places_leave_the_rest(path: str, one: bytes, other: bytes) -> None:
    """Ignoring a place says nothing about its neighbours, nor about a list's length."""
    assert meant(JSON, one, ignoring(path)) != meant(JSON, other, ignoring(path))


def test_ignored_places_start_at_each_line() -> None:
    """In JSON Lines and in server-sent events a path starts at each document."""
    lines = (b'{"id":1,"a":1}\n{"id":2,"a":1}', b'{"id":3,"a":1}\n{"id":4,"a":1}')
    events = tuple(b"".join(b"data: " + line + b"\n\n" for line in body.split(b"\n")) for body in lines)
    for content_type, (one, other) in ((LINES, lines), (EVENTS, events)):
        assert meant(content_type, one, ignoring("id")) == meant(content_type, other, ignoring("id"))


# --- properties ---------------------------------------------------------------------------------------------------

ALL_TYPES = [*meaning.KINDS, "application/a+json", MULTI + "x", 'multipart/mixed; boundary="x"', "", "image/png", ";;"]
READINGS = [meaning.PLAIN, Reading(round_digits=2), ignoring("a", "[*]", "a[*].b", "*")]
SEEDS = [case[:2] for case in (*EQUAL.values(), *UNREADABLE.values()) if len(case[1]) < 5000]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALL_TYPES), st.binary(max_size=200), st.sampled_from(READINGS))
def test_projection_total_on_any_bytes(content_type: str, body: bytes, reading: Reading) -> None:
    """No bytes make a projection raise, and it is the same every time."""
    assert meant(content_type, body, reading) == meant(content_type, body, reading)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_projection_total_on_damaged_bodies(data: st.DataObject) -> None:
    """Well-formed bodies of every kind, cut, repeated and with bytes exchanged, never make a projection raise."""
    content_type, seed = data.draw(st.sampled_from(SEEDS))
    body = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(body) - 1, 0)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    other_type = data.draw(st.sampled_from([content_type, content_type, *ALL_TYPES]))
    meant(other_type, bytes(body), data.draw(st.sampled_from(READINGS)))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(JSON_VALUES, JSON_VALUES)
def test_json_projection_equal_exactly_when_values_are(one: object, other: object) -> None:
    """Two documents have one projection exactly when they hold the same values, however they are written."""
    compact = json.dumps(one, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    spaced = json.dumps(one, indent=2, sort_keys=True).encode()
    strange = json.dumps(other).encode()
    assert meant(JSON, compact) == meant(JSON, spaced)
    assert (meant(JSON, compact) == meant(JSON, strange)) == (canonical(one) == canonical(other))


def canonical(value: object) -> object:
    """A value in which only equal meanings are equal: Python takes True for 1, and -0.0 for 0."""
    if isinstance(value, dict):
        return ("object", sorted((key, repr(canonical(inner))) for key, inner in value.items()))
    if isinstance(value, list):
        return ("list", [canonical(inner) for inner in value])
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return (type(value).__name__, value)
    return ("number", number(repr(value).replace("e+", "e")))


@settings(max_examples=200, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False, places=12), st.integers(-20, 20))
def test_number_one_form_for_all_writings(value: object, shift: int) -> None:
    """A number has one canonical form, whichever exponent it is written with."""
    text = format(value, "f")
    digits, places = text.replace(".", "").replace("-", "").lstrip("0") or "0", len(text.partition(".")[2])
    sign = "-" if text.startswith("-") else ""
    assert number(f"{sign}{digits}{'0' * max(shift, 0)}e{-places - max(shift, 0)}") == number(text)

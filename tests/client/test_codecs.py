"""Codecs by media type: round trips, and bytes that are not what they say."""

from __future__ import annotations

from typing import Any

import numpy
import pytest

from sagetape_client import codecs
from sagetape_client.errors import ContentError, ParameterError


@pytest.mark.parametrize(
    ("value", "content_type"),
    [
        ({"a": [1, 2.5, None, "é"]}, "application/json"),
        ({"a": 1}, "application/vnd.acme+json; charset=utf-8"),
        ([{"a": 1}, [2], "x"], "application/jsonlines"),
        ([{"a": 1}], "application/x-ndjson"),
        ([["a", "1,2"], ['say "hi"', ""]], "text/csv"),
        ({"a": b"\x00", "b": [1, "x"]}, "application/msgpack"),
        ("naïve", "text/plain"),
        ("<p>", "text/html; charset=utf-8"),
        (b"\x00\xff", "application/octet-stream"),
    ],
)
def test_codec_round_trips(value: Any, content_type: str) -> None:
    """What is encoded decodes to an equal value."""
    assert value == codecs.decode(codecs.encode(value, content_type), content_type)


def test_codec_npy_round_trips() -> None:
    """An array keeps its type and shape."""
    array = numpy.arange(6, dtype="float32").reshape(2, 3)
    decoded = codecs.decode(codecs.encode(array, "application/x-npy"), "application/x-npy")
    assert (array.dtype, array.tolist()) == (decoded.dtype, decoded.tolist())


def test_codec_npy_never_unpickles() -> None:
    """An object array is refused, both ways."""
    import io

    out = io.BytesIO()
    numpy.save(out, numpy.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ContentError, match="allow_pickle"):
        codecs.decode(out.getvalue(), "application/x-npy")
    with pytest.raises(ParameterError):
        codecs.encode(numpy.array([{}], dtype=object), "application/x-npy")


@pytest.mark.parametrize(
    ("body", "content_type", "place"),
    [
        (b'{"a": 1,\n oops}', "application/json", "line 2, column 2"),
        (b'{"a": "\xff"}', "application/json", "byte 7"),
        (b'{"a":1}\n{"b"', "application/jsonlines", "line 2, column 5"),
        (b'a,"b', "text/csv", "unexpected end"),
        (b"\x93NUMPY\x01", "application/x-npy", ""),
        (b"\xc1", "application/msgpack", ""),
        (b"\x01\x02", "application/msgpack", "extra data"),
        (b"\xff", "text/plain", "byte 0"),
        (b"x", "text/plain; charset=klingon", "klingon"),
    ],
)
def test_codec_names_what_an_answer_is_not(body: bytes, content_type: str, place: str) -> None:
    """Bytes that are not what their type says: the text holds type, place, beginning and remedy."""
    with pytest.raises(ContentError) as caught:
        codecs.decode(body, content_type)
    text = str(caught.value)
    assert all(words in text for words in (content_type, place, repr(body[:40]), "Accept"))
    assert (body, content_type) == (caught.value.body, caught.value.content_type)


def test_codec_unknown_type_stays_bytes() -> None:
    """Nothing is guessed: an unknown or missing type gives the bytes."""
    assert codecs.decode(b"{}", "image/png") == b"{}"
    assert codecs.decode(b"{}", None) == b"{}"


def test_codec_unknown_type_cannot_encode() -> None:
    """A value for an unknown type names the types there are."""
    with pytest.raises(ParameterError, match=r"image/png.*register.*application/json"):
        codecs.encode({}, "image/png")


def test_codec_octets_of_a_number_are_refused() -> None:
    """A number is no octets (Python's `bytes(5)` would be five zeros)."""
    with pytest.raises(ParameterError, match="octets are bytes"):
        codecs.encode(5, "application/octet-stream")


def test_codec_of_ones_own_is_used() -> None:
    """A registered pair of functions is asked for its media type, parameters aside."""
    shout, whisper = (lambda v: v.upper().encode()), (lambda b: b.decode().lower())
    codecs.register_codec("Application/X-Shout", encode=shout, decode=whisper)
    assert codecs.encode("hi", "application/x-shout; v=1") == b"HI"
    assert codecs.decode(b"HI", "APPLICATION/x-shout") == "hi"

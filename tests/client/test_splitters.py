"""What a stream means does not depend on where it was cut."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagetape_client.errors import ContentError
from sagetape_client.splitters import Characters, Documents, Lines, ServerEvent, ServerEvents


def split(splitter: Any, data: bytes, cuts: list[int]) -> list[Any]:
    """Everything a splitter gives for data cut at these places."""
    edges = [0, *sorted(c % (len(data) + 1) for c in cuts), len(data)]
    pieces = [data[a:b] for a, b in itertools.pairwise(edges)]
    found = [item for piece in pieces for item in splitter.feed(piece)]
    return found + list(splitter.finish())


def drain(splitter: Any, pieces: list[bytes], into: list[Any]) -> None:
    """Everything, one by one, so that what came before an error is kept."""
    for piece in pieces:
        for item in splitter.feed(piece):
            into.append(item)
    for item in splitter.finish():
        into.append(item)


CUTS = st.lists(st.integers(0, 10_000), max_size=30)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.text(max_size=60), CUTS)
def test_characters_are_never_cut(text: str, cuts: list[int]) -> None:
    """Text comes out whole, and no piece holds half a character."""
    data = text.encode("utf-8")
    pieces = split(Characters(), data, cuts)
    assert text == "".join(pieces)
    assert "" not in pieces


@given(st.binary(max_size=12), st.integers(0, 20))
def test_characters_before_a_bad_byte_come_out(tail: bytes, cut: int) -> None:
    """What is whole comes before the error, wherever the cut was, and the error names the byte."""
    data = "né".encode() + b"\xff" + tail
    found: list[str] = []
    splitter = Characters()
    with pytest.raises(ContentError) as caught:
        drain(splitter, [data[:cut], data[cut:]], found)
    assert caught.value.offset == 3
    assert "".join(found) == "né"


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=8), max_size=8), CUTS
)
def test_lines_are_the_same_wherever_cut(lines: list[str], cuts: list[int]) -> None:
    """Lines with either end come out without it."""
    data = "".join(line + ("\r\n" if i % 2 else "\n") for i, line in enumerate(lines)).encode()
    assert [line.encode() for line in lines] == split(Lines(), data, cuts)


def test_lines_the_last_needs_no_end() -> None:
    """A last line without an end is a line; an end alone makes none."""
    assert split(Lines(), b"a\n\nb", []) == [b"a", b"", b"b"]
    assert split(Lines(), b"a\n", []) == [b"a"]


@given(st.lists(JSON_VALUES, max_size=6), st.sampled_from(["\n", " ", "\r\n", "\t\n "]), CUTS)
def test_documents_are_the_same_wherever_cut(values: list[Any], separator: str, cuts: list[int]) -> None:
    """JSON documents come out equal, whatever separates them and wherever the parts end."""
    data = separator.join(json.dumps(value, ensure_ascii=False) for value in values).encode("utf-8", "surrogatepass")
    if b"\xed" in data:
        return  # a lone surrogate has no UTF-8
    assert values == split(Documents(), data, cuts)


def test_documents_need_no_separator_between_containers() -> None:
    """Objects, arrays and strings may touch."""
    data = b'{"a":"}{"}[1,[2]]"x\\"y"{"b":{}}7'
    assert split(Documents(), data, list(range(len(data)))) == [{"a": "}{"}, [1, [2]], 'x"y', {"b": {}}, 7]


@pytest.mark.parametrize(
    ("data", "offset"), [(b'{"a":1} oops {"b":2}', 8), (b"[1] [2,]", 4), (b"}", 0), (b'[1]\n{"a":', 4)]
)
def test_documents_name_the_first_that_is_not_json(data: bytes, offset: int) -> None:
    """An error names the byte, after the good documents came out."""
    found: list[Any] = []
    splitter = Documents()
    with pytest.raises(ContentError) as caught:
        drain(splitter, [data], found)
    assert offset == caught.value.offset
    assert bool(found) == (offset > 0)


STREAM = (
    b'\xef\xbb\xbf: comment\r\ndata: one\r\ndata: two\r\n\r\nevent: done\rid: 7\rretry: 250\rdata:{"a": 1}\r\r'
    b"data\n\nevent: nothing\n\nunknown: x\ndata:  last"
)
EVENTS = [
    ServerEvent("one\ntwo"),
    ServerEvent('{"a": 1}', "done", "7", 250),
    ServerEvent("", id="7"),
    ServerEvent(" last", id="7"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_events_follow_the_standard(size: int) -> None:
    """CR, LF, CRLF, comments, ids and retries, in pieces of every size."""
    assert split(ServerEvents(), STREAM, list(range(0, len(STREAM), size))) == EVENTS


def test_event_data_as_json() -> None:
    """An event's data decodes; `[DONE]` is named as what it is."""
    assert EVENTS[1].json() == {"a": 1}
    with pytest.raises(ContentError, match="DONE"):
        ServerEvent("[DONE]").json()

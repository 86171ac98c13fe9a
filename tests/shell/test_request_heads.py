"""What is read past aiohttp's parser is read as aiohttp's parser reads it, and nothing of which there is a doubt.

Two parsers that disagree about one message are how requests are smuggled. So for every message that `read_head` calls
plain, the parser behind it must find exactly one request, with the same method, path, headers and body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from malformed_cases import CASES

from sagetape.core.request_heads import HEAD_MAX_BYTES, is_begun, read_head
from sagetape.shell.connections import Server
from sagetape.shell.player import Dates

PLAIN = b"POST /endpoints/echo/invocations HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 2\r\n\r\n{}"

NOT_PLAIN: dict[str, bytes] = {
    "another method": PLAIN.replace(b"POST", b"PUT"),
    "lower-case method": PLAIN.replace(b"POST", b"post"),
    "a query": PLAIN.replace(b"/invocations", b"/invocations?a=b"),
    "a fragment": PLAIN.replace(b"/invocations", b"/invocations#a"),
    "the absolute form": PLAIN.replace(b"/endpoints", b"http://127.0.0.1:80/endpoints"),
    "HTTP/1.0": PLAIN.replace(b"/1.1", b"/1.0"),
    "bare line feeds": PLAIN.replace(b"\r\n", b"\n"),
    "one bare line feed": PLAIN.replace(b":80\r\n", b":80\n"),
    "a carriage return in a value": PLAIN.replace(b":80", b":80\rX: 1"),
    "a zero byte in a value": PLAIN.replace(b":80", b":80\0"),
    "a byte above 127": PLAIN.replace(b":80", b":80\r\nX: \xc3\xa9"),
    "a blank before the colon": PLAIN.replace(b"Host:", b"Host :"),
    "a blank at the end of a value": PLAIN.replace(b":80", b":80 "),
    "two blanks before a value": PLAIN.replace(b"Host: ", b"Host:  "),
    "no blank before a value": PLAIN.replace(b"Host: ", b"Host:"),
    "a tab": PLAIN.replace(b":80", b":80\tx"),
    "an empty value": PLAIN.replace(b"Host", b"X: \r\nHost"),
    "a line that is no header": PLAIN.replace(b"Host", b"X\r\nHost"),
    "a folded line": PLAIN.replace(b":80\r\n", b":80\r\n more\r\n"),
    "no name": PLAIN.replace(b"Host", b""),
    "a header twice": PLAIN.replace(b"Host", b"X: 1\r\nx: 2\r\nHost"),
    "no headers": b"POST / HTTP/1.1\r\n\r\n",
    "no host": PLAIN.replace(b"Host", b"X"),
    "no length": PLAIN.replace(b"Content-Length: 2", b"X: 2"),
    "a negative length": PLAIN.replace(b": 2", b": -2"),
    "a length of digits that are not ASCII": PLAIN.replace(b": 2", b": \xd9\xa2"),
    "a length of 13 digits": PLAIN.replace(b": 2", b": 1000000000000"),
    "chunks": PLAIN.replace(b"Content-Length: 2", b"Content-Length: 2\r\nTransfer-Encoding: chunked"),
    "expects a go-ahead": PLAIN.replace(b"Host", b"Expect: 100-continue\r\nHost"),
    "an upgrade": PLAIN.replace(b"Host", b"Upgrade: h2c\r\nHost"),
    "closes": PLAIN.replace(b"Host", b"Connection: close\r\nHost"),
    "names a header of this hop": PLAIN.replace(b"Host", b"Connection: keep-alive, X\r\nHost"),
    "too long": PLAIN.replace(b"Host", b"X: " + b"x" * HEAD_MAX_BYTES + b"\r\nHost"),
    "too many headers": PLAIN.replace(b"Host", b"".join(b"X-%d: 1\r\n" % n for n in range(101)) + b"Host"),
    "not all there": PLAIN[:-6],
    "nothing": b"",
}

NAMES = (b"Host", b"X", b"x", b"Content-Length", b"Transfer-Encoding", b"Connection", b"Upgrade", b"Expect", b"", b"X ")
NAMES += (b"Sec-WebSocket-Key1", b"Sec-WebSocket-Key", b"HTTP2-Settings", b"Content-Encoding", b"TE", b"Keep-Alive")
VALUES = (
    b"",
    b" ",
    b"2",
    b" 2",
    b"\t2",
    b"2 ",
    b"+2",
    b"02",
    b"2, 2",
    b"chunked",
    b"keep-alive",
    b"Keep-Alive",
    b"close",
)
VALUES += (b"gzip", b"h2c", b"100-continue", b"127.0.0.1:80", b"a:b", b"a\tb", b"\x7f", b"\xff", b"\x0b", b'"', b"1\r2")
TARGETS = (
    b"/",
    b"//",
    b"/a",
    b"/%",
    b"/a b",
    b"/a?b",
    b"/a#b",
    b"*",
    b"http://h/a",
    b"/:@!$&'()*+,;=",
    b"/\x7f",
    b"/|",
)

headers = st.builds(
    lambda name, colon, gap, value, end: name + colon + gap + value + end,
    st.sampled_from(NAMES),
    st.sampled_from((b":",) * 8 + (b"", b"::")),
    st.sampled_from((b" ",) * 6 + (b"", b"  ", b"\t")),
    st.sampled_from(VALUES) | st.binary(max_size=6),
    st.sampled_from((b"\r\n",) * 12 + (b"\n", b"\r", b" \r\n", b"\r\n ")),
)


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Requests of which most are almost plain."""
    target = draw(st.sampled_from(TARGETS))
    line = draw(st.sampled_from((b"POST %b HTTP/1.1\r\n",) * 8 + (b"GET %b HTTP/1.1\r\n", b"POST  %b HTTP/1.1\r\n")))
    found = draw(st.lists(headers, max_size=4))
    length = draw(st.sampled_from((b"Content-Length: 2\r\n",) * 4 + (b"content-length:0\r\n", b"")))
    found.insert(draw(st.integers(0, len(found))), length)
    data = line % target + b"Host: 127.0.0.1:80\r\n" + b"".join(found) + b"\r\n{}"
    if draw(st.integers(0, 3)):
        return data
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=2)) + data[at + draw(st.integers(0, 2)) :]


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def parsed(data: bytes, loop: asyncio.AbstractEventLoop) -> list[Any]:
    """What aiohttp's parser, with the server's settings, makes of the bytes."""

    async def parse() -> list[Any]:
        server = Server(None, dates=Dates(), new_request_id=bytes, connections_max=1)
        found, upgraded, tail = server()._parser.feed_data(data)  # type: ignore[union-attr]
        assert not upgraded
        assert not tail
        return [(message, payload.read_nowait(-1), payload.is_eof()) for message, payload in found]

    return loop.run_until_complete(parse())


def agree(data: bytes, loop: asyncio.AbstractEventLoop) -> bool:
    """Whether `data` is plain and whole; the parser must say the same of it then."""
    head = read_head(data)
    if head is None or len(data) != head.size_bytes + head.body_bytes:
        return False
    ((message, body, is_whole),) = parsed(data, loop)
    assert (message.method, message.path) == ("POST", head.target)
    assert {name.lower(): value for name, value in message.raw_headers} == head.fields
    assert len(message.raw_headers) == len(head.fields)
    assert (message.version, message.should_close, message.upgrade, message.chunked) == ((1, 1), False, False, False)
    assert body == data[head.size_bytes :]
    assert is_whole
    return True


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_anything_unusual_is_not_plain(name: str) -> None:
    """aiohttp's parser has the word on it."""
    assert read_head(NOT_PLAIN[name]) is None


def test_plain_head_says_what_it_holds() -> None:
    """Names in lower case, values without blanks around them, sizes in bytes."""
    head = read_head(PLAIN)
    assert head is not None
    assert head.target == "/endpoints/echo/invocations"
    assert head.fields == {b"host": b"127.0.0.1:80", b"content-length": b"2"}
    assert (head.size_bytes, head.body_bytes) == (len(PLAIN) - 2, 2)


@given(data=messages())
@example(data=PLAIN)
@example(data=PLAIN.replace(b"Host", b"Connection: Keep-Alive\r\nX: a:b: c\r\nHost"))
def test_plain_is_read_as_the_parser_behind_reads_it(data: bytes, loop: asyncio.AbstractEventLoop) -> None:
    """For any bytes: what is plain here is exactly one request there, of the same content."""
    agree(data, loop)


def test_generated_messages_are_often_plain(loop: asyncio.AbstractEventLoop) -> None:
    """The property above is not empty."""
    found = []

    @settings(derandomize=True, database=None)  # whether it is empty must not depend on chance
    @given(data=messages())
    def collect(data: bytes) -> None:
        found.append(agree(data, loop))

    collect()
    assert any(found)


@pytest.mark.parametrize("name", CASES)
def test_malformed_request_is_plain_to_nobody_or_to_both(name: str, loop: asyncio.AbstractEventLoop) -> None:
    """The requests in which parsers are known to disagree."""
    agree(CASES[name].replace(b"{host}", b"127.0.0.1:80"), loop)


@pytest.mark.parametrize("cut", range(1, len(PLAIN)))
def test_first_part_of_a_plain_head_is_waited_for(cut: int) -> None:
    """From its first byte to its empty line."""
    assert is_begun(PLAIN[:cut]) == (cut < len(PLAIN) - 2)


@pytest.mark.parametrize("data", [b"G", b"PU", b"POST  ", b"POST http", b"POST /" + b"a" * HEAD_MAX_BYTES])
def test_what_cannot_become_plain_is_not_waited_for(data: bytes) -> None:
    """Another method, another form of target, and a head that is too long."""
    assert not is_begun(data)

"""Containers: what they receive, what becomes of their answers, and every way in which they can fail to answer."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from tests.shell.upstream_servers import INVOKE, STREAM, FusedClock, ask_of, raw_server, sends, steps_of

from sagetape.core.eventstream import decode
from sagetape.core.platform import Ask
from sagetape.core.wire import Chunk, End, Head, Step, body_of, whole
from sagetape.shell.clock import RealClock
from sagetape.shell.upstreams import NothingHere, Settings, parse_upstream
from sagetape.shell.upstreams.container import Container, Reply

VARIANT = ("x-Amzn-Invoked-Production-Variant", "AllTraffic")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"


async def answer(
    data: bytes, *, ask: Ask | None = None, then: str = "close", settings: Settings | None = None
) -> list[Step]:
    """What the client sees when a container sends these bytes."""
    clock = FusedClock()
    async with raw_server(sends(data, then=then, clock=clock)) as port:
        upstream = parse_upstream(f"http://127.0.0.1:{port}", settings)
        return await steps_of(upstream, ask or ask_of(), clock=clock)


def error_of(steps: list[Step]) -> dict[str, Any]:
    """The body of a 424."""
    assert isinstance(steps[0], Head)
    assert steps[0].status == 424
    assert steps[-1] == End()
    parsed: dict[str, Any] = json.loads(body_of(tuple(steps)))
    return parsed


# --- the request ------------------------------------------------------------------------------------------------


async def test_request_is_the_platforms_and_nothing_of_the_callers() -> None:
    """Line, headers and body as the platform sends them, to the byte."""
    seen = []

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        seen.append(request)
        await sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(writer, request)

    members = {"ContentType": "text/csv", "Accept": "*/*", "TargetVariant": "blue"}
    async with raw_server(behave) as port:
        upstream = parse_upstream(f"http://127.0.0.1:{port}")
        await steps_of(upstream, ask_of(body=b"1,2", members=members, path="/models/m/invoke"))
    assert seen[0].decode().split("\r\n") == [
        "POST /models/m/invoke HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "User-Agent: AHC/2.0",
        "Content-Type: text/csv",
        "Accept: */*",
        "X-Amzn-SageMaker-Inference-Id: request-1",
        "X-Amzn-SageMaker-Forwarded-Api: InvokeEndpoint",
        "Content-Length: 3",
        "",
        "1,2",
    ]


async def test_base_path_stands_before_the_platforms() -> None:
    """A container behind a path is asked below it."""
    seen = []

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        seen.append(request.split(b"\r\n")[0])
        await sends(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")(writer, request)

    async with raw_server(behave) as port:
        await steps_of(parse_upstream(f"http://127.0.0.1:{port}/a/b/"), ask_of())
    assert seen == [b"POST /a/b/invocations HTTP/1.1"]


# --- whole answers ----------------------------------------------------------------------------------------------


async def test_whole_answer_passes_bytes_and_type() -> None:
    """Body unchanged, headers as the platform leaves them."""
    data = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-npy\r\nServer: x\r\nContent-Length: 4\r\n\r\n\x93\x00\xff\n"
    script = whole(200, (VARIANT, ("Content-Type", "application/x-npy")), b"\x93\x00\xff\n")
    assert await answer(data) == list(script)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nok until the end", b"ok until the end"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8bx", b"\x1f\x8bx"),
    ],
)
async def test_every_kind_of_success_is_a_200(data: bytes, body: bytes) -> None:
    """Whatever the 2xx and the framing; nothing is decompressed."""
    assert await answer(data) == list(whole(200, (VARIANT, ("Content-Type", "application/json")), body))


async def test_malformed_session_header_is_told_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """The answer passes without it."""
    data = b"HTTP/1.1 200 OK\r\nX-Amzn-SageMaker-Session-Id: x\r\nContent-Length: 2\r\n\r\nok"
    with caplog.at_level(logging.WARNING, "sagetape.upstreams"):
        steps = await answer(data)
    assert body_of(tuple(steps)) == b"ok"
    assert "no session was opened" in caplog.text


# --- failures ---------------------------------------------------------------------------------------------------

A, B, C, D = (
    "with message",
    "could not load the entire response body",
    "timed out while waiting",
    "could not get a resp",
)
OK = b"HTTP/1.1 200 OK\r\n"
FAILURES = {
    "closes before a byte": (b"", "close", 0, D),
    "resets before a byte": (b"", "reset", 0, D),
    "hangs before a byte": (b"", "hang", 0, C),
    "hangs inside the head": (OK + b"Content-", "hang", 0, C),
    "hangs inside the body": (OK + b"Content-Length: 9\r\n\r\nhalf", "hang", 0, C),
    "hangs before the last chunk": (CHUNKED + b"4\r\nhalf\r\n", "hang", 0, C),
    "sends garbage": (b"\x00\xff\x13\x37 nonsense\r\n\r\n", "close", 0, D),
    "speaks TLS": (b"\x15\x03\x01\x00\x02\x02\x46", "close", 0, D),
    "speaks another protocol": (b"220 mail.example ESMTP\r\n", "close", 0, D),
    "sends a status of four digits": (b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "close", 0, D),
    "ends inside the status line": (b"HTTP/1.1 20", "close", 0, D),
    "ends inside the head": (OK + b"Content-Type: text/pl", "close", 0, D),
    "sends two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "close", 0, D),
    "sends a negative length": (OK + b"Content-Length: -1\r\n\r\nabc", "close", 0, D),
    "sends a length that is no number": (OK + b"Content-Length: many\r\n\r\nabc", "close", 0, D),
    "sends a header with a zero byte": (OK + b"X-A: a\x00b\r\nContent-Length: 0\r\n\r\n", "close", 0, D),
    "sends a header of a megabyte": (OK + b"X-A: " + b"a" * 1_000_000 + b"\r\n\r\n", "close", 0, D),
    "announces more than it sends": (OK + b"Content-Length: 9\r\n\r\nhalf", "close", 0, B),
    "announces less than it sends": (OK + b"Content-Length: 2\r\n\r\nabcd", "close", 0, D),
    "resets inside the body": (OK + b"Content-Length: 9\r\n\r\nhalf", "reset", 0, None),
    "ends inside a chunk": (CHUNKED + b"9\r\nhalf", "close", 0, B),
    "ends without the last chunk": (CHUNKED + b"4\r\nhalf\r\n", "close", 0, B),
    "sends a chunk without a size": (CHUNKED + b"4\r\nhalf\r\nzz\r\n", "close", 0, None),
    "sends more than the platform carries": (OK + b"Content-Length: 2000\r\n\r\n" + b"a" * 2000, "close", 0, B),
    "sends a stream of chunks too large": (CHUNKED + b"3e8\r\n" + b"a" * 1000 + b"\r\n0\r\n\r\n", "close", 0, B),
    "fails with text": (b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\nboom", "close", 500, A),
    "fails without a body": (b"HTTP/1.1 503 X\r\nRetry-After: 9\r\nContent-Length: 0\r\n\r\n", "close", 503, A),
    "fails with bytes that are no text": (b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n\xff\xfe", "close", 500, B),
    "fails with half a body": (b"HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nhalf", "close", 500, B),
    "refuses with half a body": (b"HTTP/1.1 413 X\r\nContent-Length: 9\r\n\r\nhalf", "close", 413, B),
    "redirects": (b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", "close", 302, A),
    "asks for a password": (b"HTTP/1.1 401 X\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", "close", 401, A),
    "is throttled": (b"HTTP/1.1 429 X\r\nContent-Length: 2\r\n\r\n{}", "close", 429, A),
}


# A stream passes its parts on as they come: its failures after the head are tested further down.
BEFORE_THE_HEAD = [kind for kind, (data, *_, text) in FAILURES.items() if text is D or not data.startswith(OK)]


@pytest.mark.parametrize(
    ("operation", "kind"), [*((INVOKE, kind) for kind in FAILURES), *((STREAM, kind) for kind in BEFORE_THE_HEAD)]
)
async def test_container_that_fails_before_a_whole_answer(kind: str, operation: str) -> None:
    """Each kind of failure is one of the platform's texts; half an answer is never passed as whole."""
    data, then, status, text = FAILURES[kind]
    steps = await answer(data, ask=ask_of(operation), then=then, settings=Settings(answer_max_bytes=999))
    error = error_of(steps)
    assert error["OriginalStatusCode"] == status
    # Where a reset or a bad chunk overtakes the head in the client's buffer is the network's choice.
    assert text in error["Message"] if text else (B in error["Message"] or D in error["Message"])


async def test_unreachable_container_is_nothing_for_a_chain_and_template_d_for_a_client() -> None:
    """Refused before a byte was sent: the next one may be asked."""
    async with raw_server(sends(b"")) as port:
        pass
    upstream = parse_upstream(f"http://127.0.0.1:{port}")
    with pytest.raises(NothingHere, match="cannot be reached") as raised:
        await steps_of(upstream, ask_of())
    assert raised.value.instead is not None
    assert D in error_of(list(raised.value.instead))["Message"]


# --- streams ----------------------------------------------------------------------------------------------------


def parts_of(steps: list[Step]) -> list[bytes]:
    """Payloads of the PayloadPart frames."""
    frames = [decode(step.data) for step in steps if isinstance(step, Chunk)]
    return [frame.payload for frame in frames if frame.is_part]


async def test_each_http_chunk_is_one_part() -> None:
    """Boundaries are kept, not merged by one read nor split by the reads."""
    data = CHUNKED + b"3\r\none\r\n3;x=y\r\ntwo\r\n1\r\n\xc3\r\n1\r\n\xa9\r\n0\r\n\r\n"
    steps = await answer(data, ask=ask_of(STREAM))
    assert parts_of(steps) == [b"one", b"two", b"\xc3", b"\xa9"]
    assert steps[-1] == End()
    assert isinstance(steps[0], Head)
    assert steps[0].header("X-Amzn-SageMaker-Content-Type") == "text/plain"


async def test_first_part_is_there_while_the_container_still_waits() -> None:
    """Nothing is held back: the second part is only sent once the first was seen."""
    seen_first = asyncio.Event()

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        writer.write(CHUNKED + b"3\r\none\r\n")
        await seen_first.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with raw_server(behave) as port:
        upstream = parse_upstream(f"http://127.0.0.1:{port}")
        steps: list[Step] = []
        async for step in upstream.ask(ask_of(STREAM), clock=RealClock()):
            steps.append(step)
            if isinstance(step, Chunk):
                seen_first.set()
        await upstream.close()
    assert parts_of(steps) == [b"one", b"two"]


async def test_large_chunk_is_passed_on_in_pieces() -> None:
    """A chunk of 3 MiB is not held until it is whole."""
    body = bytes(range(256)) * 4096 * 3
    data = CHUNKED + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    parts = parts_of(await answer(data, ask=ask_of(STREAM)))
    assert [len(part) for part in parts] == [1024 * 1024] * 3
    assert b"".join(parts) == body


@pytest.mark.parametrize("framing", [b"Content-Length: 3\r\n", b""])
async def test_stream_without_chunks_is_passed_as_it_is_read(framing: bytes) -> None:
    """A container that knows its length, or ends with the connection, streams too."""
    steps = await answer(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\none", ask=ask_of(STREAM))
    assert b"".join(parts_of(steps)) == b"one"
    assert steps[-1] == End()


BREAKS = {
    "ends inside a chunk": (b"9\r\nhalf", "close"),
    "ends without the last chunk": (b"", "close"),
    "resets": (b"", "reset"),
    "sends a chunk without a size": (b"zz\r\n", "close"),
    "sends a chunk longer than its size": (b"1\r\ntoo long\r\n", "close"),
}


@pytest.mark.parametrize("kind", BREAKS)
async def test_broken_stream_ends_with_a_model_stream_error(kind: str) -> None:
    """What came before it was passed on; the last frame says that it is not whole; then the stream ends."""
    rest, then = BREAKS[kind]
    seen_first = asyncio.Event()

    async def behave(writer: asyncio.StreamWriter, request: bytes) -> None:
        await sends(CHUNKED + b"3\r\none\r\n", then="nothing")(writer, request)
        await seen_first.wait()
        await sends(rest, then=then)(writer, request)

    async with raw_server(behave) as port:
        upstream = parse_upstream(f"http://127.0.0.1:{port}")
        steps: list[Step] = []
        async for step in upstream.ask(ask_of(STREAM), clock=RealClock()):
            steps.append(step)
            if isinstance(step, Chunk):
                seen_first.set()
        await upstream.close()
    last = steps[-2]
    assert isinstance(last, Chunk)
    frame = decode(last.data)
    assert parts_of(steps)[0] == b"one"
    assert json.loads(frame.payload)["ErrorCode"] == "StreamBroken"
    assert steps[-1] == End()


async def test_stream_that_exceeds_its_time_says_so() -> None:
    """The platform's limit cuts it with ModelInvocationTimeExceeded."""
    clock = FusedClock()
    async with raw_server(sends(CHUNKED + b"3\r\none\r\n", then="nothing")) as port:
        upstream = parse_upstream(f"http://127.0.0.1:{port}")
        steps: list[Step] = []
        async for step in upstream.ask(ask_of(STREAM, timeout_s=480.0), clock=clock):
            steps.append(step)
            if len(steps) == 2:
                clock.blow()
        await upstream.close()
    last = steps[-2]
    assert isinstance(last, Chunk)
    assert json.loads(decode(last.data).payload)["ErrorCode"] == "ModelInvocationTimeExceeded"
    assert parts_of(steps) == [b"one"]


async def test_client_that_leaves_closes_the_connection_to_the_container() -> None:
    """Closing the steps early ends the container's work."""
    gone = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"3\r\none\r\n")
        await reader.read()  # to the end: the other side has closed
        writer.close()
        gone.set()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        upstream = parse_upstream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        steps = upstream.ask(ask_of(STREAM), clock=RealClock())
        assert isinstance(await anext(steps), Head)
        await steps.aclose()  # type: ignore[attr-defined]
        await asyncio.wait_for(gone.wait(), 10)
        await upstream.close()


# --- the multi-model API ----------------------------------------------------------------------------------------


LOAD = {"method": "POST", "path": "/models", "body": b'{"model_name":"m","url":"/u"}'}


async def test_load_that_outlasts_its_time_is_a_time_out() -> None:
    """Whoever asked knows that the container is still loading."""
    clock = FusedClock()
    async with raw_server(sends(b"", then="hang", clock=clock)) as port:
        container = parse_upstream(f"http://127.0.0.1:{port}")
        assert isinstance(container, Container)
        with pytest.raises(TimeoutError):
            await container.control(**LOAD, clock=clock, timeout_s=60)
        await container.close()


async def test_control_calls_to_a_dead_container_have_no_status() -> None:
    """What is no HTTP is no answer."""
    async with raw_server(sends(b"garbage\r\n\r\n")) as port:
        container = parse_upstream(f"http://127.0.0.1:{port}")
        assert isinstance(container, Container)
        assert await container.control(**LOAD, clock=RealClock(), timeout_s=9) == Reply(0, b"")
        await container.close()


async def test_control_call_to_nobody_has_no_status() -> None:
    """Refused connections are no time-outs: nothing goes on loading."""
    async with raw_server(sends(b"")) as port:
        pass
    container = parse_upstream(f"http://127.0.0.1:{port}")
    assert isinstance(container, Container)
    assert await container.control(**LOAD, clock=RealClock(), timeout_s=9) == Reply(0, b"")
    await container.close()

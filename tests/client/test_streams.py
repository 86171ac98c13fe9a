"""InvokeEndpointWithResponseStream over both transports: every reading, and every way to break."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sagetape_client.errors import ContentError, ModelError, StreamBroken
from sagetape_client.invoker import Client
from tests.client.conftest import Waits, make_client
from tests.client.standin import Answer, Standin, as_json, error, frame, stream


def exception(kind: str, body: bytes) -> bytes:
    """An exception frame."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(body, headers)


def test_stream_gives_parts_as_the_service_cut_them(client: Client, service: Standin) -> None:
    """Part boundaries stay, headers are typed, and the end is known."""
    service.script(stream([frame(b"a"), frame(b""), frame(b"bc") + frame(b"d")]))
    with client.invoke_stream("e", b"x") as result:
        assert list(result) == [b"a", b"", b"bc", b"d"]
        assert result.is_whole
    assert (
        result.content_type,
        result.invoked_production_variant,
        result.status,
    ) == ("application/json", "AllTraffic", 200)
    assert result.request_id == "request-1"


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_stream_readings_do_not_depend_on_the_cuts(client: Client, service: Standin, size: int) -> None:
    """Text, lines, documents, events and bytes are the same for every cut of the payload and of the network."""
    payload = 'data: {"é": 1}\n\ndata: {"b": "ü"}\n\n'.encode()
    parts = [payload[i : i + size] for i in range(0, len(payload), size)]
    raw = b"".join(frame(part) for part in parts)
    service.answer = lambda arrived: stream([raw[i : i + 7] for i in range(0, len(raw), 7)])
    read: Any = lambda: client.invoke_stream("e", b"x")  # noqa: E731
    assert payload == read().read()
    assert payload.decode() == "".join(read().text())
    assert payload.decode().split("\n")[:-1] == list(read().lines())
    assert [event.json() for event in read().events()] == [{"é": 1}, {"b": "ü"}]
    documents = b'{"a": 1}\n[2]3 "x"'
    service.answer = lambda arrived: stream([frame(documents[i : i + size]) for i in range(0, len(documents), size)])
    assert list(read().documents()) == [{"a": 1}, [2], 3, "x"]


MODEL_STREAM_ERROR = b'{"Message":"m","ErrorCode":"StreamBroken"}'


@pytest.mark.parametrize(
    ("tail", "cuts", "code", "error_code", "words"),
    [
        (exception("ModelStreamError", MODEL_STREAM_ERROR), False, "ModelStreamError", "StreamBroken", "m"),
        (exception("InternalStreamFailure", b'{"Message":"f"}'), False, "InternalStreamFailure", None, "f"),
        (exception("Odd", b"not json"), False, "Odd", None, "not json"),
        (frame(b"", {":message-type": "error", ":error-code": "X", ":error-message": "y"}), False, "X", None, "y"),
        (frame(b"zz")[:-1] + b"\x00", False, "BadChecksum", None, "checksum"),
        (frame(b"zz")[:10], False, "Truncated", None, "10 bytes"),
        (b"\x00" * 16, False, "BadChecksum", None, "prelude"),
        (frame(b"zz")[:10], True, "ConnectionBroken", None, "broke"),
        (frame(b"zz"), True, "ConnectionBroken", None, "broke"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_stream_that_breaks_is_one_error_with_what_arrived(
    client: Client, service: Standin, tail: bytes, cuts: bool, code: str, error_code: str | None, words: str
) -> None:
    """Exception frames, error frames, damage, truncation and resets: StreamBroken, never a shorter answer."""
    service.script(stream([frame(b"one"), frame(b"two"), tail], cuts=cuts))
    got = []
    result = client.invoke_stream("e", b"x")
    with pytest.raises(StreamBroken) as caught:
        got.extend(result.parts())
    e = caught.value
    assert e.received.startswith(b"onetwo")
    assert (code, error_code) == (e.code, e.error_code)
    assert words in str(e)
    assert e.request_id == "request-1"
    assert not result.is_whole


@pytest.mark.parametrize("through", ["light", "boto"])
def test_stream_that_falls_silent_is_a_time_out(service: Standin, waits: Waits, environ: Any, through: str) -> None:
    """A pause longer than the limit breaks the stream, with the time-out's exit code."""
    release = threading.Event()

    def parts() -> Any:
        yield frame(b"one")
        release.wait(10)
        yield frame(b"two")

    headers = {"Content-Type": "application/vnd.amazon.eventstream"}
    service.script(Answer(200, headers, parts=parts()))
    with make_client(service, waits, through=through, read_timeout_s=0.1) as client:
        with pytest.raises(StreamBroken) as caught:
            client.invoke_stream("e", b"x").read()
        release.set()
    assert (caught.value.code, caught.value.received, caught.value.exit_code) == ("ReadTimeout", b"one", 9)


def test_stream_whole_parts_come_before_the_break(client: Client, service: Standin) -> None:
    """What was readable is given first, whatever the reading."""
    service.script(stream([frame(b"a\nb\nc"), exception("ModelStreamError", b"{}")]))
    lines: list[str] = []
    with pytest.raises(StreamBroken):
        lines.extend(client.invoke_stream("e", b"x").lines())
    assert lines == ["a", "b"]


def test_stream_refused_before_its_first_byte_is_a_service_error(client: Client, service: Standin) -> None:
    """An error status is an ordinary error, with its members."""
    service.script(error(424, "ModelError", OriginalStatusCode=503))
    with pytest.raises(ModelError) as caught:
        client.invoke_stream("e", b"x")
    assert (caught.value.original_status_code, caught.value.operation) == (503, "InvokeEndpointWithResponseStream")


def test_stream_that_is_no_event_stream_is_named(client: Client, service: Standin) -> None:
    """A 200 of another type is not read as frames."""
    service.script(as_json({"a": 1}))
    with pytest.raises(ContentError, match=r"application/json.*invoke\(\)"):
        client.invoke_stream("e", b"x")


def test_stream_line_that_is_not_text_is_named(client: Client, service: Standin) -> None:
    """The line's number and byte are said."""
    service.script(stream([frame(b"ok\n\xff\n")]))
    with pytest.raises(ContentError, match="line 2"):
        list(client.invoke_stream("e", b"x").lines())


def test_stream_left_early_does_not_disturb_the_next_call(client: Client, service: Standin) -> None:
    """A connection with half a stream on it is not used again."""
    service.script(stream([frame(b"a"), frame(b"b" * 100_000)]), as_json({"a": 1}))
    with client.invoke_stream("e", b"x") as result:
        assert next(result.parts()) == b"a"
    assert client.invoke("e", b"x").value() == {"a": 1}


def test_stream_selects_its_headers(client: Client, service: Standin) -> None:
    """A property of a stream's answer can be selected."""
    service.script(stream([frame(b"a")]))
    assert client.invoke_stream("e", b"x", select="contenttype") == "application/json"

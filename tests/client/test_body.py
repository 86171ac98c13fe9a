"""Bodies become bytes as the cmdlet's converters make them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy
import pytest

from sagetape_client.body import to_bytes
from sagetape_client.errors import ParameterError
from sagetape_client.parameters import ASYNC, INVOKE
from sagetape_client.request import prepare


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("naïve", "naïve".encode()),
        (b"\x00\xff", b"\x00\xff"),
        (bytearray(b"ab"), b"ab"),
        (memoryview(b"ab"), b"ab"),
        (["a", "b"], b"a\r\nb\r\n"),
        ([], b""),
        (("a",), b"a\r\n"),
        (iter([b"a", b"b"]), b"ab"),
        ((text for text in ("x", "y")), b"x\r\ny\r\n"),
        (None, b""),
    ],
)
def test_body_converters_are_the_cmdlets(body: Any, sent: bytes) -> None:
    """Text, bytes, lists of text with the platform's newline after each, iterators; no byte order mark."""
    assert (sent, None) == to_bytes(body, newline="\r\n")


def test_body_path_is_read_and_text_like_a_path_is_text(tmp_path: Path) -> None:
    """A Path gives its file's bytes; the same path as text is sent as text."""
    file = tmp_path / "body.bin"
    file.write_bytes(b"\x01\x02")
    assert to_bytes(file)[0] == b"\x01\x02"
    assert str(file).encode() == to_bytes(str(file))[0]


@pytest.mark.parametrize("stream", [io.BytesIO(b"abc"), io.StringIO("abc")])
def test_body_open_file_is_read_to_its_end_and_closed(stream: Any) -> None:
    """What is left in an open file is sent, and the file is closed, as the cmdlet does with a Stream."""
    stream.read(1)
    assert to_bytes(stream)[0] == b"bc"
    assert stream.closed


class Closable:
    """A file-like object that is no context manager."""

    closed = False

    def read(self) -> bytes:
        return b"x"

    def close(self) -> None:
        self.closed = True


def test_body_file_like_object_is_closed_too() -> None:
    """`close` is called where there is no `with`."""
    body = Closable()
    assert to_bytes(body)[0] == b"x"
    assert body.closed


@pytest.mark.parametrize(
    ("body", "content_type", "sent", "implied"),
    [
        ({"a": [1, None]}, None, b'{"a":[1,null]}', "application/json"),
        ([1, 2], None, b"[1,2]", "application/json"),
        ([{"a": 1}, {"a": 2}], "application/jsonlines", b'{"a":1}\n{"a":2}\n', None),
        ([[1, 2], [3, 4]], "text/csv", b"1,2\n3,4\n", None),
        (numpy.array([[1, 2]]), "text/csv; charset=utf-8", b"1,2\n", None),
        (numpy.array([1.5, 2]), "application/json", b"[1.5,2.0]", None),
        (True, None, b"true", "application/json"),
    ],
)
def test_body_values_go_through_the_codec(body: Any, content_type: Any, sent: bytes, implied: Any) -> None:
    """Values become what the content type says; without one they name their own."""
    assert (sent, implied) == to_bytes(body, content_type=content_type)


def test_body_array_without_a_type_is_npy() -> None:
    """A numpy array travels as npy and says so."""
    call = prepare(INVOKE, {"endpoint_name": "e", "body": numpy.arange(3)})
    assert call.members["ContentType"] == "application/x-npy"
    assert numpy.load(io.BytesIO(call.body)).tolist() == [0, 1, 2]


def test_body_frame_is_csv_without_a_header() -> None:
    """A pandas frame travels as SageMaker's CSV."""
    pandas = pytest.importorskip("pandas", reason="pandas is optional; its frames are converted when it is installed")
    assert to_bytes(pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})) == (b"1,x\n2,y\n", "text/csv")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (Path("/nonexistent/file"), "cannot be read: No such file"),
        ("\ud800", "character 0"),
        (iter([b"a", "b"]), "item 1 is a str"),
        ([b"a", 1], "item 1 is a int"),
        (object(), "cannot be written as application/json"),
        (open, "cannot be written"),
    ],
)
def test_body_that_cannot_be_sent_is_named(body: Any, words: str) -> None:
    """What is wrong with a body is said with its place."""
    with pytest.raises(ParameterError, match=words):
        to_bytes(body)


def test_body_unreadable_stream_is_named(tmp_path: Path) -> None:
    """A file open for writing cannot be a body."""
    with (tmp_path / "x").open("wb") as file, pytest.raises(ParameterError, match="cannot be read"):
        to_bytes(file)


@pytest.mark.parametrize(("operation", "limit_bytes"), [(INVOKE, 26_214_400), (ASYNC, 128_000)])
def test_body_over_the_limit_is_refused_before_it_is_sent(operation: str, limit_bytes: int) -> None:
    """The limit itself passes; one byte more names both numbers and the remedy."""
    assert limit_bytes == len(prepare(operation, {"endpoint_name": "e", "body": bytes(limit_bytes)}).body)
    with pytest.raises(ParameterError, match=rf"{limit_bytes + 1} bytes and \w+ takes {limit_bytes}.*S3"):
        prepare(operation, {"endpoint_name": "e", "body": bytes(limit_bytes + 1)})


def test_body_null_warns_and_sends_nothing() -> None:
    """A missing body is a warning, as in the cmdlet; b'' is meant."""
    with pytest.warns(UserWarning, match="Body is null"):
        call = prepare(INVOKE, {"endpoint_name": "e"})
    assert call.body == b""
    assert prepare(INVOKE, {"endpoint_name": "e", "body": b""}).body == b""

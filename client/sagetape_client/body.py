"""What a caller may give as a body, and the bytes each becomes.

As the cmdlet converts (aws-tools-for-powershell, TypeConverterAttributes.cs): text to UTF-8 without a byte order mark,
bytes as they are, a list of text to its items each followed by the platform's newline, a file to its bytes, a stream
to what is left in it, and the stream is closed. Beyond the cmdlet: iterators of bytes, and values (a dict, an array, a
frame) through the codec of the content type. A path given as text is text: only a `Path` is read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeAlias

from . import codecs
from .errors import ParameterError

BodyInput: TypeAlias = "str | bytes | bytearray | memoryview | os.PathLike[str] | IO[Any] | Iterable[Any] | Any | None"

REALTIME_MAX_BYTES = 26_214_400  # SageMaker "Model Hosting FAQs": 25 MB for real-time endpoints
ASYNC_MAX_BYTES = 128_000  # botocore sagemaker-runtime 2017-05-13, InvokeEndpointAsync, Body


def to_bytes(
    body: BodyInput, *, content_type: str | None = None, newline: str = os.linesep
) -> tuple[bytes, str | None]:
    """The body's bytes, and the content type that the value itself implies (None when it implies none)."""
    if body is None:
        return b"", None
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body), None
    if isinstance(body, str):
        return _utf8(body), None
    if isinstance(body, os.PathLike):
        return read_file(os.fspath(body)), None
    if hasattr(body, "read"):
        return _read_stream(body), None
    if codecs.is_array(body) or isinstance(body, (dict, bool, int, float)):
        return _through_codec(body, content_type)
    if isinstance(body, Iterable):
        return _gather(body, content_type, newline)
    return _through_codec(body, content_type)


def read_file(path: str) -> bytes:
    """A file's bytes; ParameterError with its name when it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise ParameterError(
            f"The body's file {path!r} cannot be read: {error.strerror}. Check the path (relative to {os.getcwd()})"
            " and its permissions; text that only looks like a path is given as text."
        ) from error


def check_size(size_bytes: int, *, limit_bytes: int, operation: str) -> None:
    """Raises ParameterError when the service would refuse the body for its length."""
    if size_bytes > limit_bytes:
        raise ParameterError(
            f"The body has {size_bytes} bytes and {operation} takes {limit_bytes}. Put a larger input into S3 and use"
            " the asynchronous operation with InputLocation, or split it."
        )


def _through_codec(value: Any, content_type: str | None) -> tuple[bytes, str | None]:
    wanted = content_type or codecs.natural_type(value)
    return codecs.encode(value, wanted), (None if content_type else wanted)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ParameterError(
            f"The body's character {error.start} ({text[error.start]!r}) has no form in UTF-8."
            " Give bytes for data that is not text."
        ) from error


def _read_stream(stream: Any) -> bytes:
    with stream if hasattr(stream, "__exit__") else _Closing(stream):
        try:
            content = stream.read()
        except (OSError, ValueError) as error:
            raise ParameterError(
                f"The body's stream cannot be read: {error}. Open it for reading, in binary mode."
            ) from error
    return _utf8(content) if isinstance(content, str) else bytes(content)


class _Closing:
    """Closes what has `close` and is no context manager of its own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        if hasattr(self._stream, "close"):
            self._stream.close()


def _gather(items: Iterable[Any], content_type: str | None, newline: str) -> tuple[bytes, str | None]:
    values = list(items)
    if all(isinstance(value, str) for value in values):
        return _utf8("".join(value + newline for value in values)), None
    if all(isinstance(value, (bytes, bytearray, memoryview)) for value in values):
        return b"".join(values), None
    if isinstance(items, Iterator) or any(isinstance(value, bytes) for value in values):
        odd = next(
            i
            for i, value in enumerate(values)
            if type(value) is not type(values[0]) or not isinstance(value, (str, bytes))
        )
        raise ParameterError(
            f"The body's item {odd} is a {type(values[odd]).__name__}; a body in parts is all text or all bytes."
            " Encode the parts, or give one list of values with a content type."
        )
    return _through_codec(values, content_type)

"""From values to bodies and back, by media type.

A codec is a pair of functions; the registry maps a media type without its parameters, in lower case, to one.
Decoding is strict: bytes that are not what their type says raise ContentError with the place. A type nobody
registered stays bytes: nothing is guessed from the content. numpy and pandas are used when a value is theirs, never
imported for anything else, and never unpickled (`allow_pickle=False`).
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .errors import ContentError, ParameterError

Encoder = Callable[[Any], bytes]
Decoder = Callable[[bytes, str], Any]


@dataclass(frozen=True, slots=True)
class Codec:
    """`encode(value) -> bytes`, `decode(body, charset) -> value`."""

    encode: Encoder
    decode: Decoder


def media_type_of(content_type: str | None) -> str:
    """`application/json` of `Application/JSON; charset=utf-8`."""
    return (content_type or "").split(";", 1)[0].strip().lower()


def charset_of(content_type: str | None) -> str:
    """The `charset` parameter, else UTF-8."""
    if not content_type or "charset" not in content_type.lower():
        return "utf-8"
    from email.message import Message  # slow to import, and seldom asked

    message = Message()
    message["Content-Type"] = content_type
    return str(message.get_content_charset("utf-8"))


def encode(value: Any, content_type: str | None) -> bytes:
    """A value as a body of that type. Raises ParameterError when no codec takes it."""
    codec = _codec_for(content_type)
    if codec is None:
        known = ", ".join(sorted(_REGISTRY))
        raise ParameterError(
            f"No codec turns a {type(value).__name__} into {content_type!r}. Give bytes, register one with"
            f" sagetape_client.register_codec, or use one of: {known}."
        )
    try:
        return codec.encode(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"A {type(value).__name__} cannot be written as {content_type}: {error}.") from error


def decode(body: bytes, content_type: str | None) -> Any:
    """A body as a value; bytes when the type is unknown. Raises ContentError when the bytes are not of that type."""
    codec = _codec_for(content_type)
    if codec is None:
        return body
    try:
        return codec.decode(body, charset_of(content_type))
    except UnicodeDecodeError as error:
        where = f"byte {error.start} (0x{body[error.start]:02x}) is not {error.encoding}"
        raise _bad(body, content_type, where, offset=error.start) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}: {error.msg}"
        raise _bad(body, content_type, where, offset=len(error.doc[: error.pos].encode())) from error
    except (ValueError, LookupError, EOFError) as error:
        raise _bad(body, content_type, str(error)) from error


def _bad(body: bytes, content_type: str | None, where: str, *, offset: int | None = None) -> ContentError:
    text = (
        f"The answer says {content_type!r} and is not: {where}. It begins {body[:40]!r}, {len(body)} bytes in all."
        " Read `body` for the raw bytes, or ask for another type with Accept."
    )
    return ContentError(text, body=body, content_type=content_type, offset=offset)


def register_codec(media_type: str, *, encode: Encoder, decode: Callable[[bytes], Any]) -> None:
    """Use these two functions for a media type from now on, in this process."""
    _REGISTRY[media_type_of(media_type)] = Codec(encode, lambda body, charset: decode(body))


def _codec_for(content_type: str | None) -> Codec | None:
    media_type = media_type_of(content_type)
    found = _REGISTRY.get(media_type)
    if found is None and media_type.endswith("+json"):  # RFC 6839
        return _REGISTRY["application/json"]
    if found is None and media_type.startswith("text/"):
        return _REGISTRY["text/plain"]
    return found


# --- values that carry themselves ---------------------------------------------------------------------------------


def is_array(value: object) -> bool:
    """Whether it is numpy's or pandas' own, without importing either."""
    return type(value).__module__.partition(".")[0] in ("numpy", "pandas")


def natural_type(value: object) -> str:
    """The media type of a structured value that came without one."""
    if type(value).__module__.startswith("pandas"):
        return "text/csv"
    return "application/x-npy" if type(value).__name__ == "ndarray" else "application/json"


def _untyped(value: object) -> Any:
    """What `json` asks about values it does not know."""
    if type(value).__name__ == "DataFrame":
        return value.to_dict(orient="records")  # type: ignore[attr-defined]
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _to_json(value: Any) -> bytes:
    return json.dumps(value, default=_untyped, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _from_json(body: bytes, charset: str) -> Any:
    return json.loads(body.decode(charset))


def _rows(value: Any) -> Iterable[Any]:
    if type(value).__name__ == "DataFrame":
        return value.to_dict(orient="records")  # type: ignore[no-any-return]
    return value.tolist() if hasattr(value, "tolist") else value  # type: ignore[no-any-return]


def _to_lines(value: Any) -> bytes:
    return b"".join(_to_json(row) + b"\n" for row in _rows(value))


def _from_lines(body: bytes, charset: str) -> list[Any]:
    values = []
    for number, line in enumerate(body.decode(charset).split("\n"), start=1):
        if line.strip():
            try:
                values.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"line {number}, column {error.colno}: {error.msg}") from error
    return values


def _to_csv(value: Any) -> bytes:
    if type(value).__name__ == "DataFrame":
        # SageMaker's built-in algorithms take CSV without a header: docs "Common data formats for inference".
        return bytes(value.to_csv(index=False, header=False, lineterminator="\n").encode("utf-8"))
    import csv

    rows = list(_rows(value))
    if rows and not isinstance(rows[0], (list, tuple)):
        rows = [rows]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8")


def _from_csv(body: bytes, charset: str) -> list[list[str]]:
    import csv

    try:
        return list(csv.reader(io.StringIO(body.decode(charset), newline=""), strict=True))
    except csv.Error as error:
        raise ValueError(str(error)) from error


def _numpy() -> Any:
    try:
        import numpy
    except ImportError as error:
        raise ParameterError(
            "The body is an npy array and numpy is not installed here. Install numpy, or read `body` for the raw bytes."
        ) from error
    return numpy


def _to_npy(value: Any) -> bytes:
    out = io.BytesIO()
    numpy = _numpy()
    numpy.save(out, numpy.asarray(value), allow_pickle=False)
    return out.getvalue()


def _from_npy(body: bytes, charset: str) -> Any:
    return _numpy().load(io.BytesIO(body), allow_pickle=False)


def _to_msgpack(value: Any) -> bytes:
    import msgpack

    return bytes(msgpack.packb(value, default=_untyped))


def _from_msgpack(body: bytes, charset: str) -> Any:
    import msgpack

    try:
        return msgpack.unpackb(body, raw=False, strict_map_key=False)
    except (msgpack.UnpackException, msgpack.exceptions.ExtraData) as error:
        raise ValueError(str(error) or type(error).__name__) from error


def _to_text(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8")


def _to_octets(value: Any) -> bytes:
    if hasattr(value, "tobytes"):
        return bytes(value.tobytes())
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError("octets are bytes; name a content type that can hold the value")
    return bytes(value)


_JSON = Codec(_to_json, _from_json)
_LINES = Codec(_to_lines, _from_lines)
_MSGPACK = Codec(_to_msgpack, _from_msgpack)
_NPY = Codec(_to_npy, _from_npy)

_REGISTRY: dict[str, Codec] = {
    "application/json": _JSON,
    "application/jsonlines": _LINES,  # SageMaker's spelling
    "application/x-ndjson": _LINES,
    "application/jsonl": _LINES,
    "application/x-jsonlines": _LINES,
    "text/csv": Codec(_to_csv, _from_csv),
    "application/x-npy": _NPY,
    "application/msgpack": _MSGPACK,
    "application/x-msgpack": _MSGPACK,
    "application/vnd.msgpack": _MSGPACK,
    "text/plain": Codec(_to_text, lambda body, charset: body.decode(charset)),
    "application/octet-stream": Codec(_to_octets, lambda body, charset: body),
}


def names() -> list[str]:
    """Every media type with a codec, for completion and messages."""
    return sorted(_REGISTRY)

"""How an answer looks: one JSON object, a body for a person, raw bytes for a program.

To a terminal a body is made readable and harmless (control characters of a model's text must not drive a terminal);
to a pipe or a file it is the bytes as they came.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from typing import Any, BinaryIO

from .answers import InvokeResult
from .codecs import media_type_of
from .errors import ContentError, ParameterError

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys: control characters but tab and line feed, and those that turn the direction of writing."""
_NO_JSON = re.compile(_CONTROL.pattern + r"|[\ud800-\udfff]")
"""The same, and halves of surrogate pairs, which a model may write as escapes and UTF-8 has no bytes for."""
_JSON_TYPES = re.compile(r"application/(json|[\w.-]+\+json)$")


def body_members(body: bytes) -> dict[str, Any]:
    """A body inside JSON: text when it is UTF-8, else base64 and a word that says so."""
    try:
        return {"Body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"Body": base64.b64encode(body).decode("ascii"), "BodyEncoding": "base64"}


def response_object(result: Any) -> dict[str, Any]:
    """A whole response for machines: the service's names, absent headers null."""
    properties = result.properties()
    members = {name: value for name, value in properties.items() if name != "Body"}
    facts = result.facts
    told = {"RequestId": facts.request_id, "HTTPStatusCode": facts.status, "Retries": facts.retries}
    body = body_members(result.body) if isinstance(result, InvokeResult) else {}
    return {"schema": 1, **body, **members, **told, "Seconds": round(facts.timing.total_s, 6)}


def selected_bytes(value: Any, *, is_terminal: bool) -> bytes:
    """A selected value: text and bytes as they are, anything else as JSON; null values vanish, as in the cmdlet."""
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray)):
        return pretty(bytes(value), None) if is_terminal else bytes(value)
    if isinstance(value, str):
        return (harmless(value) if is_terminal else value).encode("utf-8", "backslashreplace") + b"\n"
    return json_bytes(value, is_terminal=is_terminal)


def json_bytes(value: Any, *, is_terminal: bool) -> bytes:
    """A value as JSON that a program reads and no terminal obeys: control characters are escaped as JSON has it."""
    text = json.dumps(value, ensure_ascii=False, indent=2 if is_terminal else None, default=str)
    safe = _NO_JSON.sub(lambda match: f"\\u{ord(match.group()):04x}", text)  # they stand in strings only
    return (safe + "\n").encode("utf-8")


def pretty(body: bytes, content_type: str | None) -> bytes:
    """A body for a terminal: JSON indented, text made harmless, other bytes counted."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        kind = media_type_of(content_type) or "no content type"
        return f"<{len(body):,} bytes, {kind}; write them with --output FILE, or pipe them>\n".encode()
    if _JSON_TYPES.fullmatch(media_type_of(content_type)):
        text = _indented(text)
    return harmless(text if text.endswith("\n") or not text else text + "\n").encode("utf-8")


def _indented(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except ValueError:  # shown as it came; `value()` and --json are where a wrong type is an error
        return text


def harmless(text: str) -> str:
    """Text whose control characters are shown, not obeyed."""
    return _CONTROL.sub(lambda match: match.group().encode("unicode_escape").decode("ascii"), text)


def queried(expression: str, content: dict[str, Any]) -> Any:
    """What a JMESPath expression finds; a JSON body can be searched into as `Body`."""
    import jmespath
    from jmespath.exceptions import JMESPathError

    try:
        return jmespath.search(expression, _with_body_value(content))
    except JMESPathError as error:
        raise ParameterError(
            f"--query {expression!r} is not JMESPath: {error}. An example: --query 'Body.predictions[0]'."
        ) from error


def _with_body_value(content: dict[str, Any]) -> dict[str, Any]:
    media_type = media_type_of(content.get("ContentType"))
    if "BodyEncoding" in content or not _JSON_TYPES.fullmatch(media_type) or "Body" not in content:
        return content
    try:
        return {**content, "Body": json.loads(content["Body"])}
    except ValueError as error:
        raise ContentError(
            f"The answer says {content['ContentType']!r} and is not JSON ({error}); it begins {content['Body'][:40]!r}."
            " Print it with --select Body."
        ) from error


def standard_output() -> BinaryIO:
    """The bytes side of standard output."""
    return sys.stdout.buffer

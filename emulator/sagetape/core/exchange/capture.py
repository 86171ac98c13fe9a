"""SageMaker data capture: one JSON object per line, of an endpoint's input and output.

Format: SageMaker developer guide, "Capture data from real-time endpoint" (model-monitor-data-capture-endpoint). The
records do not name the endpoint: it is the folder of the file, `<endpoint>/<variant>/yyyy/mm/dd/hh/`, or is given. They
do not hold the caller's Accept either: `Choices.members` adds such members to every call.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..platform import CUSTOM_ATTRIBUTES, VARIANT_HEADER
from ..wire import Call, whole
from .choices import Choices
from .found import Found, Skipped, Unusable, data, items, mapping, moment, text

_FOLDERS = re.compile(
    r"([A-Za-z0-9-]{1,63})/([A-Za-z0-9-]{1,63})/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{2}/[^/]*\Z", re.ASCII
)


def is_capture(document: Any) -> bool:
    """Whether parsed lines look like one."""
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, Mapping) and "captureData" in first


def named_by(path: str) -> tuple[str, str]:
    """Endpoint and variant that a file's folders name; empty when they do not. The path is only looked at."""
    found = _FOLDERS.search(path.replace("\\", "/"))
    return (found[1], found[2]) if found else ("", "")


def read_capture(document: Any, choices: Choices) -> Iterator[Found | Skipped]:
    """Every record with input and output."""
    endpoint, variant = named_by(choices.path)
    endpoint = choices.endpoint or endpoint
    for place, record in enumerate(items(document, "the file")):
        where = f"line {place + 1}"
        try:
            if not endpoint:
                raise Unusable("which endpoint it is of is not known. Name it: --endpoint NAME")
            yield _found(mapping(record, "the record"), choices, endpoint, variant=variant)
        except Unusable as error:
            yield Skipped(where, str(error))


def _found(record: Mapping[str, Any], choices: Choices, endpoint: str, *, variant: str) -> Found:
    captured = mapping(record.get("captureData"), "captureData")
    if "endpointInput" not in captured or "endpointOutput" not in captured:
        raise Unusable("only one of input and output was captured; set CaptureOptions to both")
    about = mapping(record.get("eventMetadata") or {}, "eventMetadata")
    content_type, body = _side(captured, "endpointInput")
    answer_type, answer = _side(captured, "endpointOutput")
    members = {"ContentType": content_type} if content_type else {}
    for name, key in (("InferenceId", "inferenceId"), ("CustomAttributes", "customAttributes")):
        value = _attribute(about.get(key))
        if value:
            members[name] = value
    headers = [("Content-Type", answer_type)] if answer_type else []
    if variant:
        headers.append((VARIANT_HEADER, variant))
    attributes = _attribute(mapping(captured["endpointOutput"], "endpointOutput").get("customAttributes"))
    if attributes:
        headers.append((CUSTOM_ATTRIBUTES, attributes))
    call = Call("InvokeEndpoint", endpoint, members, body, hashlib.sha256(body).digest())
    return Found(call, whole(200, tuple(headers), answer), moment(about.get("inferenceTime")))


def _side(captured: Mapping[str, Any], name: str) -> tuple[str, bytes]:
    side = mapping(captured[name], name)
    encoding = text(side.get("encoding", "CSV"), f"{name}.encoding")
    if encoding.upper() not in ("CSV", "JSON", "BASE64"):
        raise Unusable(f"{name} has the encoding {encoding[:20]!r}; CSV, JSON and BASE64 are known")
    content_type = side.get("observedContentType")
    return str(content_type or "")[:1024], data(
        side.get("data"), f"{name}.data", encoding="base64" if encoding.upper() == "BASE64" else ""
    )


def _attribute(value: Any) -> str:
    """Custom attributes are a text, or a list of texts."""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ",".join(value)
    return value if isinstance(value, str) else ""

"""vcrpy's cassettes: `interactions` of `request` and `response`, in YAML or JSON.

Format: https://github.com/kevin1024/vcrpy, `vcr/serialize.py` and `vcr/stubs/` (version 1), with what older versions
wrote: a body as `base64_string`, `status_code` and `content` of the httpx stub, headers as a map of texts. With boto3
the header values are bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..wire import Headers, RawHeaders
from .choices import Choices
from .found import Found, Skipped, Unusable, data, items, mapping, moment, number, text
from .http_pairs import Pair, found_in

CHARSETS = frozenset(("", "utf-8", "utf8", "ascii", "us-ascii", "ascii-8bit"))
"""Of a body that is a text: those in which its bytes are its UTF-8."""


def is_vcr(document: Any) -> bool:
    """Whether a parsed file looks like one."""
    return isinstance(document, Mapping) and isinstance(document.get("interactions"), list)


def read_vcr(document: Any, choices: Choices) -> Iterator[Found | Skipped]:
    """Every interaction, in recorded order."""
    for place, entry in enumerate(items(document["interactions"], "interactions")):
        where = f"interaction {place}"
        try:
            yield found_in(_pair(mapping(entry, "the interaction")), choices.service)
        except Unusable as error:
            yield Skipped(where, str(error))


def _pair(entry: Mapping[str, Any]) -> Pair:
    request, response = mapping(entry.get("request"), "request"), mapping(entry.get("response"), "response")
    answered = _headers(response.get("headers"), "the answer's headers")
    status = response.get("status_code", None)
    if status is None:
        status = mapping(response.get("status"), "status").get("code")
    sent = _headers(request.get("headers"), "the request's headers")
    raw: RawHeaders = tuple((name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in sent)
    date = next((value for name, value in answered if name.lower() == "date"), None)
    return Pair(
        method=text(request.get("method"), "method"),
        url=text(request.get("uri", request.get("url")), "uri"),
        headers=raw,
        body=_body(request.get("body"), "the request's body"),
        status=number(status, "the status"),
        answer_headers=answered,
        answer=_body(response.get("body", response.get("content")), "the answer's body"),
        at=moment(entry.get("recorded_at")) or moment(date),
    )


def _body(value: Any, name: str) -> bytes:
    if not isinstance(value, Mapping):
        return data(value, name)
    charset = str(value.get("encoding") or "")
    if value.get("base64_string") is not None:
        return data(value["base64_string"], name, encoding="base64")
    if value and "string" not in value and "base64_string" not in value:
        raise Unusable(f"{name} is in none of `string` and `base64_string`")
    if charset.lower() not in CHARSETS:
        raise Unusable(f"{name} has the encoding {charset[:40]!r}; {', '.join(sorted(CHARSETS)[1:])} are known")
    return data(value.get("string"), name)


def _headers(value: Any, name: str) -> Headers:
    if value is None:
        return ()
    if isinstance(value, list):
        pairs = [tuple(items(pair, name)) for pair in value]
        if not all(len(pair) == 2 for pair in pairs):
            raise Unusable(f"{name} are not pairs")
        return tuple((text(key, name), text(one, name)) for key, one in pairs)
    found: list[tuple[str, str]] = []
    for key, given in mapping(value, name).items():
        for one in given if isinstance(given, list) else [given]:
            found.append((text(key, name), text(one, name)))
    return tuple(found)

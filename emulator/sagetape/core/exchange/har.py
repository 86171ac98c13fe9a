"""HTTP Archives: `log.entries` of `request` and `response`.

Format: HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/, with what tools add: `status` 0 and `_error` for a
request that failed, `encoding` on a request's body too. A body in a HAR is decoded, so a content encoding is dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..wire import Headers
from .choices import Choices
from .found import Found, Skipped, Unusable, data, items, mapping, moment, number, text
from .http_pairs import Pair, found_in

MARK = "_sagetape"


def is_har(document: Any) -> bool:
    """Whether a parsed file looks like one."""
    return isinstance(document, Mapping) and isinstance(document.get("log"), Mapping) and "entries" in document["log"]


def read_har(document: Any, choices: Choices) -> Iterator[Found | Skipped]:
    """Every entry, in the order of the file."""
    for place, entry in enumerate(items(document["log"]["entries"], "entries")):
        where = f"entry {place}"
        try:
            yield found_in(_pair(mapping(entry, "the entry")), choices.service)
        except Unusable as error:
            yield Skipped(where, str(error))


def _pair(entry: Mapping[str, Any]) -> Pair:
    request, response = mapping(entry.get("request"), "request"), mapping(entry.get("response"), "response")
    posted = mapping(request.get("postData") or {}, "postData")
    content = mapping(response.get("content") or {}, "content")
    answer = data(content.get("text"), "the answer's body", encoding=str(content.get("encoding") or ""))
    broken = _broken(entry, response)
    size = content.get("size")
    if "text" not in content and isinstance(size, int) and size > 0 and not broken:
        raise Unusable(f"its answer of {size} bytes was not saved: export the archive with content")
    headers = _own(response)
    return Pair(
        method=text(request.get("method"), "method"),
        url=text(request.get("url"), "url"),
        headers=tuple((name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in _own(request)),
        body=data(posted.get("text"), "the request's body", encoding=_encoding(posted)),
        status=number(response.get("status"), "status"),
        answer_headers=tuple(pair for pair in headers if pair[0].lower() != "content-encoding"),
        answer=answer,
        at=moment(entry.get("startedDateTime")),
        waited_s=_waited_s(entry),
        broken=broken,
    )


def _encoding(posted: Mapping[str, Any]) -> str:
    return str(posted.get("encoding") or posted.get("_encoding") or "")


def _broken(entry: Mapping[str, Any], response: Mapping[str, Any]) -> str:
    mark = entry.get(MARK)
    if isinstance(mark, Mapping) and mark.get("is_complete") is False:
        return str(mark.get("reason") or "the recorded answer is not whole")[:1000]
    return str(response.get("_error") or "")[:1000]


def _own(message: Mapping[str, Any]) -> Headers:
    # HTTP/2 lists its pseudo-headers, which are no headers.
    return tuple(pair for pair in _headers(message.get("headers")) if not pair[0].startswith(":"))


def _headers(value: Any) -> Headers:
    pairs = [mapping(one, "a header") for one in items(value if value is not None else [], "headers")]
    return tuple((text(one.get("name"), "a header"), text(one.get("value"), "a header")) for one in pairs)


def _waited_s(entry: Mapping[str, Any]) -> float:
    timings = entry.get("timings")
    wait = timings.get("wait") if isinstance(timings, Mapping) else None
    if isinstance(wait, bool) or not isinstance(wait, (int, float)) or not 0 < wait < 3.6e6:
        return 0.0
    return round(wait / 1000, 3)

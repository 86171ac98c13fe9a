"""What SageMaker Runtime offers: operations, members, where they travel, patterns and limits.

Everything here is read from botocore's service model (`sagemaker-runtime/2017-05-13`), so a newer botocore brings
newer members; what the model does not say is in `core/refusals.py`. This module turns a request line and headers
into a `Call`, and refuses what AWS refuses. It reads no file: the shell hands it the model as a dict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from . import refusals
from .canonical import fields_of
from .errors import CallerError, compact_json
from .values import valueclass
from .wire import RawHeaders

INVOKE: Final = "InvokeEndpoint"
STREAM: Final = "InvokeEndpointWithResponseStream"
ASYNC: Final = "InvokeEndpointAsync"

MEMO_MAX = 4096  # request lines and sets of members whose verdict is remembered
PATTERN_VALUE_MAX = 8192  # longer than any header the server accepts; keeps a hostile value from a slow pattern


@valueclass(frozen=True, slots=True)
class Member:
    """One input member that travels in a header or in the path."""

    name: str
    header: str | None
    """Header name in AWS's own case; None for the path label."""
    pattern: str | None
    regex: re.Pattern[str] | None
    min_chars: int | None
    max_chars: int | None
    minimum: int | None
    maximum: int | None
    is_sensitive: bool

    @property
    def path(self) -> str:
        """The member as AWS names it in a validation error."""
        return self.name[0].lower() + self.name[1:]

    def violations(self, value: str) -> list[str]:
        """The constraints that the value breaks, worded as AWS's front ends word them; empty when it is fine."""
        if self.minimum is not None or self.maximum is not None:
            return self._number_violations(value)
        found = []
        if self.regex is not None and (len(value) > PATTERN_VALUE_MAX or self.regex.fullmatch(value) is None):
            found.append(f"Member must satisfy regular expression pattern: {self.pattern}")
        if self.max_chars is not None and len(value) > self.max_chars:
            found.append(f"Member must have length less than or equal to {self.max_chars}")
        if self.min_chars is not None and len(value) < self.min_chars:
            found.append(f"Member must have length greater than or equal to {self.min_chars}")
        return found

    def _number_violations(self, value: str) -> list[str]:
        if re.fullmatch(r"[+-]?[0-9]{1,18}", value) is None:
            return ["Member must be an integer"]
        number = int(value)
        if self.maximum is not None and number > self.maximum:
            return [f"Member must have value less than or equal to {self.maximum}"]
        if self.minimum is not None and number < self.minimum:
            return [f"Member must have value greater than or equal to {self.minimum}"]
        return []


@valueclass(frozen=True, slots=True)
class Operation:
    """One operation of the service model."""

    name: str
    method: str
    suffix: str
    """What follows `/endpoints/{EndpointName}` in the path, without the slash."""
    status: int
    label: Member
    members: Mapping[bytes, Member]
    """By lower-case header name."""
    body_max_bytes: int
    headers: tuple[bytes, ...] = field(init=False)
    """The keys of `members`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "headers", tuple(self.members))


@dataclass(slots=True)
class Service:
    """The operations by path suffix, with a memory of what was already judged."""

    operations: Mapping[str, Operation]
    _lines: dict[tuple[str, bytes], tuple[Operation, str]] = field(default_factory=dict)
    _known: dict[tuple[bytes | str | None, ...], dict[str, str]] = field(default_factory=dict)

    def resolve(self, method: str, path: bytes) -> tuple[Operation, str]:
        """The operation and the endpoint's name, decoded but not yet judged.

        `path` is the raw path without deck prefix and query. Raises CallerError (404) for anything else: an unknown
        path, or a known one with another method.
        """
        line = (method, path)
        known = self._lines.get(line)
        if known is not None:
            return known
        parts = path.split(b"/")
        if len(parts) != 4 or parts[0] or parts[1] != b"endpoints":
            raise refusals.unknown_operation()
        operation = self.operations.get(parts[3].decode("latin-1"))
        if operation is None or operation.method != method:
            raise refusals.unknown_operation()
        endpoint = unquote_to_bytes(parts[2]).decode("utf-8", "replace")
        if len(self._lines) >= MEMO_MAX:
            self._lines.clear()
        self._lines[line] = operation, endpoint
        return operation, endpoint

    def members(self, operation: Operation, endpoint: str, headers: RawHeaders) -> Mapping[str, str]:
        """The members sent in headers, judged against the model.

        Duplicates are joined with a comma (rest-json). Raises CallerError (400 ValidationError) naming every
        constraint that is broken, the endpoint's name included.
        """
        return self.members_in(operation, endpoint, fields_of(headers))

    def members_in(self, operation: Operation, endpoint: str, fields: Mapping[bytes, bytes]) -> Mapping[str, str]:
        """The same of headers by their lower-case names. Equal requests share one mapping, which nobody changes."""
        values = tuple(map(fields.get, operation.headers))
        line = (operation.name, endpoint, *values)
        known = self._known.get(line)
        if known is None:
            known = _read_members(operation, values)
            _judge(operation, endpoint, known)
            if len(self._known) >= MEMO_MAX:
                self._known.clear()
            self._known[line] = known
        return known


def _read_members(operation: Operation, values: tuple[bytes | None, ...]) -> dict[str, str]:
    members = zip(operation.members.values(), values, strict=True)
    return {member.name: v.decode("utf-8", "surrogateescape") for member, v in members if v is not None}


def _judge(operation: Operation, endpoint: str, found: Mapping[str, str]) -> None:
    broken = _broken(operation.label, endpoint)
    by_name = {member.name: member for member in operation.members.values()}
    for name, value in found.items():
        # An empty header is what Ruby and haystack send for "not given" (and .NET for an empty Content-Type).
        if value:
            broken += _broken(by_name[name], value)
    if broken:
        raise refusals.constraint_violations(broken)


def _broken(member: Member, value: str) -> list[str]:
    shown = "Value" if member.is_sensitive else f"Value '{printable(value)}'"
    return [f"{shown} at '{member.path}' failed to satisfy constraint: {text}" for text in member.violations(value)]


def printable(value: str, *, limit: int = 256) -> str:
    """A caller's text made safe to print: control characters and lone bytes escaped, cut at `limit` characters."""
    cut = value if len(value) <= limit else value[:limit] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in cut)


# --- reading the model --------------------------------------------------------------------------------------------

# Java's classes in the model's patterns, as Python spells them.
_CLASSES = (("[\\p{Print}]", "[\\x20-\\x7e]"), ("\\p{ASCII}", "[\\x00-\\x7f]"), ("\\p{Print}", "[\\x20-\\x7e]"))


def translate_pattern(pattern: str) -> re.Pattern[str]:
    """A pattern of the service model as a Python regular expression; AWS matches whole values."""
    for java, python in _CLASSES:
        pattern = pattern.replace(java, python)
    return re.compile(pattern.replace("\\z", "\\Z"), re.ASCII)


def read_service(model: Mapping[str, Any]) -> Service:
    """The service described by botocore's `service-2.json`, as a dict. Operations that are not plain HTTP calls on
    `/endpoints/{EndpointName}/...` are left out."""
    found: dict[str, Operation] = {}
    for name, description in model["operations"].items():
        uri = description["http"]["requestUri"].split("/")
        if uri[:3] == ["", "endpoints", "{EndpointName}"] and len(uri) == 4:
            found[uri[3]] = _operation(name, description, model["shapes"])
    return Service(found)


def _operation(name: str, description: Mapping[str, Any], shapes: Mapping[str, Any]) -> Operation:
    inputs = shapes[description["input"]["shape"]]
    members = {key: _member(key, ref, shapes) for key, ref in inputs["members"].items() if "location" in ref}
    body = inputs["members"].get(inputs.get("payload", ""))
    return Operation(
        name=name,
        method=description["http"]["method"],
        suffix=description["http"]["requestUri"].rsplit("/", 1)[1],
        status=description["http"].get("responseCode", 200),
        label=members["EndpointName"],
        members={m.header.lower().encode(): m for m in members.values() if m.header is not None},
        body_max_bytes=shapes[body["shape"]].get("max", 0) if body else 0,
    )


def _member(name: str, ref: Mapping[str, Any], shapes: Mapping[str, Any]) -> Member:
    shape = shapes[ref["shape"]]
    is_number = shape["type"] in ("integer", "long")
    pattern = shape.get("pattern")
    return Member(
        name=name,
        header=ref["locationName"] if ref["location"] == "header" else None,
        pattern=pattern,
        regex=translate_pattern(pattern) if pattern else None,
        min_chars=None if is_number else shape.get("min"),
        max_chars=None if is_number else shape.get("max"),
        minimum=shape.get("min") if is_number else None,
        maximum=shape.get("max") if is_number else None,
        is_sensitive=bool(shape.get("sensitive")),
    )


def unsupported_async() -> CallerError:
    """What InvokeEndpointAsync answers: a code of ours, so that nobody mistakes it for AWS's word."""
    text = (
        "InvokeEndpointAsync is resolved but not emulated. "
        "InvokeEndpoint and InvokeEndpointWithResponseStream are: call one of them, or the real service."
    )
    return CallerError(400, "SagetapeUnsupported", compact_json({"Message": text}))

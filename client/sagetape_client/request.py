"""One call as data: an operation on an endpoint, its members, its body; and the HTTP request it becomes.

It decides names, converters, defaults and what is refused before a byte is sent (an unknown name, no endpoint, a line
break in a header, a body over the limit). It does not check patterns and lengths of members: the service does, and
says so better. Source of headers and paths: `parameters.TABLE`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from . import body as bodies
from .errors import ParameterError
from .parameters import ASYNC, BY_NAME, PATHS, TABLE, canonical

NEW_SESSION = "NEW_SESSION"  # botocore sagemaker-runtime 2017-05-13, shape SessionIdOrNewSessionConstantHeader


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A call ready to send. `parameters` is what the caller gave, for `Select '^Name'` and the history."""

    operation: str
    endpoint: str
    members: Mapping[str, str]
    body: bytes = field(repr=False)
    has_body: bool = True
    parameters: Mapping[str, object] = field(default_factory=dict, repr=False)

    @property
    def opens_session(self) -> bool:
        return self.members.get("SessionId") == NEW_SESSION

    @property
    def path(self) -> str:
        """The path as it is sent, percent-encoded once."""
        return f"/endpoints/{quote(self.endpoint, safe='-._~')}/{PATHS[self.operation]}"

    def headers(self) -> list[tuple[str, str]]:
        """The members that travel in headers, in the order of the table."""
        pairs = []
        for name, value in self.members.items():
            headers = BY_NAME[name].headers or {}
            pairs.append((headers[self.operation], value))
        return pairs

    def keywords(self) -> dict[str, Any]:
        """The same call as keyword arguments of a botocore client's method."""
        numbers = ("RequestTTLSeconds", "InvocationTimeoutSeconds")  # the members that botocore wants as int
        given: dict[str, Any] = {name: int(v) if name in numbers else v for name, v in self.members.items()}
        if self.has_body:
            given["Body"] = self.body
        return {"EndpointName": self.endpoint, **given}


def prepare(operation: str, given: Mapping[str, object], *, max_body_bytes: int | None = None) -> Outgoing:
    """Turn parameters in any spelling into a call. Raises ParameterError; warns when a body is missing."""
    parameters = canonical(given)
    endpoint = parameters.get("EndpointName")
    if not isinstance(endpoint, str) or not endpoint:
        raise ParameterError("EndpointName is missing. Name the endpoint, as in invoke('my-endpoint', body).")
    members = _members(operation, parameters)
    body, implied_type = bodies.to_bytes(parameters.get("Body"), content_type=members.get("ContentType"))
    limit_bytes = bodies.ASYNC_MAX_BYTES if operation == ASYNC else bodies.REALTIME_MAX_BYTES
    bodies.check_size(len(body), limit_bytes=max_body_bytes or limit_bytes, operation=operation)
    if implied_type is not None:
        members["ContentType"] = implied_type
    has_body = _has_body(operation, parameters)
    ordered = {p.name: members[p.name] for p in TABLE if p.name in members}
    return Outgoing(operation, endpoint, ordered, body, has_body, parameters)


def _has_body(operation: str, parameters: Mapping[str, object]) -> bool:
    has_body = "Body" in parameters
    if operation != ASYNC:
        if not has_body:
            warnings.warn("Body is null; an empty body is sent. Give b'' to say that this is meant.", stacklevel=5)
        return True
    if has_body == ("InputLocation" in parameters):
        raise ParameterError(
            "An asynchronous inference takes exactly one of Body and InputLocation. Give InputLocation='s3://...' for"
            f" an input in S3, or Body for one of at most {bodies.ASYNC_MAX_BYTES} bytes."
        )
    return has_body


def _members(operation: str, parameters: Mapping[str, object]) -> dict[str, str]:
    members = {}
    for name, value in parameters.items():
        if name in ("EndpointName", "Body"):
            continue
        if operation not in (BY_NAME[name].headers or {}):
            where = " and ".join(BY_NAME[name].headers or {})
            raise ParameterError(
                f"{name} is not a parameter of {operation}; {where} takes it. Leave it out, or use that operation."
            )
        members[name] = _header_text(name, value)
    return members


def _header_text(name: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise ParameterError(f"{name} is a {type(value).__name__}; it travels in a header and is text. Give a str.")
    text = str(value)
    for index, character in enumerate(text):
        if character in "\r\n\0":
            raise ParameterError(
                f"{name} has {character!r} at position {index}; a header is one line. Encode it, or put it in the body."
            )
    return text


def pipeline_parameters(item: object, number: int) -> dict[str, object]:
    """One pipeline input as parameters: text binds to EndpointName by value, a mapping by property name."""
    if isinstance(item, str):
        return {"EndpointName": item}
    if isinstance(item, Mapping):
        return canonical(item)
    raise ParameterError(
        f"Input {number} of the pipeline is a {type(item).__name__}."
        " Give an endpoint's name, or a mapping of parameters."
    )


def gather(endpoint_name: str | None, body: bodies.BodyInput, members: Mapping[str, Any]) -> dict[str, Any]:
    """Positional and keyword parameters as one mapping; an absent one is left out."""
    given = dict(members)
    if endpoint_name is not None:
        given["endpoint_name"] = endpoint_name
    if body is not None:
        given["body"] = body
    return given

"""What comes back: typed results, and the service's errors read from status, headers and body.

An error's type is the header `x-amzn-ErrorType` cut at `:` and after `#`, else `code`, `Code` or `__type` in the body,
else the status; its message is `message`, else `Message` (botocore.parsers, RestJSONParser). Unlike botocore, members
that the service model does not list (`ErrorCode`) are kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import codecs
from .errors import ParameterError, ServiceError, service_error_class

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds by a monotonic clock: `first_byte_s` of the attempt that answered, `total_s` of all, waits included."""

    first_byte_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What every answer carries beside its content."""

    status: int
    request_id: str | None
    headers: Mapping[str, str]
    retries: int
    timing: Timing


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """The answer of InvokeEndpoint. A header that was not sent is None."""

    body: bytes = field(repr=False)
    content_type: str | None
    invoked_production_variant: str | None
    custom_attributes: str | None
    new_session_id: str | None
    closed_session_id: str | None
    facts: Facts = field(repr=False)

    @property
    def request_id(self) -> str | None:
        return self.facts.request_id

    @property
    def status(self) -> int:
        return self.facts.status

    @property
    def retries(self) -> int:
        return self.facts.retries

    @property
    def timing(self) -> Timing:
        return self.facts.timing

    @property
    def text(self) -> str:
        """The body as text in its charset; ContentError when it is not."""
        return str(codecs.decode(self.body, f"text/plain; charset={codecs.charset_of(self.content_type)}"))

    def value(self) -> Any:
        """The body decoded by its content type; bytes when no codec knows the type."""
        return codecs.decode(self.body, self.content_type)

    def json(self) -> Any:
        """The body as JSON whatever its content type says; ContentError when it is not."""
        return codecs.decode(self.body, "application/json")

    def array(self) -> Any:
        """The value as a numpy array (numpy must be installed)."""
        return _imported("numpy").asarray(self.value())

    def frame(self) -> Any:
        """The value as a pandas frame (pandas must be installed)."""
        return _imported("pandas").DataFrame(self.value())

    def properties(self) -> dict[str, Any]:
        """The declared properties under the service's names, as `Select` sees them."""
        return {
            "Body": self.body,
            "ContentType": self.content_type,
            "CustomAttributes": self.custom_attributes,
            "InvokedProductionVariant": self.invoked_production_variant,
            "NewSessionId": self.new_session_id,
            "ClosedSessionId": self.closed_session_id,
        }


def _imported(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ParameterError(
            f"{module} is not installed. Install it, or read `value()` for plain Python values."
        ) from error


def fold_headers(headers: Pairs) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined with a comma, as REST-JSON has it."""
    folded: dict[str, str] = {}
    for name, value in headers:
        lower = name.lower()
        folded[lower] = f"{folded[lower]}, {value}" if lower in folded else value
    return folded


def read_result(body: bytes, facts: Facts) -> InvokeResult:
    """InvokeEndpoint's answer. Header names: botocore sagemaker-runtime 2017-05-13, InvokeEndpointOutput."""
    headers = facts.headers
    return InvokeResult(
        body=body,
        content_type=headers.get("content-type"),
        invoked_production_variant=headers.get("x-amzn-invoked-production-variant"),
        custom_attributes=headers.get("x-amzn-sagemaker-custom-attributes"),
        new_session_id=headers.get("x-amzn-sagemaker-new-session-id"),
        closed_session_id=headers.get("x-amzn-sagemaker-closed-session-id"),
        facts=facts,
    )


def read_error(operation: str, status: int, *, headers: Mapping[str, str], body: bytes, attempts: int) -> ServiceError:
    """The error an answer outside 2xx stands for."""
    try:
        content = json.loads(body)
    except ValueError:  # not JSON (a proxy's page, AWS's XML for unknown paths): the text itself is the message
        content = {"message": body.decode("utf-8", "replace").strip() or _reason(status)}
    if not isinstance(content, dict):
        content = {"message": str(content)}
    code = (
        headers.get("x-amzn-errortype") or content.get("code") or content.get("Code") or content.get("__type") or status
    )
    code = str(code).split(":", 1)[0].rsplit("#", 1)[-1]
    text = content.get("message") if "message" in content else content.get("Message")
    members = {k: v for k, v in content.items() if k not in ("message", "Message", "code", "Code", "__type")}
    kind = service_error_class(code)
    return kind(
        code,
        "no message" if text is None else str(text),
        status=status,
        operation=operation,
        request_id=headers.get("x-amzn-requestid"),
        members=members,
        headers=headers,
        attempts=attempts,
    )


def _reason(status: int) -> str:
    from http import HTTPStatus

    known = {s.value: s.phrase for s in HTTPStatus}
    return known.get(status, "no text")

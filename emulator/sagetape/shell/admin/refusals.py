"""What the admin API says when it does not do what was asked: JSON with one `Message`, under a code of our own.

Every text says what happened, what would have worked, and what to do. None repeats a token.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...core.errors import MESSAGE_MAX, CallerError, compact_json
from ...core.wire import Head, Script
from .routes import PREFIX, AdminRoute

FORBIDDEN = "SagetapeAdminForbidden"
NOT_FOUND = "SagetapeAdminNotFound"
METHOD = "SagetapeAdminMethodNotAllowed"
MEDIA_TYPE = "SagetapeAdminMediaType"
INVALID = "SagetapeAdminInvalid"
CONFLICT = "SagetapeAdminConflict"
TOO_LARGE = "SagetapeAdminTooLarge"

CODES: dict[str, tuple[int, str]] = {
    INVALID: (400, "The query or the body is not what the route takes."),
    FORBIDDEN: (403, "A foreign page asks, or the token is missing or wrong."),
    NOT_FOUND: (404, "There is no such route, deck, session or fault."),
    METHOD: (405, "The path is known, the method is not. OPTIONS is never answered."),
    CONFLICT: (409, "What is asked for contradicts what there is."),
    TOO_LARGE: (413, "The body is larger than 64 KiB."),
    MEDIA_TYPE: (415, "A write without `Content-Type: application/json`."),
}
"""Status and meaning of every code; 421 without a body is a foreign `Host`."""


def refusal(code: str, text: str) -> CallerError:
    """The error of a code, to be raised."""
    return CallerError(CODES[code][0], code, compact_json({"Message": text[:MESSAGE_MAX]}))


class MethodRefused(CallerError):
    """405 with the methods that the path does take (RFC 9110, 15.5.6)."""

    def __init__(self, method: str, routes: Sequence[AdminRoute]) -> None:
        allowed = ", ".join(sorted({route.method for route in routes})) or "GET"
        path = f"{PREFIX}{routes[0].path}" if routes else "This path"
        text = f"{path} does not take {method[:20]}. Use {allowed}."
        super().__init__(CODES[METHOD][0], METHOD, compact_json({"Message": text}))
        self.allowed = allowed

    def script(self) -> Script:
        head, *rest = super().script()
        assert isinstance(head, Head)
        return (Head(head.status, (*head.headers, ("Allow", self.allowed))), *rest)

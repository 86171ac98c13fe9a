"""A stateful session as a context manager: it opens with NEW_SESSION, goes on with the id, and closes itself.

What opens and closes a session is the container's own body grammar; the defaults are those of AWS's documentation
("Stateful sessions"). Only the service knows whether a session still lives: the clock here never refuses a call, for
it may differ from the service's. A refusal of a session's id becomes SessionExpired.
"""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .answers import InvokeResult
from .body import BodyInput
from .errors import InvokeError, ModelError, ServiceError, SessionExpired
from .request import NEW_SESSION

if TYPE_CHECKING:
    from .invoker import Client

OPEN_BODY = b'{"requestType":"NEW_SESSION"}'  # docs.aws.amazon.com/sagemaker/latest/dg/stateful-sessions.html
CLOSE_BODY = b'{"requestType":"CLOSE"}'


@dataclass(frozen=True, slots=True)
class SessionMark:
    """What `NewSessionId` says: the id, and when it expires in Unix seconds (None when it does not parse)."""

    id: str
    expires_at: float | None


def read_session(new_session_id: str) -> SessionMark:
    """`<id>; Expires=yyyy-mm-ddThh:mm:ssZ`, in UTC (botocore, shape NewSessionResponseHeader)."""
    session_id, _, rest = new_session_id.partition(";")
    stamp = rest.strip().removeprefix("Expires=")
    try:
        expires_at = float(calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")))
    except ValueError:  # an unreadable expiry leaves a session that works and whose end is unknown
        return SessionMark(session_id.strip(), None)
    return SessionMark(session_id.strip(), expires_at)


class Session:
    """Opened by `with` (or `open()`); `id`, `expires_at` (Unix seconds, None when not told) and `opened` (the answer).

    Members given here go with every call of the session. `open_body` and `close_body` are what your container expects.
    """

    def __init__(
        self,
        client: Client,
        endpoint_name: str,
        *,
        open_body: BodyInput = OPEN_BODY,
        close_body: BodyInput = CLOSE_BODY,
        content_type: str = "application/json",
        **members: Any,
    ) -> None:
        self._client = client
        self.endpoint_name = endpoint_name
        self._open_body, self._close_body, self._content_type = open_body, close_body, content_type
        self._members = members
        self.id: str | None = None
        self.expires_at: float | None = None
        self.opened: InvokeResult | None = None
        self.closed: InvokeResult | None = None
        self.is_closed = False

    def open(self) -> Self:
        """Ask for a session. Never repeated: the first attempt may have opened one."""
        result = self._client.invoke(self.endpoint_name, self._open_body, session_id=NEW_SESSION, **self._with_type({}))
        if not result.new_session_id:
            raise InvokeError(
                f"{self.endpoint_name} answered and opened no session: no X-Amzn-SageMaker-New-Session-Id."
                " Its container must be built for stateful sessions; check `open_body` and the container's settings."
            )
        mark = read_session(result.new_session_id)
        self.id, self.expires_at, self.opened = mark.id, mark.expires_at, result
        return self

    @property
    def is_expired(self) -> bool:
        """Whether the service's `Expires` lies behind this machine's clock."""
        return self.expires_at is not None and self._client.chances.now() >= self.expires_at

    @property
    def remaining_s(self) -> float | None:
        """Seconds until `Expires` by this machine's clock; None when the service told none."""
        return None if self.expires_at is None else self.expires_at - self._client.chances.now()

    def invoke(self, body: BodyInput = None, **members: Any) -> Any:
        """InvokeEndpoint in this session."""
        try:
            result = self._client.invoke(
                self.endpoint_name, body, session_id=self._live_id(), **(self._members | members)
            )
        except ServiceError as error:
            raise self._judge(error) from error
        if isinstance(result, InvokeResult) and result.closed_session_id:
            self.is_closed, self.closed = True, result
        return result

    def invoke_stream(self, body: BodyInput = None, **members: Any) -> Any:
        """InvokeEndpointWithResponseStream in this session."""
        try:
            return self._client.invoke_stream(
                self.endpoint_name, body, session_id=self._live_id(), **(self._members | members)
            )
        except ServiceError as error:
            raise self._judge(error) from error

    def close(self) -> None:
        """Close the session at the service; nothing when it is closed already."""
        if self.id is None or self.is_closed:
            return
        result = self.invoke(self._close_body, **self._with_type({}))
        self.is_closed, self.closed = True, result

    def __enter__(self) -> Self:
        return self.open() if self.id is None else self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.close()
        except SessionExpired:
            self.is_closed = True  # there is nothing left to close
        except InvokeError as failure:
            if error is None:
                raise
            error.add_note(f"The session {self.id} could not be closed either: {failure}")

    def _with_type(self, members: dict[str, Any]) -> dict[str, Any]:
        return {"content_type": self._content_type, **self._members, **members}

    def _live_id(self) -> str:
        if self.id is None:
            raise InvokeError("The session is not open. Use it in a `with` block, or call open() first.")
        if self.is_closed:
            raise InvokeError(f"The session {self.id} is closed. Open another one.")
        return self.id

    def _judge(self, error: ServiceError) -> ServiceError:
        """SessionExpired when the service refuses the id, else the error itself."""
        is_refusal = error.status == 400 or (
            isinstance(error, ModelError) and error.original_status_code in (400, 404, 410)
        )
        names_session = "session" in error.text.lower() or (self.id is not None and self.id in error.text)
        if not is_refusal or not (names_session or self.is_expired):
            return error
        told = "" if self.expires_at is None else f" It was to expire at {self.expires_at:.0f} (Unix time)."
        expired = SessionExpired(
            error.code,
            f"the session {self.id} is over: {error.text}.{told} Open a new session and replay what it needs to know.",
            status=error.status,
            operation=error.operation,
            request_id=error.request_id,
            members=error.members,
            headers=error.headers,
            attempts=error.attempts,
        )
        expired.expires_at = self.expires_at
        return expired

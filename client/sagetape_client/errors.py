"""What can go wrong in a call, by whose fault it is, and the exit code a command ends with.

    InvokeError
    |- ParameterError     the caller's parameters (2)
    |  |- SelectionError  a selection that names nothing
    |- SettingsError      configuration: no region, unknown profile, a client config botocore refuses (8)
    |- CredentialsError   no credentials, or some that cannot be used (7)
    |- ConnectError       nobody there, or the connection broke before an answer (5)
    |- CallTimeout        nobody answered in time (9)
    |- ServiceError       the service answered an error: code, message, members (4; 3 for a replay's miss)
    |  |- ModelError, ModelNotReady, ValidationFailed, Throttled
    |  |- SessionExpired  a stateful session is over
    |- StreamBroken       a stream ended before its end; what arrived is in `received` (4)
    |- ContentError       bytes are not what their content type says (4)
    |- AsyncFailed        an asynchronous inference wrote a failure object (4)
    |- AsyncCancelled     the caller stopped waiting (130)
    |- AnswerLost         a batch's line was asked by a run that was killed, and must not be asked twice (1)
    |- CassetteError      a cassette cannot be opened without a server (6)

Foreign exceptions (botocore, urllib3, sockets) are translated where they appear; none passes a public call. A message
says what happened, the nearest thing that would have worked, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping


class InvokeError(Exception):
    """Everything this package raises on purpose."""

    exit_code = 1

    @property
    def message(self) -> str:
        """The text as a person reads it."""
        return str(self.args[0]) if self.args else ""


class ParameterError(InvokeError, ValueError):
    """A parameter is unknown, missing, contradictory or of a type that no converter takes."""

    exit_code = 2


class SelectionError(ParameterError):
    """`Select` names nothing. The text is the cmdlet's own."""


class SettingsError(InvokeError):
    """The surroundings are wrong: region, profile, endpoint URL, client configuration."""

    exit_code = 8


class CredentialsError(InvokeError):
    """No credentials, or credentials that cannot be used."""

    exit_code = 7


class ConnectError(InvokeError):
    """No connection, or one that broke before the answer was complete."""

    exit_code = 5


class CallTimeout(InvokeError, TimeoutError):
    """The socket was silent for longer than the time-out, or a wait took longer than allowed."""

    exit_code = 9


class ServiceError(InvokeError):
    """The service answered, and the answer is an error.

    `code` is the error's type without its namespace, `status` the HTTP status, `members` what the body held beside the
    message (`OriginalStatusCode`, `OriginalMessage`, `LogStreamArn`, `ErrorCode`), `attempts` how often it was asked.
    """

    exit_code = 4

    def __init__(
        self,
        code: str,
        text: str,
        *,
        status: int,
        operation: str = "InvokeEndpoint",
        request_id: str | None = None,
        members: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.status = status
        self.operation = operation
        self.request_id = request_id
        self.members = dict(members or {})
        self.headers = dict(headers or {})
        self.attempts = attempts
        if code == "SagetapeMiss":
            self.exit_code = 3

    def __str__(self) -> str:
        again = f" (asked {self.attempts} times)" if self.attempts > 1 else ""
        return f"An error occurred ({self.code}) when calling the {self.operation} operation{again}: {self.text}"

    @property
    def message(self) -> str:
        return str(self)


class ModelError(ServiceError):
    """The model answered outside 2xx, or not in time. (botocore sagemaker-runtime 2017-05-13, shape ModelError)"""

    @property
    def original_status_code(self) -> int | None:
        """The model's own HTTP status; 0 when it never answered."""
        value = self.members.get("OriginalStatusCode")
        return value if isinstance(value, int) else None

    @property
    def original_message(self) -> str | None:
        """The model's own body."""
        value = self.members.get("OriginalMessage")
        return value if isinstance(value, str) else None

    @property
    def log_stream_arn(self) -> str | None:
        """Where the model's log is."""
        value = self.members.get("LogStreamArn")
        return value if isinstance(value, str) else None


class ModelNotReady(ServiceError):
    """The model is being loaded; asking again later helps (`ready_timeout_s`)."""


class ValidationFailed(ServiceError):
    """The service refused a parameter, or does not know the endpoint."""


class Throttled(ServiceError):
    """Too many requests."""


class SessionExpired(ServiceError):
    """A stateful session's id is no longer known. `expires_at` is in Unix seconds, when the service had told."""

    expires_at: float | None = None


class StreamBroken(InvokeError):
    """A response stream ended before its end. `received` is every byte of payload that had arrived.

    `code` is the service's (`ModelStreamError`, `InternalStreamFailure`, ...) or the client's own (`ConnectionBroken`,
    `ReadTimeout`, `Truncated`, `BadChecksum`, `BadFrame`); `error_code` is `ErrorCode` of the exception's frame.
    """

    exit_code = 4

    def __init__(
        self,
        code: str,
        text: str,
        *,
        received: bytes = b"",
        error_code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.received = received
        self.error_code = error_code
        self.request_id = request_id
        if code == "ReadTimeout":
            self.exit_code = CallTimeout.exit_code

    def __str__(self) -> str:
        return f"{self._told} What arrived is in the exception's `received`. Ask again for a whole answer."

    @property
    def message(self) -> str:
        """For a person, who has no exception in hand but what was printed."""
        return f"{self._told} What was printed is not the whole answer: ask again for it."

    @property
    def _told(self) -> str:
        kind = f"{self.code}, {self.error_code}" if self.error_code else self.code
        return f"the stream broke after {len(self.received)} bytes ({kind}): {self.text}"


class ContentError(InvokeError):
    """Bytes are not what their content type says. `offset` is in bytes where that is known."""

    exit_code = 4

    def __init__(
        self, text: str, *, body: bytes = b"", content_type: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(text)
        self.body = body
        self.content_type = content_type
        self.offset = offset


class AsyncFailed(InvokeError):
    """An asynchronous inference ended with a failure object, whose bytes are `body` and whose place is `location`."""

    exit_code = 4

    def __init__(self, text: str, *, body: bytes = b"", location: str = "", inference_id: str | None = None) -> None:
        super().__init__(text)
        self.body = body
        self.location = location
        self.inference_id = inference_id


class AsyncCancelled(InvokeError):
    """The caller stopped waiting for an output. The inference itself goes on: the service has no way to stop it."""

    exit_code = 130


class AnswerLost(InvokeError):
    """A killed batch had asked this line; nobody has the answer, and asking again is not allowed."""


class CassetteError(InvokeError):
    """A cassette cannot answer without a server: the emulator is not installed, or the file is wrong."""

    exit_code = 6


class Declined(InvokeError):
    """A person said no to `--confirm`."""

    exit_code = 1


_CLASSES: dict[str, type[ServiceError]] = {
    "ModelError": ModelError,
    "ModelNotReadyException": ModelNotReady,
    "ValidationError": ValidationFailed,
    "ThrottlingException": Throttled,
    "TooManyRequestsException": Throttled,
}


def service_error_class(code: str) -> type[ServiceError]:
    """The class for an error type of the service; `ServiceError` for those without one of their own."""
    return _CLASSES.get(code, ServiceError)

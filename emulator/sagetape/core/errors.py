"""What can go wrong, by whose fault it is.

    SagetapeError
    |- CallerError     what AWS would refuse: AWS's code, text and headers (texts in `core/refusals.py`)
    |- ReplayError     we have no answer: a miss
    |- CassetteError   a file is wrong: path, offset, remedy
    |  |- CassetteMissing   it is not there
    |  |- CassetteDamaged   its bytes are not what was written
    |  |- CassetteForeign   it is not a cassette, or from a newer version
    |  |- CassetteLocked    another process records into it
    |  |- CassetteUnwritten what should be kept could not be written
    |- UpstreamError   the real endpoint failed in a way that is not an HTTP answer
    |- ConfigError     found at start, all problems listed at once
    |  |- CredentialsMissing   there is nothing to sign with for an upstream

A message has three parts: what happened, the nearest thing that would have worked, what to do. `exit_code` is what a
command ends with when nothing else is known (`product.md` 2).
"""

from __future__ import annotations

import json

from .wire import Headers, Script, whole

MESSAGE_MAX = 2048  # botocore sagemaker-runtime 2017-05-13, shape Message

# Seen on SageMaker Runtime itself, aws/amazon-sagemaker-examples#290: the type of an authentication error carries it.
CORAL_SUFFIX = ":http://internal.amazon.com/coral/com.amazon.coral.service/"


class SagetapeError(Exception):
    """Everything that this project raises on purpose."""

    exit_code = 1


class CallerError(SagetapeError):
    """An answer that AWS gives instead of a model's: status, error type and body as AWS sends them.

    `reason` goes to the log and to `X-Sagetape-Reason`; it is ours and never AWS's. `type_suffix` follows the code in
    the error-type header only (`CORAL_SUFFIX` on errors of authentication); `code` stays the bare name.
    """

    def __init__(
        self,
        status: int,
        code: str,
        body: bytes,
        *,
        content_type: str | None = "application/json",
        reason: str = "",
        type_suffix: str = "",
    ) -> None:
        super().__init__(code, body.decode("utf-8", "replace"))
        self.status = status
        self.code = code
        self.body = body
        self.content_type = content_type
        self.reason = reason
        self.type_suffix = type_suffix

    def script(self) -> Script:
        """The answer as steps."""
        headers: list[tuple[str, str]] = []
        if self.content_type is not None:
            headers.append(("Content-Type", self.content_type))
        if self.code:
            headers.append(("x-amzn-ErrorType", self.code + self.type_suffix))
        if self.reason:
            headers.append(("X-Sagetape-Reason", header_safe(self.reason)))
        return whole(self.status, tuple(headers), self.body)


DAMAGED_CODE = "SagetapeCassetteDamaged"


class ReplayError(SagetapeError):
    """No recording answers this call. A 400 that no SDK retries, under a code that AWS never uses."""

    exit_code = 3

    def __init__(self, message: str, *, code: str = "SagetapeMiss") -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def script(self) -> Script:
        """The miss on the wire; the text is cut to what a Message may hold."""
        headers: Headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", self.code))
        return whole(400, headers, compact_json({"Message": self.message[:MESSAGE_MAX]}))


class CassetteError(SagetapeError):
    """A cassette file is wrong. `offset` is in bytes from its start."""

    exit_code = 6

    def __init__(self, message: str, *, path: str = "", offset: int | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.offset = offset


class CassetteMissing(CassetteError):
    """The file is not there."""


class CassetteDamaged(CassetteError):
    """Bytes are not what was written."""


class CassetteForeign(CassetteError):
    """Not a cassette at all, or one of a version that this code does not know."""


class CassetteLocked(CassetteError):
    """Another process records into it. `pid` is 0 when it is not known."""

    def __init__(self, message: str, *, path: str = "", pid: int = 0) -> None:
        super().__init__(message, path=path)
        self.pid = pid


class CassetteUnwritten(CassetteError):
    """What should be kept could not be written; the file is as it was before."""


class SecretFound(SagetapeError):
    """A record would have carried a secret to disk; it was refused."""

    exit_code = 7


class UpstreamError(SagetapeError):
    """The upstream failed in a way that is not an HTTP answer (refused, reset, timed out, lied about its length)."""

    exit_code = 5


class ConfigError(SagetapeError):
    """The configuration is wrong. `problems` are complete sentences, each with its place."""

    exit_code = 8

    def __init__(self, problems: list[str] | str) -> None:
        self.problems = [problems] if isinstance(problems, str) else problems
        super().__init__("\n".join(self.problems))


class CredentialsMissing(ConfigError):
    """There is nothing to sign with for an upstream, and that is known before it is asked."""

    exit_code = 7


def compact_json(value: object) -> bytes:
    """JSON as AWS writes it: no spaces, keys as given, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def header_safe(text: str) -> str:
    """A text as one header value: one line of printable ASCII, cut at 1,000 characters."""
    return "".join(c if " " <= c <= "~" else "?" for c in text.replace("\n", " "))[:1000]

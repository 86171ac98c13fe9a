"""Asynchronous inference: waiting for the output object, or the failure object, to appear in S3.

The service gives places, not answers. Waiting asks S3 for both places in turn. S3 answers 404 for what is not there
yet, and 403 to a caller without s3:ListBucket; both mean "not yet", and a time-out says which it was. Cancelling stops
the waiting alone: the service has no operation that stops an inference.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from . import codecs
from .answers import Facts
from .errors import (
    AsyncCancelled,
    AsyncFailed,
    CallTimeout,
    ConnectError,
    ContentError,
    CredentialsError,
    InvokeError,
    ServiceError,
)

if TYPE_CHECKING:
    from .invoker import Client

WAIT_TIMEOUT_S = 900.0  # InvocationTimeoutSeconds' default (API reference, InvokeEndpointAsync)
FIRST_POLL_S, LAST_POLL_S = 0.5, 10.0


@dataclass(frozen=True, slots=True)
class Submission:
    """The answer of InvokeEndpointAsync: where the output will be; `failure_location` when the endpoint has one."""

    inference_id: str | None
    output_location: str | None
    failure_location: str | None
    facts: Facts = field(repr=False)

    @property
    def request_id(self) -> str | None:
        return self.facts.request_id

    @property
    def status(self) -> int:
        return self.facts.status

    def properties(self) -> dict[str, Any]:
        """As `Select` sees them."""
        return {
            "InferenceId": self.inference_id,
            "OutputLocation": self.output_location,
            "FailureLocation": self.failure_location,
        }


def read_submission(body: bytes, facts: Facts) -> Submission:
    """InvokeEndpointAsync's answer; the inference id is in the body, the locations in headers."""
    try:
        content = json.loads(body) if body else {}
    except ValueError as error:
        raise ContentError(
            f"The service took the asynchronous inference and its answer is not JSON ({error}): {body[:60]!r}."
            " Is the endpoint URL SageMaker Runtime's?",
            body=body,
            content_type="application/json",
        ) from error
    inference_id = content.get("InferenceId") if isinstance(content, dict) else None
    headers = facts.headers
    output, failure = (headers.get(f"x-amzn-sagemaker-{kind}location") for kind in ("output", "failure"))
    return Submission(inference_id, output, failure, facts)


@dataclass(frozen=True, slots=True)
class Output:
    """An asynchronous inference's output object."""

    body: bytes = field(repr=False)
    content_type: str | None
    location: str

    def value(self) -> Any:
        """The body decoded by its content type."""
        return codecs.decode(self.body, self.content_type)


Fetch = Callable[[str], "tuple[bytes, str | None] | str"]
"""Location to bytes and content type; or a word, when the object is not there: `absent` or `hidden`."""


class S3Objects:
    """A Fetch through boto3's S3 client, on the settings of a client."""

    def __init__(self, client: Client) -> None:
        from .sessions_boto import make_client

        self._settings = client.settings
        self._s3 = make_client(client.settings, "s3", repeats=True)

    def __call__(self, location: str) -> tuple[bytes, str | None] | str:
        import botocore.exceptions as bx

        from .boto import translate

        bucket, key = split_location(location)
        try:
            answer = self._s3.get_object(Bucket=bucket, Key=key)
            with contextlib.closing(answer["Body"]) as body:
                return body.read(), answer.get("ContentType")
        except bx.ClientError as error:
            return _absence(error, location)
        except (bx.BotoCoreError, OSError) as error:
            raise translate(error, self._settings, url=self._s3.meta.endpoint_url) from error

    def close(self) -> None:
        """Close the connections."""
        self._s3.close()


class PendingOutput:
    """A submitted inference: the service's answer, and `wait`."""

    def __init__(self, client: Client, submission: Submission, *, fetch: Fetch | None = None) -> None:
        self._client = client
        self.submission = submission
        self._fetch = fetch
        self._cancelled = threading.Event()

    @property
    def inference_id(self) -> str | None:
        return self.submission.inference_id

    @property
    def output_location(self) -> str | None:
        return self.submission.output_location

    @property
    def failure_location(self) -> str | None:
        return self.submission.failure_location

    @property
    def facts(self) -> Facts:
        return self.submission.facts

    @property
    def request_id(self) -> str | None:
        return self.submission.request_id

    @property
    def status(self) -> int:
        return self.submission.status

    def properties(self) -> dict[str, Any]:
        """As `Select` sees them."""
        return self.submission.properties()

    def cancel(self) -> None:
        """Stop waiting, from any thread: `wait` raises AsyncCancelled at its next poll."""
        self._cancelled.set()

    def close(self) -> None:
        """Close the connections to S3, if there were any."""
        fetch, self._fetch = self._fetch, None
        if isinstance(fetch, S3Objects):
            fetch.close()

    def poll(self) -> Output | None:
        """One look: the output, None when nothing is there yet. Raises AsyncFailed for a failure object."""
        return self._look()[0]

    def wait(self, *, timeout_s: float = WAIT_TIMEOUT_S) -> Output:
        """The output, once it is there. Raises AsyncFailed, CallTimeout, AsyncCancelled."""
        chances, waited_s, pause_s = self._client.chances, 0.0, FIRST_POLL_S
        began = chances.monotonic()
        while True:
            if self._cancelled.is_set():
                raise AsyncCancelled(
                    f"Waiting for {self.output_location} was cancelled. The inference goes on; poll() looks again."
                )
            output, reason = self._look()
            if output is not None:
                return output
            waited_s = max(waited_s, chances.monotonic() - began)
            if waited_s >= timeout_s:
                raise CallTimeout(self._late(timeout_s, reason))
            pause = min(pause_s, timeout_s - waited_s)
            chances.sleep(pause)
            waited_s += pause
            pause_s = min(pause_s * 1.5, LAST_POLL_S)

    def _look(self) -> tuple[Output | None, str]:
        fetch = self._fetch = self._fetch or S3Objects(self._client)
        if self.output_location is None:
            raise InvokeError(
                "The service gave no OutputLocation, so there is nothing to wait for. Is the endpoint asynchronous?"
            )
        found = fetch(self.output_location)
        if not isinstance(found, str):
            return Output(found[0], found[1], self.output_location), ""
        if self.failure_location is not None:
            failed = fetch(self.failure_location)
            if not isinstance(failed, str):
                raise self._failed(failed[0])
        return None, found

    def _failed(self, body: bytes) -> AsyncFailed:
        text = body.decode("utf-8", "replace").strip()
        return AsyncFailed(
            f"The asynchronous inference {self.inference_id} failed: {text[:500] or 'an empty failure object'}"
            f" (whole text at {self.failure_location})."
            " Correct the input or look at the endpoint's data-log, and submit again.",
            body=body,
            location=self.failure_location or "",
            inference_id=self.inference_id,
        )

    def _late(self, timeout_s: float, reason: str) -> str:
        hint = "Wait longer with timeout_s, or look at the endpoint's data-log."
        if reason == "hidden":
            hint = (
                "S3 answers 403 for it, which it also does for a missing object without s3:ListBucket:"
                " check that permission."
            )
        elif self.failure_location is None:
            hint += " The endpoint has no S3FailurePath, so that a failure leaves no object."
        return f"No output at {self.output_location} after {timeout_s:g} s. {hint}"


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`, or of an https URL of S3 in path or in host style."""
    parts = urlsplit(location)
    path = parts.path.lstrip("/")
    if parts.scheme == "s3":
        return parts.netloc, path
    host_style = re.match(r"(.+)\.s3[.-]", parts.netloc)
    if host_style:
        return host_style.group(1), path
    bucket, _, key = path.partition("/")
    return bucket, key


def _absence(error: Any, location: str) -> str:
    """`absent` or `hidden`; anything else S3 says is an error."""
    code = str(error.response.get("Error", {}).get("Code"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in ("NoSuchKey", "404"):
        return "absent"
    if status == 403 and code in ("AccessDenied", "403"):
        return "hidden"
    kind = CredentialsError if status == 403 else ConnectError if status >= 500 else None
    text = f"S3 refuses {location}: {error}. Check the bucket, its region and the caller's permissions."
    if kind is not None:
        raise kind(text) from error
    raise ServiceError(code, text, status=status, operation="GetObject") from error

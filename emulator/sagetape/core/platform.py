"""What the platform sends to a model's container, and what it makes of the container's answer.

Decides the headers that reach a container, the headers of its answer that reach the client, and the wording of every
failure of a model (424 ModelError, or the exception frame that ends a stream). Refuses to wait: who sends, reads and
measures time is `shell/upstreams/`.

Sources: SageMaker Developer Guide, "Use your own inference code with hosting services" and "Stateful sessions";
botocore sagemaker-runtime 2017-05-13, shapes ModelError and ModelStreamError; for the texts the public traces named
beside them. Where a failure has no public trace, the choice is the nearest one that has: a container that cannot be
reached, resets, sends no HTTP or closes before its status is template D; one that does not answer in time is C; an
answer that did not arrive whole, or is larger than the platform carries, is B. A 2xx that did not arrive whole has no
status worth showing, so B shows 0 there, as C and D do.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

from .errors import MESSAGE_MAX, compact_json
from .eventstream import exception
from .values import valueclass
from .wire import EVENT_STREAM, Call, Chunk, Head, Headers, Script, whole

INVOCATION_TIMEOUT_S: Final = 60.0  # Developer Guide, your-algorithms-inference-code
STREAM_TIMEOUT_S: Final = 480.0  # SageMaker Runtime API reference, InvokeEndpointWithResponseStream: 8 minutes
ANSWER_MAX_BYTES: Final = 26_214_400  # SageMaker "Model Hosting FAQs": 25 MB for real-time endpoints
SESSION_HEADER_MAX: Final = 256  # botocore, shape NewSessionResponseHeader
DEFAULT_CONTENT_TYPE: Final = "application/json"  # seen when a container sent none (model-hosting-container-standards)

VARIANT_HEADER: Final = "x-Amzn-Invoked-Production-Variant"  # botocore writes the first letter small
CUSTOM_ATTRIBUTES: Final = "X-Amzn-SageMaker-Custom-Attributes"
STREAM_CONTENT_TYPE: Final = "X-Amzn-SageMaker-Content-Type"
SESSION_ID: Final = "X-Amzn-SageMaker-Session-Id"
NEW_SESSION_ID: Final = "X-Amzn-SageMaker-New-Session-Id"
CLOSED_SESSION_ID: Final = "X-Amzn-SageMaker-Closed-Session-Id"
FORWARDED_API: Final = "X-Amzn-SageMaker-Forwarded-Api"  # read by deepjavalibrary/djl-serving, input_parser.py

# Members that reach a container, and the header that carries them there. Accept and Content-Type arrive under their
# plain names whatever the operation calls them; everything else that a client sends is stripped.
FORWARDED: Final = (
    ("ContentType", "Content-Type"),
    ("Accept", "Accept"),
    ("CustomAttributes", CUSTOM_ATTRIBUTES),
    ("TargetModel", "X-Amzn-SageMaker-Target-Model"),
    ("SessionId", SESSION_ID),
)

# botocore sagemaker-runtime 2017-05-13, shape NewSessionResponseHeader
SESSION_PATTERN: Final = re.compile(
    r"[a-zA-Z0-9](-*[a-zA-Z0-9])*;\sExpires=([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)", re.ASCII
)
CONTROL: Final = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
)  # lone surrogates: bytes that were not UTF-8


@valueclass(frozen=True, slots=True)
class Ask:
    """One call, routed: what goes to an upstream."""

    call: Call
    variant: str = "AllTraffic"
    """`InvokedProductionVariant` of a container's or function's answer."""
    hostname: str = ""
    """Of a container that has a name in its endpoint: one of several."""
    path: str = "/invocations"
    """`/models/<name>/invoke` on a multi-model container."""
    extra_headers: Headers = ()
    """Added by the platform (adapter headers); they replace a header of the same name."""
    timeout_s: float = INVOCATION_TIMEOUT_S
    """The platform's limit for the whole answer; 480 for a stream."""
    log_group: str | None = None
    """`/aws/sagemaker/Endpoints/<endpoint>` unless an inference component serves."""

    @property
    def who(self) -> str:
        """The container as the texts about it name it. A single one was `model` in traces up to 2020."""
        return self.hostname or "primary"

    @property
    def logs(self) -> str:
        return self.log_group or f"/aws/sagemaker/Endpoints/{self.call.endpoint}"


# --- towards the container --------------------------------------------------------------------------------------


def to_container(ask: Ask) -> Headers:
    """The headers of the request that the container sees; names as AWS's libraries for containers read them."""
    members = ask.call.members
    headers = [(header, members[name]) for name, header in FORWARDED if members.get(name)]
    # Present even when the client sent none: the platform puts its request id there (djl-serving, vllm#12652).
    headers.append(("X-Amzn-SageMaker-Inference-Id", members.get("InferenceId") or ask.call.request_id))
    headers.append((FORWARDED_API, forwarded_api(ask.call)))
    replaced = {name.lower() for name, _ in ask.extra_headers}
    kept = [(name, value) for name, value in headers if name.lower() not in replaced]
    return tuple((name, value) for name, value in (*kept, *ask.extra_headers) if is_header_value(value))


def forwarded_api(call: Call) -> str:
    """The container cannot tell an asynchronous call from a plain one."""
    return call.operation if call.is_stream else "InvokeEndpoint"


def is_header_value(value: str) -> bool:
    """Whether a text may be one header's value: no control character, nothing that ends or splits a line."""
    return CONTROL.search(value) is None


# --- towards the client -----------------------------------------------------------------------------------------


@valueclass(frozen=True, slots=True)
class Passed:
    """The head that the client sees, and what had to be dropped on the way, for the log."""

    head: Head
    warnings: tuple[str, ...] = ()


def pass_head(ask: Ask, headers: Headers) -> Passed:
    """Status and headers of a container's 2xx answer as the client sees them: always 200.

    Content-Type (as `X-Amzn-SageMaker-Content-Type` on a stream), custom attributes and session headers survive;
    everything else is dropped.
    """
    given, warnings = readable(headers)
    content_type = given.get("content-type") or DEFAULT_CONTENT_TYPE
    passed = [*closed_session(given)]
    if not ask.call.is_stream:  # a stream cannot open a session (botocore, operation documentation)
        passed += new_session(given, warnings)
    passed.append((VARIANT_HEADER, ask.variant))
    if CUSTOM_ATTRIBUTES.lower() in given:
        passed.append((CUSTOM_ATTRIBUTES, given[CUSTOM_ATTRIBUTES.lower()]))
    if ask.call.is_stream:
        passed.append((STREAM_CONTENT_TYPE, content_type))
        content_type = EVENT_STREAM
    passed.append(("Content-Type", content_type))
    return Passed(Head(200, tuple(passed)), tuple(warnings))


def readable(headers: Headers) -> tuple[dict[str, str], list[str]]:
    """Headers by lower-case name, duplicates joined with a comma, without those that no client should be sent."""
    given: dict[str, str] = {}
    warnings = []
    for name, value in headers:
        key = name.lower()
        if is_header_value(value):
            given[key] = f"{given[key]},{value}" if key in given else value
        else:
            warnings.append(f"the container's header {name} holds a control character; it was dropped")
    return given, warnings


def closed_session(given: dict[str, str]) -> Headers:
    """The closing header passes as it is."""
    value = given.get(CLOSED_SESSION_ID.lower())
    return () if value is None else ((CLOSED_SESSION_ID, value),)


def new_session(given: dict[str, str], warnings: list[str]) -> Headers:
    """The opening header under the client's name, whichever of the two spellings the container used.

    The Developer Guide's is `X-Amzn-SageMaker-Session-Id`; AWS's model-hosting-container-standards sends
    `X-Amzn-SageMaker-New-Session-Id`. A malformed one is dropped with a warning, the rest of the answer passes.
    """
    value = given.get(NEW_SESSION_ID.lower()) or given.get(SESSION_ID.lower())
    if value is None:
        return ()
    if is_session_value(value):
        return ((NEW_SESSION_ID, value),)
    warnings.append(
        f"the container's session header {value[:SESSION_HEADER_MAX]!r} is not '<id>; Expires=yyyy-mm-ddThh:mm:ssZ' "
        f"(at most {SESSION_HEADER_MAX} characters); it was dropped and no session was opened"
    )
    return ()


def is_session_value(value: str) -> bool:
    """Whether the value opens a session: id, `Expires` and a date that exists, in UTC."""
    found = SESSION_PATTERN.fullmatch(value) if len(value) <= SESSION_HEADER_MAX else None
    if found is None:
        return False
    try:
        datetime.strptime(found[2], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - only asked whether the date exists
    except ValueError:
        return False
    return True


# --- failures ---------------------------------------------------------------------------------------------------


def failed(ask: Ask, status: int, body: bytes, *, is_whole: bool = True) -> Script:
    """The 424 for a container's answer that is not 2xx; 1xx, 3xx and 4xx are the client's error.

    Template A, or B when the body is not UTF-8 or did not arrive whole (`is_whole` false; B then shows 0 for a 2xx).
    """
    shown = 0 if 200 <= status < 300 else status
    side = "client" if 0 < shown < 500 else "server"
    text = utf8(body) if is_whole else None
    lead = f"Received {side} error ({shown}) from {ask.who}"
    if text is None:  # seen: awslabs/realtime-fraud-detection-with-gnn-on-dgl#1331
        return model_error(ask, shown, lead=f"{lead} and could not load the entire response body", quoted=None)
    # seen: aws/amazon-sagemaker-examples#1881 (400), #833 (500, an empty body prints "")
    return model_error(ask, shown, lead=f"{lead} with message", quoted=text)


def timed_out(ask: Ask) -> Script:
    """Template C: no answer within the platform's limit. Seen: aws/amazon-sagemaker-examples#799."""
    text = (
        f"Your invocation timed out while waiting for a response from container {ask.who}. Review the latency metrics "
        "for each container in Amazon CloudWatch, resolve the issue, and try again."
    )
    return model_error(ask, 0, lead=f"Received server error (0) from {ask.who} with message", quoted=text)


def dead(ask: Ask) -> Script:
    """Template D: no answer at all. Seen: aws/amazon-sagemaker-examples#2815, #3089, #177.

    A single container is `model` here, also in the traces of 2021 and 2022, when the other templates said `primary`.
    """
    text = (
        f"Amazon SageMaker could not get a response from the {ask.call.endpoint} endpoint. This can occur when CPU or "
        "memory utilization is high. To check your utilization, see Amazon CloudWatch. To fix this problem, use an "
        "instance type with more CPU capacity or memory."
    )
    who = ask.hostname or "model"
    return model_error(ask, 0, lead=f"Received server error (0) from {who} with message", quoted=text)


def model_error(ask: Ask, status: int, *, lead: str, quoted: str | None) -> Script:
    """424 ModelError: compact JSON, keys in alphabetical order, with the unmodelled ErrorCode.

    `Message` and `OriginalMessage` hold at most 2,048 characters (shape Message); of a longer quotation `Message`
    keeps the beginning and its own tail, which names the logs.
    """
    call = ask.call
    tail = f". See {console_url(ask)} in account {call.account} for more information."
    room = max(0, MESSAGE_MAX - len(lead) - len(tail) - 3)
    quotation = "" if quoted is None else f' "{quoted[:room]}"'
    body = {
        "ErrorCode": "CLIENT_ERROR_FROM_MODEL" if 0 < status < 500 else "INTERNAL_FAILURE_FROM_MODEL",
        "LogStreamArn": f"arn:{partition(call.region)}:logs:{call.region}:{call.account}:log-group:{ask.logs}",
        "Message": (lead + quotation + tail)[:MESSAGE_MAX],
        "OriginalMessage": (quoted or "")[:MESSAGE_MAX],
        "OriginalStatusCode": status,
    }
    headers = (("Content-Type", "application/json"), ("x-amzn-ErrorType", "ModelError"))
    return whole(424, headers, compact_json(body))


def console_url(ask: Ask) -> str:
    """Where the text sends its reader. Seen in all traces of ModelError."""
    region = ask.call.region
    return f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={ask.logs}"


def partition(region: str) -> str:
    """The partition that ARNs of a region carry (botocore `partitions.json`)."""
    for prefix, name in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov"), ("eusc-", "aws-eusc")):
        if region.startswith(prefix):
            return name
    return "aws"


def utf8(body: bytes) -> str | None:
    """The text of a body; None when it is none."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


# --- failures inside a stream -----------------------------------------------------------------------------------


def stream_broken(ask: Ask) -> Chunk:
    """The frame that ends a stream whose container broke off. The code is modelled, AWS's text is not public."""
    text = f"The response stream from container {ask.who} was broken before it was complete."
    return Chunk(exception("ModelStreamError", text, error_code="StreamBroken"))


def stream_timed_out(ask: Ask) -> Chunk:
    """The frame that ends a stream after 8 minutes. The code is modelled, AWS's text is not public."""
    text = f"The response stream from container {ask.who} exceeded the time limit of {ask.timeout_s:g} seconds."
    return Chunk(exception("ModelStreamError", text, error_code="ModelInvocationTimeExceeded"))

"""The errors that the service's front end answers by itself, without asking a model.

Decides status, error type, key case and text of each; decides nothing about when. A failure *of the model* (424) is
not here but in `core/platform.py`; authentication is in `core/sigv4.py`.

Two kinds of text. Where AWS's own is known it is used to the letter, and the docstring says where it was seen. Where
it is not public, status and error type are AWS's, the text is ours, and `reason` says so (`OWN_TEXT`).

Bodies, as seen on the wire (aws/amazon-sagemaker-examples#1216, opensearch-project/ml-commons#2438): a service error
is compact JSON with keys in alphabetical order, a capital `Message` and, where known, the unmodelled `ErrorCode`; a
framework error has a lower-case `message`.
"""

from __future__ import annotations

from collections.abc import Sequence

from .errors import MESSAGE_MAX, CallerError, compact_json

OWN_TEXT = "AWS's text for this case is not public; the text is the emulator's own"

VALIDATION_ERROR = "ValidationError"  # botocore sagemaker-runtime 2017-05-13, shape ValidationError; not "...Exception"


def service_error(
    status: int, code: str, *, message: str, error_code: str | None = None, reason: str = ""
) -> CallerError:
    """A modelled error: `{"ErrorCode":...,"Message":...}`, the message cut at 2,048 characters."""
    body: dict[str, object] = {} if error_code is None else {"ErrorCode": error_code}
    body["Message"] = message[:MESSAGE_MAX]
    return CallerError(status, code, compact_json(body), reason=reason)


def validation(message: str, *, error_code: str | None = None, reason: str = "") -> CallerError:
    """400 ValidationError with any text."""
    return service_error(400, VALIDATION_ERROR, message=message, error_code=error_code, reason=reason)


# --- endpoint and target ----------------------------------------------------------------------------------------


def endpoint_not_found(endpoint: str, account: str, *, reason: str = "") -> CallerError:
    """No such endpoint, or not in service. Text: aws/amazon-sagemaker-examples#293, #559, #1477."""
    return validation(f"Endpoint {endpoint} of account {account} not found.", reason=reason)


def target_model_not_supported(endpoint: str) -> CallerError:
    """TargetModel on an endpoint that is not multi-model. Text: aws/amazon-sagemaker-examples#1216, #1026."""
    text = f"Endpoint {endpoint} is not a multi-model endpoint and does not support target model header."
    return validation(text, error_code="TARGET_MODEL_HEADER_NOT_SUPPORTED")


def target_model_missing(request_id: str) -> CallerError:
    """A multi-model endpoint without TargetModel.

    The only public copy ends after "hea" (aws/sagemaker-tensorflow-serving-container#166); "header" completes it.
    """
    return validation(f"Request {request_id} is missing a target model header")


def model_artifact_missing(bucket: str, key: str) -> CallerError:
    """A multi-model endpoint has no object under the TargetModel. Text from memory of AWS's, without a public copy."""
    return validation(
        f"Failed to download model data(bucket: {bucket}, key: {key}). Please ensure that there is an object located "
        "at the URL and that the role passed to CreateModel has permissions to download the model."
    )


def variant_unknown(endpoint: str, variant: str, *, known: Sequence[str] = ()) -> CallerError:
    """TargetVariant names a variant that the endpoint does not have."""
    return validation(f"Endpoint {endpoint} has no production variant {variant}.{_known(known)}", reason=OWN_TEXT)


def container_hostname_missing(endpoint: str, *, known: Sequence[str] = ()) -> CallerError:
    """A direct multi-container endpoint without TargetContainerHostname."""
    text = f"Endpoint {endpoint} runs its containers in direct mode and requires a target container hostname header."
    return validation(text + _known(known), reason=OWN_TEXT)


def container_hostname_unknown(endpoint: str, hostname: str, *, known: Sequence[str] = ()) -> CallerError:
    """TargetContainerHostname names a container that the endpoint does not have."""
    return validation(f"Endpoint {endpoint} has no container with hostname {hostname}.{_known(known)}", reason=OWN_TEXT)


def container_hostname_not_supported(endpoint: str) -> CallerError:
    """TargetContainerHostname on an endpoint whose containers are not called directly."""
    text = f"Endpoint {endpoint} does not run its containers in direct mode and does not support target container "
    return validation(text + "hostname header.", reason=OWN_TEXT)


def component_name_required() -> CallerError:
    """An endpoint of inference components, and none named. Text: langchain-ai/langchain#14344."""
    return validation(
        "Inference Component Name header is required for endpoints to which you plan to deploy inference components. "
        "Please include Inference Component Name header or consider using SageMaker models.",
        error_code="INFERENCE_COMPONENT_NAME_MISSING",
    )


def component_no_capacity() -> CallerError:
    """The inference component has zero copies. Text: aws-samples/sagemaker-genai-hosting-examples, scale to zero."""
    return validation(
        "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress (if "
        "configured) or try to increase the capacity by invoking UpdateInferenceComponentRuntimeConfig API."
    )


def component_unknown(endpoint: str, component: str, *, known: Sequence[str] = ()) -> CallerError:
    """InferenceComponentName names one that the endpoint does not have."""
    return validation(f"Endpoint {endpoint} has no inference component {component}.{_known(known)}", reason=OWN_TEXT)


def component_not_supported(endpoint: str) -> CallerError:
    """InferenceComponentName on an endpoint without inference components."""
    text = f"Endpoint {endpoint} has no inference components and does not support inference component header."
    return validation(text, reason=OWN_TEXT)


def asynchronous_only(endpoint: str) -> CallerError:
    """A direct invocation of an endpoint that was made for asynchronous inference."""
    text = f"Endpoint {endpoint} is an asynchronous endpoint. Invoke it with InvokeEndpointAsync."
    return validation(text, reason=OWN_TEXT)


def not_asynchronous(endpoint: str) -> CallerError:
    """InvokeEndpointAsync on an endpoint without an AsyncInferenceConfig."""
    text = f"Endpoint {endpoint} is not an asynchronous endpoint. Invoke it with InvokeEndpoint."
    return validation(text, reason=OWN_TEXT)


# --- sessions ---------------------------------------------------------------------------------------------------


def session_unknown(session_id: str, *, reason: str = "") -> CallerError:
    """A SessionId that no NEW_SESSION of this endpoint produced."""
    text = f"Session {session_id} does not exist on this endpoint. Start one with SessionId NEW_SESSION."
    return validation(text, reason=reason or OWN_TEXT)


def session_closed(session_id: str) -> CallerError:
    """A SessionId whose model closed it."""
    return validation(f"Session {session_id} is closed. Start one with SessionId NEW_SESSION.", reason=OWN_TEXT)


def session_expired(session_id: str, *, expired_at: str) -> CallerError:
    """A SessionId past its Expires. `expired_at` is that time as text."""
    text = f"Session {session_id} expired at {expired_at}. Start one with SessionId NEW_SESSION."
    return validation(text, reason=OWN_TEXT)


def session_elsewhere(session_id: str, *, target: str) -> CallerError:
    """A SessionId together with a variant, component or container other than the one that holds the session."""
    return validation(f"Session {session_id} is held by {target}. Leave the other target out.", reason=OWN_TEXT)


def session_not_opened_by_stream() -> CallerError:
    """InvokeEndpointWithResponseStream with NEW_SESSION: that operation's pattern has no such value."""
    return constraint_violations(
        [pattern_violation("NEW_SESSION", "sessionId", pattern=r"^[a-zA-Z0-9](-*[a-zA-Z0-9])*$")]
    )


# --- request ----------------------------------------------------------------------------------------------------


def constraint_violations(violations: Sequence[str]) -> CallerError:
    """Members that break the model's patterns and lengths; each text as `pattern_violation` makes it.

    Grammar: aws/amazon-sagemaker-examples#2236 (the same front-end framework on the control plane).
    """
    noun = "error" if len(violations) == 1 else "errors"
    return validation(f"{len(violations)} validation {noun} detected: {'; '.join(violations)}")


def pattern_violation(value: str, member: str, *, pattern: str) -> str:
    """`member` in lower camel case, as AWS writes it: `endpointName`."""
    demand = f"Member must satisfy regular expression pattern: {pattern}"
    return f"Value '{value}' at '{member}' failed to satisfy constraint: {demand}"


def body_too_large(limit_bytes: int) -> CallerError:
    """413 in plain text, without an error type. Text: AWS's Netty front ends."""
    text = f"HTTP content length exceeded {limit_bytes} bytes."
    return CallerError(413, "", text.encode(), content_type="text/plain")


def unknown_operation() -> CallerError:
    """Unknown path, or a known path with another method: 404 and 29 bytes of XML without a Content-Type."""
    return CallerError(404, "", b"<UnknownOperationException/>\n", content_type=None)


# --- the service ------------------------------------------------------------------------------------------------


def model_not_ready(message: str = "Model is not ready for inference yet. Retry the request later.") -> CallerError:
    """429: a model takes over 60 s to load, or a serverless endpoint has no capacity yet."""
    return service_error(429, "ModelNotReadyException", message=message, reason=OWN_TEXT)


def throttled(message: str | None = None) -> CallerError:
    """400 ThrottlingException, the code in the header alone. Body: opensearch-project/ml-commons#2438."""
    return CallerError(400, "ThrottlingException", compact_json({"message": message}))


def internal_failure(message: str = "Internal failure. Retry the request.") -> CallerError:
    """500 InternalFailure."""
    return service_error(500, "InternalFailure", message=message, reason=OWN_TEXT)


def service_unavailable(message: str = "Service unavailable. Retry the request.") -> CallerError:
    """503 ServiceUnavailable."""
    return service_error(503, "ServiceUnavailable", message=message, reason=OWN_TEXT)


def dependency_failed(message: str = "A dependency of the service failed. Retry the request.") -> CallerError:
    """530 InternalDependencyException; SDKs do not retry it."""
    return service_error(530, "InternalDependencyException", message=message, reason=OWN_TEXT)


def _known(names: Sequence[str]) -> str:
    return f" It has: {', '.join(names)}." if names else ""

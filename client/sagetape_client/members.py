"""Types for keyword arguments: what an editor offers and a type checker accepts for one call."""

from __future__ import annotations

from typing import TypedDict

from .body import BodyInput


class Members(TypedDict, total=False):
    """Parameters of one call, as keyword arguments. Every other spelling of the table is taken at run time too."""

    accept: str | None
    content_type: str | None
    custom_attribute: str | None
    custom_attributes: str | None
    enable_explanation: str | None
    enable_explanations: str | None
    inference_component_name: str | None
    inference_id: str | None
    prefix_aware_id: str | None
    session_id: str | None
    target_container_hostname: str | None
    target_model: str | None
    target_variant: str | None
    input_location: str | None
    s3_output_path_extension: str | None
    filename: str | None
    request_ttl_seconds: int | None
    invocation_timeout_seconds: int | None
    EndpointName: str | None
    Body: BodyInput
    Accept: str | None
    ContentType: str | None
    CustomAttribute: str | None
    CustomAttributes: str | None
    EnableExplanation: str | None
    EnableExplanations: str | None
    InferenceComponentName: str | None
    InferenceId: str | None
    PrefixAwareId: str | None
    SessionId: str | None
    TargetContainerHostname: str | None
    TargetModel: str | None
    TargetVariant: str | None

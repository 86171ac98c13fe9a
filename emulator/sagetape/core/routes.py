"""The way of a call as a value: what the router decides, the deck follows and the shell performs.

Decides nothing. Source of the limits: SageMaker developer guide, "Use your own inference code with hosting services".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from .endpoints import ALL_TRAFFIC, ASYNC_TIMEOUT_S, STREAM_TIMEOUT_S, TIMEOUT_S, Endpoint, Upstream
from .errors import CallerError
from .values import valueclass
from .wire import Call, Headers

HOP_MAX_BYTES = 5 * 1024 * 1024  # SageMaker developer guide, inference-pipeline-troubleshoot: 5 MB between containers


@valueclass(frozen=True, slots=True)
class Hop:
    """One container that the call passes through."""

    upstream: Upstream
    """Specifications from the configuration, asked in order; empty: nothing but cassettes answers."""
    hostname: str = ""
    """Of a container that has a name in its endpoint."""
    path: str = "/invocations"
    extra_headers: Headers = ()


@valueclass(frozen=True, slots=True)
class ModelAction:
    """A request to a real container before the call is made: multi-model and adapter interfaces of the platform."""

    kind: Literal["load", "unload", "adapter"]
    model: str
    upstream: Upstream
    method: str
    path: str
    body: bytes = b""


@valueclass(frozen=True, slots=True)
class Route:
    """The way of one call. `Router.finish` must follow in the end."""

    endpoint: str
    variant: str = ALL_TRAFFIC
    instance: int = 0
    hops: tuple[Hop, ...] = (Hop(()),)
    """Several are a serial pipeline: the answer of one is the request of the next, up to HOP_MAX_BYTES."""
    timeout_s: float = TIMEOUT_S
    component: str | None = None
    model: str | None = None
    log_group: str | None = None
    """None: `/aws/sagemaker/Endpoints/<endpoint>`."""
    shadow: Route | None = None
    """Gets a copy of the call, in a timeline of its own; its answer is discarded."""
    before: tuple[ModelAction, ...] = ()
    wait_s: float = 0.0
    """Load or cold start, in the deck's time, before the first hop and outside of `timeout_s`."""
    refusal: CallerError | None = None
    """What the caller gets after `wait_s` instead of an answer."""
    ahead_s: float = 0.0
    """How far the instance's time is ahead of the deck's (`core/models.py`); 0 on a real clock."""
    is_counted: bool = False
    """Whether `Router.finish` has anything to count."""


@valueclass(frozen=True, slots=True)
class Sticky:
    """Where a session is bound to."""

    session_id: str
    variant: str
    instance: int


@valueclass(frozen=True, slots=True)
class Share:
    """One variant's part of the traffic."""

    variant: str
    expected: float
    """By weight, 0 to 1."""
    calls: int
    """All calls, those that named the variant included."""
    drawn: int
    """Calls that were given to it by weight: what `expected` speaks of."""


def limit_of(call: Call, endpoint: Endpoint | None) -> float:
    """The platform's limit for the model's answer, in seconds."""
    if call.operation == "InvokeEndpointAsync":
        given = call.members.get("InvocationTimeoutSeconds", "")
        return float(given) if given.isascii() and given.isdigit() else ASYNC_TIMEOUT_S
    if endpoint is None:
        return STREAM_TIMEOUT_S if call.is_stream else TIMEOUT_S
    return endpoint.stream_timeout_s if call.is_stream else endpoint.timeout_s


def target_of(members: Mapping[str, str], name: str) -> str | None:
    """A target header's value; one sent empty counts as not sent."""
    return members.get(name) or None

"""Endpoints as declared: what answers, in how many places, and how calls find their way there.

Pure data, filled from the configuration. Decides nothing; `core/endpoint_rules.py` says what contradicts itself and
`core/routing.py` reads it. Words and ranges are those of CreateEndpointConfig, CreateModel and
CreateInferenceComponent (botocore `sagemaker` service model).

An `upstream` is a chain of specifications (`function:models:churn`, `http://127.0.0.1:8080`, `aws`), resolved by the
shell. An empty chain is no mistake: a declared endpoint may live from its cassettes alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from .values import valueclass

Upstream: TypeAlias = tuple[str, ...]
"""Asked in order; the next only when the earlier has nothing."""

ALL_TRAFFIC = "AllTraffic"  # the variant that the SageMaker Python SDK makes
TIMEOUT_S = 60.0  # SageMaker developer guide: a container must answer /invocations within 60 s
STREAM_TIMEOUT_S = 480.0  # SageMaker developer guide, Model Hosting FAQs: 8 minutes for a streamed answer
ASYNC_TIMEOUT_S = 900.0  # botocore, InvokeEndpointAsync.InvocationTimeoutSeconds: default 15 minutes


class Strategy(StrEnum):
    """How an instance is chosen. The first is the emulator's default; the rest are AWS's `RoutingStrategy`."""

    ROUND_ROBIN = "ROUND_ROBIN"
    LEAST_OUTSTANDING_REQUESTS = "LEAST_OUTSTANDING_REQUESTS"
    RANDOM = "RANDOM"
    PREFIX_AWARE = "PREFIX_AWARE"


class ContainerMode(StrEnum):
    """`InferenceExecutionConfig.Mode`."""

    SERIAL = "serial"
    DIRECT = "direct"


@valueclass(frozen=True, slots=True)
class Routing:
    """`ProductionVariant.RoutingConfig`."""

    strategy: Strategy = Strategy.ROUND_ROBIN
    prefix_bytes: int = 1024
    """PREFIX_AWARE: how much of the body's beginning is the prefix (`PrefixLength`, 1024 to 65536)."""
    concurrency_threshold: int = 1
    """PREFIX_AWARE: calls at once on the instance of a prefix before others take over (1 to 1024)."""


@valueclass(frozen=True, slots=True)
class Variant:
    """A production variant."""

    name: str
    weight: float = 1.0
    instances: int = 1
    upstream: Upstream = ()
    """Empty: what the endpoint itself declares."""


@valueclass(frozen=True, slots=True)
class ContainerSpec:
    """One of several containers of a model."""

    hostname: str
    upstream: Upstream = ()
    sessions: bool = False
    """Whether this container opens and closes sessions."""


@valueclass(frozen=True, slots=True)
class MultiModel:
    """A multi-model container and its models."""

    upstream: Upstream = ()
    models: tuple[str, ...] = ()
    """What lies in the bucket; empty: any name."""
    load_s: float = 0.0
    """Seconds to download and load one model."""
    capacity: int | None = None
    """Models in memory at once, per instance; None: no bound."""
    is_cached: bool = True
    """`MultiModelConfig.ModelCacheSetting`: False loads the model for every call."""
    location: str = ""
    """`s3://bucket/prefix/` as in ModelDataUrl, for the text of a missing artifact."""


@valueclass(frozen=True, slots=True)
class Component:
    """An inference component."""

    name: str
    upstream: Upstream = ()
    copies: int = 1
    scale_up_s: float | None = None
    """Seconds from the first refused call until a component with no copies has one; None: never."""
    adapter_of: str | None = None
    """The base component whose container serves this adapter."""
    adapter_source: str | None = None
    """Where the container finds the adapter's artifact (`src` of `POST /adapters`); None: it knows."""


@valueclass(frozen=True, slots=True)
class Shadow:
    """A shadow variant: it gets copies of calls, its answers are discarded."""

    name: str
    upstream: Upstream = ()
    share: float = 1.0
    """Of the calls, 0 to 1."""


@valueclass(frozen=True, slots=True)
class Serverless:
    """`ServerlessConfig`."""

    max_concurrency: int = 5
    memory_mb: int = 2048
    cold_start_s: float = 0.0
    idle_s: float = 300.0
    """Seconds without a call after which the next is a cold start. AWS does not publish its figure."""


@valueclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. At most one of `upstream`, `containers`, `multi_model`, `components` says what answers."""

    name: str
    upstream: Upstream = ()
    variants: tuple[Variant, ...] = ()
    """Empty: one, `AllTraffic`, with `instances` instances."""
    instances: int = 1
    containers: tuple[ContainerSpec, ...] = ()
    container_mode: ContainerMode = ContainerMode.SERIAL
    multi_model: MultiModel | None = None
    components: tuple[Component, ...] = ()
    shadow: Shadow | None = None
    serverless: Serverless | None = None
    routing: Routing = Routing()
    timeout_s: float = TIMEOUT_S
    stream_timeout_s: float = STREAM_TIMEOUT_S
    sessions: bool = False
    """The emulator itself opens and closes sessions for a model that does not."""
    is_async: bool = False
    """Made with an AsyncInferenceConfig: takes InvokeEndpointAsync and nothing else."""


def is_container(upstream: Upstream) -> bool:
    """Whether a chain leads to a real container, which wants the multi-model and adapter calls made."""
    return any(spec.startswith(("http://", "https://")) for spec in upstream)

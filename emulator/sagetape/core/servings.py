"""The kinds of things that serve behind an endpoint, each with its rules about targets.

Decides which containers a call passes, under which paths and headers, and what has to be loaded first. Every kind
refuses the target headers that belong to another, as the platform does; texts in `core/refusals.py`.
Sources: SageMaker developer guide, "Multi-container endpoints with direct invocation", "Inference pipelines", "Invoke
a multi-model endpoint"; aws/model-hosting-container-standards for the headers and calls of adapters.
"""

from __future__ import annotations

from . import refusals
from .capacity import Copies
from .endpoints import Component, ContainerMode, ContainerSpec, Endpoint, MultiModel, Upstream, Variant, is_container
from .errors import compact_json
from .instances import Instances
from .models import Models, opaque_name
from .routes import Hop, ModelAction, Route, target_of
from .values import valueclass
from .wire import Call

ADAPTER_IDENTIFIER = "X-Amzn-SageMaker-Adapter-Identifier"  # aws/model-hosting-container-standards, lora constants
ADAPTER_ALIAS = "X-Amzn-SageMaker-Adapter-Alias"


@valueclass(frozen=True, slots=True)
class Visit:
    """What one instance does with one call."""

    hops: tuple[Hop, ...]
    instance: int = 0
    component: str | None = None
    model: str | None = None
    before: tuple[ModelAction, ...] = ()
    wait_s: float = 0.0
    is_refused: bool = False
    ahead_s: float = 0.0


class Plain:
    """One container."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def judge(self, call: Call) -> None:
        """Raise CallerError for target headers that this kind does not know, or misses."""
        refuse_model(self.endpoint, call)
        refuse_hostname(self.endpoint, call)
        refuse_component(self.endpoint, call)

    def pool(self, call: Call, *, now: float) -> Instances | None:
        """Where the call can go, if this kind has places of its own; None: the variant's instances."""
        return None

    def pool_of(self, route: Route) -> Instances | None:
        """The places that `route` was chosen from, as in `pool`."""
        return None

    def visit(self, call: Call, variant: Variant, instance: int, *, now: float) -> Visit:
        """What this instance does with the call."""
        return Visit((Hop(variant.upstream or self.endpoint.upstream),), instance)

    def finish(self, route: Route, *, now: float) -> None:
        """The call is over."""

    def loaded(self, route: Route) -> None:
        """The container has performed what came before the call."""

    def refused(self, route: Route) -> tuple[ModelAction, ...]:
        """The container has no memory for it; what to perform instead."""
        return ()

    def forgotten(self, route: Route) -> None:
        """The container does not have the model."""

    def scale(self, component: str, copies: int) -> bool:
        """Set a component's copies; False where there is none of that name."""
        return False


class Pipeline(Plain):
    """Containers one after the other."""

    def visit(self, call: Call, variant: Variant, instance: int, *, now: float) -> Visit:
        if variant.upstream:
            return super().visit(call, variant, instance, now=now)
        return Visit(tuple(Hop(one.upstream, hostname=one.hostname) for one in self.endpoint.containers), instance)


class Direct(Plain):
    """Containers of which the call names one."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._containers: dict[str, ContainerSpec] = {one.hostname: one for one in endpoint.containers}

    def judge(self, call: Call) -> None:
        refuse_model(self.endpoint, call)
        refuse_component(self.endpoint, call)
        hostname = target_of(call.members, "TargetContainerHostname")
        if hostname is None:
            raise refusals.container_hostname_missing(self.endpoint.name, known=list(self._containers))
        if hostname not in self._containers:
            raise refusals.container_hostname_unknown(self.endpoint.name, hostname, known=list(self._containers))

    def visit(self, call: Call, variant: Variant, instance: int, *, now: float) -> Visit:
        container = self._containers[call.members["TargetContainerHostname"]]
        return Visit((Hop(variant.upstream or container.upstream, hostname=container.hostname),), instance)


class MultiModels(Plain):
    """A container with many models, of which the call names one."""

    def __init__(self, endpoint: Endpoint, declared: MultiModel) -> None:
        super().__init__(endpoint)
        self._declared = declared
        self._residents: dict[tuple[str, int], Models] = {}

    def judge(self, call: Call) -> None:
        refuse_hostname(self.endpoint, call)
        refuse_component(self.endpoint, call)
        model = target_of(call.members, "TargetModel")
        if model is None:
            raise refusals.target_model_missing(call.request_id)
        if self._declared.models and model.lstrip("/") not in {one.lstrip("/") for one in self._declared.models}:
            raise self._missing(call, model)

    def visit(self, call: Call, variant: Variant, instance: int, *, now: float) -> Visit:
        model = call.members["TargetModel"].lstrip("/")  # AWS's examples write the same artifact both ways
        upstream = variant.upstream or self._declared.upstream
        admission = self._models(variant.name, instance, upstream).enter(model, now=now)
        before: tuple[ModelAction, ...] = ()
        path = "/invocations"
        if is_container(upstream):
            path = f"/models/{opaque_name(model)}/invoke"
            before = tuple(unloading(one, upstream) for one in admission.unload)
            before += (loading(model, upstream),) if admission.load and not admission.is_refused else ()
        return Visit(
            (Hop(upstream, path=path),),
            instance,
            model=model,
            before=before,
            wait_s=admission.wait_s,
            is_refused=admission.is_refused,
            ahead_s=admission.ahead_s,
        )

    def finish(self, route: Route, *, now: float) -> None:
        if route.model is not None:
            self._of(route).leave(route.model, now=now + route.ahead_s)

    def loaded(self, route: Route) -> None:
        if route.model is not None:
            self._of(route).confirm(route.model)

    def refused(self, route: Route) -> tuple[ModelAction, ...]:
        if route.model is None:
            return ()
        victim = self._of(route).evict_for(route.model)
        upstream = route.hops[0].upstream
        return () if victim is None else (unloading(victim, upstream), loading(route.model, upstream))

    def forgotten(self, route: Route) -> None:
        if route.model is not None:
            self._of(route).forget(route.model)

    def resident(self, variant: str, instance: int) -> tuple[str, ...]:
        """Models in memory, least recently used first."""
        found = self._residents.get((variant, instance))
        return () if found is None else found.resident

    def _of(self, route: Route) -> Models:
        return self._models(route.variant, route.instance, route.hops[0].upstream)

    def _models(self, variant: str, instance: int, upstream: Upstream) -> Models:
        """The models of an instance; all instances in front of one real container share its memory."""
        is_real = is_container(upstream)
        key = (variant, 0 if is_real else instance)
        if key not in self._residents:
            declared = self._declared
            self._residents[key] = Models(
                capacity=declared.capacity, load_s=declared.load_s, is_real=is_real, is_cached=declared.is_cached
            )
        return self._residents[key]

    def _missing(self, call: Call, model: str) -> Exception:
        location = self._declared.location or f"s3://sagemaker-{call.region}-{call.account}/"
        bucket, _, prefix = location.removeprefix("s3://").partition("/")
        return refusals.model_artifact_missing(bucket, f"{prefix}{model.lstrip('/')}")


class Components(Plain):
    """Inference components, of which the call names one."""

    def __init__(self, endpoint: Endpoint) -> None:
        super().__init__(endpoint)
        self._declared: dict[str, Component] = {one.name: one for one in endpoint.components}
        self._copies = {one.name: Copies(one.copies, one.scale_up_s) for one in endpoint.components}
        self._pools = {one.name: Instances(one.copies, endpoint.routing) for one in endpoint.components}
        self._adapters: set[str] = set()

    def judge(self, call: Call) -> None:
        refuse_model(self.endpoint, call)
        refuse_hostname(self.endpoint, call)
        name = target_of(call.members, "InferenceComponentName")
        if name is None:
            raise refusals.component_name_required()
        if name not in self._declared:
            raise refusals.component_unknown(self.endpoint.name, name, known=list(self._declared))

    def pool(self, call: Call, *, now: float) -> Instances:
        base = self._base(call.members["InferenceComponentName"]).name
        copies = self._copies[base].require(now=now)
        if len(self._pools[base].outstanding) != copies:
            self._pools[base] = Instances(copies, self.endpoint.routing)
        return self._pools[base]

    def pool_of(self, route: Route) -> Instances | None:
        return None if route.component is None else self._pools[self._base(route.component).name]

    def visit(self, call: Call, variant: Variant, instance: int, *, now: float) -> Visit:
        component = self._declared[call.members["InferenceComponentName"]]
        base = self._base(component.name)
        upstream = component.upstream or base.upstream
        if base is component:
            return Visit((Hop(upstream),), instance, component=component.name)
        headers = ((ADAPTER_IDENTIFIER, component.name), (ADAPTER_ALIAS, component.name))
        is_new = component.adapter_source and component.name not in self._adapters and is_container(upstream)
        before = (adapting(component, upstream),) if is_new else ()
        return Visit((Hop(upstream, extra_headers=headers),), instance, component=component.name, before=before)

    def loaded(self, route: Route) -> None:
        if route.component is not None:
            self._adapters.add(route.component)

    def forgotten(self, route: Route) -> None:
        self._adapters.discard(route.component or "")

    def scale(self, component: str, copies: int) -> bool:
        if component not in self._copies:
            return False
        self._copies[component].scale(copies)
        return True

    def _base(self, name: str) -> Component:
        """The component whose copies and container serve: the adapter's base, else the component itself."""
        return self._declared[self._declared[name].adapter_of or name]


def serving_of(endpoint: Endpoint) -> Plain:
    """The kind of thing that this endpoint declares."""
    if endpoint.multi_model is not None:
        return MultiModels(endpoint, endpoint.multi_model)
    if endpoint.components:
        return Components(endpoint)
    if not endpoint.containers:
        return Plain(endpoint)
    return Direct(endpoint) if endpoint.container_mode is ContainerMode.DIRECT else Pipeline(endpoint)


def refuse_model(endpoint: Endpoint, call: Call) -> None:
    if target_of(call.members, "TargetModel") is not None:
        raise refusals.target_model_not_supported(endpoint.name)


def refuse_hostname(endpoint: Endpoint, call: Call) -> None:
    if target_of(call.members, "TargetContainerHostname") is not None:
        raise refusals.container_hostname_not_supported(endpoint.name)


def refuse_component(endpoint: Endpoint, call: Call) -> None:
    if target_of(call.members, "InferenceComponentName") is not None:
        raise refusals.component_not_supported(endpoint.name)


# --- the container's own interface ------------------------------------------------------------------------------


def loading(model: str, upstream: Upstream) -> ModelAction:
    """`POST /models`: 200, or 409 when it is there already, or 507 when there is no memory."""
    name = opaque_name(model)
    body = compact_json({"model_name": name, "url": f"/opt/ml/models/{name}/model"})
    return ModelAction("load", model, upstream, "POST", "/models", body)


def unloading(model: str, upstream: Upstream) -> ModelAction:
    """`DELETE /models/<name>`: 200, or 404 when it is not there."""
    return ModelAction("unload", model, upstream, "DELETE", f"/models/{opaque_name(model)}")


def adapting(component: Component, upstream: Upstream) -> ModelAction:
    """`POST /adapters`: tells the base container where the adapter is."""
    body = compact_json({"name": component.name, "src": component.adapter_source})
    return ModelAction("adapter", component.name, upstream, "POST", "/adapters", body)

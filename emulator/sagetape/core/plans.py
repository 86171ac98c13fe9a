"""What a router knows of one declared endpoint: variants, instances, and the kind of thing that serves.

Decides the variant (TargetVariant, else by weight) and the instance; what the instance then does with the call is the
business of `core/servings.py`.
"""

from __future__ import annotations

from dataclasses import replace

from . import refusals
from .capacity import Place, Workers
from .chance import Chance
from .endpoints import ALL_TRAFFIC, Endpoint, Variant
from .instances import Instances
from .routes import Hop, Route, Share, Sticky, limit_of, target_of
from .servings import Plain, Visit, serving_of
from .wire import Call

SERVERLESS_MAX_BYTES = 4 * 1024 * 1024  # SageMaker developer guide, serverless-endpoints-invoke: 4 MB
_TARGETS = frozenset({"TargetModel", "TargetVariant", "TargetContainerHostname", "InferenceComponentName"})
_ASYNC = "InvokeEndpointAsync"


class Plan:
    """One declared endpoint at work."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        declared = endpoint.variants or (Variant(ALL_TRAFFIC, instances=endpoint.instances),)
        self.variants = {variant.name: variant for variant in declared}
        self._weights = tuple(variant.weight for variant in declared)
        self._pools = {variant.name: Instances(variant.instances, endpoint.routing) for variant in declared}
        self._calls = dict.fromkeys(self.variants, 0)
        self._drawn = dict.fromkeys(self.variants, 0)
        self._workers = Workers(endpoint.serverless) if endpoint.serverless else None
        self.serving = serving_of(endpoint)
        self._simple = self._simple_routes()

    def simple_route(self, call: Call) -> Route | None:
        """The ready-made way through an endpoint with one variant, one instance and one container."""
        if self._simple is None or call.operation == _ASYNC or not _TARGETS.isdisjoint(call.members):
            return None
        return self._simple[call.is_stream]

    def route(self, call: Call, chance: Chance, *, now: float, sticky: Sticky | None) -> Route:
        """The way of one call. Raises CallerError for what the platform refuses."""
        self._judge(call)
        self.serving.judge(call)
        variant = self._variant(call, chance, sticky)
        pool = self.serving.pool(call, now=now) or self._pools[variant.name]
        place = self._workers.enter(now=now) if self._workers else None
        if place is not None:
            instance = place.index
        else:
            instance = sticky.instance if sticky else pool.choose(call, chance)
            pool.enter(instance)
        visit = self.serving.visit(call, variant, instance, now=now)
        self._count(variant.name, named=sticky is not None or target_of(call.members, "TargetVariant") is not None)
        return self._assemble(call, variant, visit, place, shadow=self._shadow(call, chance))

    def finish(self, route: Route, *, now: float) -> None:
        """Give back what `route` took."""
        if self._workers is not None:
            self._workers.leave(route.instance, now=now + route.ahead_s)
        else:
            pool = self.serving.pool_of(route) or self._pools[route.variant]
            pool.leave(route.instance)
        self.serving.finish(route, now=now)

    def shares(self) -> list[Share]:
        total = sum(self._weights) or 1.0
        names = zip(self.variants, self._weights, strict=True)
        return [Share(name, weight / total, self._calls[name], self._drawn[name]) for name, weight in names]

    def _simple_routes(self) -> dict[bool, Route] | None:
        endpoint = self.endpoint
        (first, *others) = self.variants.values()
        is_simple = type(self.serving) is Plain and not others and first.instances == 1
        if not is_simple or endpoint.shadow or endpoint.serverless or endpoint.is_async:
            return None
        route = Route(endpoint.name, first.name, hops=(Hop(first.upstream or endpoint.upstream),))
        limits = {False: endpoint.timeout_s, True: endpoint.stream_timeout_s}
        return {is_stream: replace(route, timeout_s=limit_s) for is_stream, limit_s in limits.items()}

    def _judge(self, call: Call) -> None:
        if call.operation == _ASYNC and not self.endpoint.is_async:
            raise refusals.not_asynchronous(self.endpoint.name)
        if call.operation != _ASYNC and self.endpoint.is_async:
            raise refusals.asynchronous_only(self.endpoint.name)
        if self._workers is not None and len(call.body) > SERVERLESS_MAX_BYTES:
            raise refusals.body_too_large(SERVERLESS_MAX_BYTES)

    def _variant(self, call: Call, chance: Chance, sticky: Sticky | None) -> Variant:
        named = target_of(call.members, "TargetVariant")
        if named is not None and named not in self.variants:
            raise refusals.variant_unknown(self.endpoint.name, named, known=list(self.variants))
        if sticky is not None:
            if named not in (None, sticky.variant):
                raise refusals.session_elsewhere(sticky.session_id, target=f"variant {sticky.variant}")
            return self.variants[sticky.variant]
        if named is not None:
            return self.variants[named]
        if len(self._weights) == 1:
            return next(iter(self.variants.values()))
        return tuple(self.variants.values())[chance.choose("variant", self._weights)]

    def _assemble(
        self, call: Call, variant: Variant, visit: Visit, place: Place | None, *, shadow: Route | None
    ) -> Route:
        cold_s, is_refused, ahead_s = (place.wait_s, place.is_refused, place.ahead_s) if place else (0.0, False, 0.0)
        return Route(
            self.endpoint.name,
            variant.name,
            visit.instance,
            hops=visit.hops,
            timeout_s=limit_of(call, self.endpoint),
            component=visit.component,
            model=visit.model,
            log_group=None if visit.component is None else f"/aws/sagemaker/InferenceComponents/{visit.component}",
            shadow=shadow,
            before=visit.before,
            wait_s=visit.wait_s + cold_s,
            refusal=refusals.model_not_ready() if visit.is_refused or is_refused else None,
            ahead_s=visit.ahead_s or ahead_s,
            is_counted=True,
        )

    def _shadow(self, call: Call, chance: Chance) -> Route | None:
        shadow = self.endpoint.shadow
        if shadow is None or (shadow.share < 1 and chance.unit("shadow") >= shadow.share):
            return None
        return Route(
            self.endpoint.name, shadow.name, hops=(Hop(shadow.upstream),), timeout_s=limit_of(call, self.endpoint)
        )

    def _count(self, variant: str, *, named: bool) -> None:
        self._calls[variant] += 1
        if not named:
            self._drawn[variant] += 1

"""From a call to the place that answers it: variant, instance, containers, model, and what comes before.

Decides the way of a call through a declared endpoint, and refuses wrong combinations of targets as the platform does.
Does not decide whether an endpoint that is not declared exists: it may live in a cassette, so it has the trivial way,
and the deck knows better. Keeps no time: loads and cold starts are waits in the route, in the deck's time.
Sources: SageMaker developer guide on variants, multi-model and multi-container endpoints, inference components,
shadow tests and serverless inference; texts in `core/refusals.py`.
"""

from __future__ import annotations

from collections.abc import Iterable

from .chance import Chance
from .endpoints import ALL_TRAFFIC, Endpoint
from .plans import Plan
from .routes import HOP_MAX_BYTES, Hop, ModelAction, Route, Share, Sticky, limit_of
from .wire import Call

__all__ = ["HOP_MAX_BYTES", "Hop", "ModelAction", "Route", "Router", "Share", "Sticky"]

_TRIVIAL_MAX = 4096  # routes of undeclared endpoints that are kept


class Router:
    """The declared endpoints of one deck, and what they have in hand."""

    def __init__(self, endpoints: Iterable[Endpoint] = (), *, is_virtual: bool = False) -> None:
        """`endpoints` are sound (`core/endpoint_rules.py`). `is_virtual`: the deck's time stands still."""
        self._is_virtual = is_virtual
        self._plans = {endpoint.name: Plan(endpoint) for endpoint in endpoints}
        self._trivial: dict[tuple[str, bool, str], Route] = {}

    def declared(self, name: str) -> Endpoint | None:
        """The declaration of an endpoint; None for one that is not declared."""
        plan = self._plans.get(name)
        return None if plan is None else plan.endpoint

    @property
    def has_endpoints(self) -> bool:
        """Whether any endpoint is declared."""
        return bool(self._plans)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """All declared endpoints, in the order of their declaration."""
        return tuple(plan.endpoint for plan in self._plans.values())

    def route(self, call: Call, chance: Chance, *, now: float, sticky: Sticky | None = None) -> Route:
        """The way of this call. Raises CallerError where the platform refuses it."""
        plan = self._plans.get(call.endpoint)
        if plan is None:
            return self._undeclared(call, sticky)
        return plan.simple_route(call) or plan.route(call, chance, now=now, sticky=sticky)

    def finish(self, route: Route, *, now: float) -> None:
        """The call is over, however it ended; `now` is the time as the call saw it."""
        if route.is_counted:
            self._plans[route.endpoint].finish(route, now=now)

    def finish_early(self, route: Route, *, now: float) -> None:
        """The answer is known before the route's wait has passed: a recording, a fault or a refusal.

        On a virtual clock the wait counts as passed, because the caller waits it out in its own time and nobody comes
        back to say so; on a real clock time will pass by itself.
        """
        if route.is_counted:
            self.finish(route, now=now + route.wait_s if self._is_virtual else now)

    def loaded(self, route: Route) -> None:
        """The container has performed `route.before`."""
        if route.endpoint in self._plans:
            self._plans[route.endpoint].serving.loaded(route)

    def refused(self, route: Route) -> tuple[ModelAction, ...]:
        """The container answered 507: what to unload, and the load again. Empty: nothing is left that could leave."""
        plan = self._plans.get(route.endpoint)
        return () if plan is None else plan.serving.refused(route)

    def forgotten(self, route: Route) -> None:
        """The container answered that it does not have the model (404): the next call loads it again."""
        if route.endpoint in self._plans:
            self._plans[route.endpoint].serving.forgotten(route)

    def scale(self, endpoint: str, component: str, *, copies: int) -> bool:
        """Set the copies of an inference component; False when there is no such component."""
        plan = self._plans.get(endpoint)
        return plan is not None and plan.serving.scale(component, copies)

    def reset(self) -> None:
        """As declared again: no instance busy, no model loaded, no call counted."""
        self._plans = {name: Plan(plan.endpoint) for name, plan in self._plans.items()}

    def shares(self, endpoint: str) -> list[Share]:
        """Expected and actual traffic by variant; empty for an endpoint that is not declared."""
        plan = self._plans.get(endpoint)
        return [] if plan is None else plan.shares()

    def _undeclared(self, call: Call, sticky: Sticky | None) -> Route:
        variant = sticky.variant if sticky else call.members.get("TargetVariant") or ALL_TRAFFIC
        key = (call.endpoint, call.is_stream, variant)
        found = self._trivial.get(key)
        if found is None or call.operation == "InvokeEndpointAsync":
            if len(self._trivial) >= _TRIVIAL_MAX:
                self._trivial.clear()
            found = self._trivial[key] = Route(call.endpoint, variant, timeout_s=limit_of(call, None))
        return found

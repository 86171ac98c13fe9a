"""Which instance of a variant, or copy of a component, takes a call, and how many calls each has in hand.

Decides the instance by the endpoint's strategy. Does not know sessions: who is bound to an instance never asks.
Source: botocore `sagemaker`, shape ProductionVariantRoutingConfig; the SageMaker developer guide on prefix-aware
routing. Round robin, which AWS does not have (its default is RANDOM), is the emulator's default, because a test can
foresee it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b

from .chance import Chance
from .endpoints import Routing, Strategy
from .wire import Call


class Instances:
    """The instances of one variant."""

    __slots__ = ("_cursor", "outstanding", "routing")

    def __init__(self, count: int, routing: Routing) -> None:
        self.routing = routing
        self.outstanding = [0] * count
        self._cursor = -1

    def choose(self, call: Call, chance: Chance) -> int:
        """The index of the instance that takes this call."""
        if len(self.outstanding) == 1:
            return 0
        return _STRATEGIES[self.routing.strategy](self, call, chance)

    def enter(self, index: int) -> None:
        """A call is on its way to this instance."""
        if index < len(self.outstanding):
            self.outstanding[index] += 1

    def leave(self, index: int) -> None:
        """The call is over, however it ended. An instance that was taken away meanwhile has nothing to count."""
        if index < len(self.outstanding):
            self.outstanding[index] = max(0, self.outstanding[index] - 1)

    def next_in_turn(self) -> int:
        self._cursor = (self._cursor + 1) % len(self.outstanding)
        return self._cursor

    def least_busy(self) -> int:
        """The instance with the fewest calls in hand; of equal ones the next in turn."""
        count = len(self.outstanding)
        turns = [(self._cursor + 1 + offset) % count for offset in range(count)]
        self._cursor = min(turns, key=self.outstanding.__getitem__)
        return self._cursor


def _round_robin(instances: Instances, _call: Call, _chance: Chance) -> int:
    return instances.next_in_turn()


def _least_outstanding(instances: Instances, _call: Call, _chance: Chance) -> int:
    return instances.least_busy()


def _random(instances: Instances, _call: Call, chance: Chance) -> int:
    return chance.below("instance", len(instances.outstanding))


def _prefix_aware(instances: Instances, call: Call, _chance: Chance) -> int:
    """Equal PrefixAwareId and equal beginning of the body: the same instance, until it has its hands full."""
    routing = instances.routing
    digest = blake2b(call.members.get("PrefixAwareId", "").encode("utf-8", "surrogateescape"), digest_size=8)
    digest.update(b"\0")
    digest.update(call.body[: routing.prefix_bytes])
    home = int.from_bytes(digest.digest(), "big") % len(instances.outstanding)
    return home if instances.outstanding[home] < routing.concurrency_threshold else instances.least_busy()


_STRATEGIES: Mapping[Strategy, Callable[[Instances, Call, Chance], int]] = {
    Strategy.ROUND_ROBIN: _round_robin,
    Strategy.LEAST_OUTSTANDING_REQUESTS: _least_outstanding,
    Strategy.RANDOM: _random,
    Strategy.PREFIX_AWARE: _prefix_aware,
}

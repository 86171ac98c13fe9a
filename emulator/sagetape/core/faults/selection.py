"""When a fault strikes: the rules of one deck, how often each was considered, and how often it struck.

Decides by endpoint, operation, variant, model and inference component which calls a rule considers, and by place,
number and probability which of those it strikes. Every draw is a function of the seed, the rule and the call
(`core/chance.py`); places and numbers count calls in the order in which they are decided.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from ..chance import Chance
from ..limits import Limit
from ..platform import Ask
from ..routes import Route
from ..values import valueclass
from ..wire import Abort, Call, End, Script, Step, body_of, is_complete
from . import KINDS
from .kind import Editor, Scene, param

CONCERNED_MAX = 4096
"""Endpoints of which it is remembered whether a rule speaks of them."""


@valueclass(frozen=True, slots=True)
class Selector:
    """Which calls. What is left out does not restrict."""

    endpoint: str | None = param(None, "Name of the endpoint; `*` and `?` stand for any text and any character.")
    operation: str | None = param(None, "Name of the operation, as in `InvokeEndpointWithResponseStream`.")
    variant: str | None = param(None, "Name of the variant that serves.")
    model: str | None = param(None, "TargetModel.")
    component: str | None = param(None, "Name of the inference component.")
    probability: float | None = param(None, "Share of the calls, drawn by the seed.", low=0, high=1)
    position: int | None = param(None, "Only the n-th of the calls, counted from 1.", low=1)
    every: int | None = param(None, "Every n-th of the calls: 3 strikes the 3rd, 6th, 9th.", low=1)
    after: int | None = param(None, "Not the first n of the calls; position and every count from there.", low=0)
    count: int | None = param(None, "At most so many times.", low=1)

    def considers(self, call: Call, route: Route) -> bool:
        """Whether the call is one of those that the rule speaks of."""
        return (
            (self.endpoint is None or fnmatchcase(call.endpoint, self.endpoint))
            and self.operation in (None, call.operation)
            and self.variant in (None, route.variant)
            and self.model in (None, call.members.get("TargetModel"))
            and self.component in (None, call.members.get("InferenceComponentName"))
        )


@valueclass(frozen=True, slots=True)
class Rule:
    """One fault, and when it strikes."""

    fault: str
    parameters: Any
    """Of the type that the fault's kind names."""
    selector: Selector = Selector()
    id: str = ""
    """Given by `Faults.add`."""


@dataclass(slots=True)
class Tally:
    """A rule at work."""

    rule: Rule
    considered: int = 0
    struck: int = 0


@valueclass(frozen=True, slots=True)
class Struck:
    """The faults of one reply."""

    rules: tuple[Rule, ...]
    scene: Scene

    def answer(self) -> Script | None:
        """The answer that stands for the model's, before edits; None: the model, or a recording, is asked."""
        for rule in self.rules:
            make = KINDS[rule.fault].answer
            if make is not None:
                return make(rule.parameters, self._scene(rule))
        return None

    def line(self, *, body_bytes: int | None = None, waits_s: Sequence[float] = ()) -> Line:
        """The edits for this reply, in the order of the rules; last, a stream's limit over the waits that they add."""
        scene = replace(self.scene, body_bytes=body_bytes, waits_s=waits_s)
        struck = replace(self, scene=scene)
        makers = [(rule, KINDS[rule.fault].edit) for rule in self.rules]
        editors = [make(rule.parameters, struck._scene(rule)) for rule, make in makers if make is not None]
        return Line([*editors, Limit(scene.ask)] if scene.ask.call.is_stream else editors)

    def edit(self, script: Script, *, waits_s: Sequence[float] = ()) -> Script:
        """A script that is known whole, after the edits."""
        body_bytes = len(body_of(script)) if is_complete(script) else None
        line = self.line(body_bytes=body_bytes, waits_s=waits_s)
        return tuple(after for step in script for after in line.feed(step))

    @property
    def names(self) -> tuple[str, ...]:
        """The faults, for the journal."""
        return tuple(rule.fault for rule in self.rules)

    def _scene(self, rule: Rule) -> Scene:
        return replace(self.scene, purpose=f"fault/{rule.id}")


class Line:
    """Edits one after the other, over one reply. After End or Abort nothing comes any more."""

    def __init__(self, editors: Iterable[Editor]) -> None:
        self._editors = tuple(editors)
        self.is_over = False

    def feed(self, step: Step) -> tuple[Step, ...]:
        """What goes on in the place of `step`; nothing after the end."""
        if self.is_over:
            return ()
        steps: Iterable[Step] = (step,)
        for editor in self._editors:
            steps = [after for before in steps for after in editor.feed(before)]
        passed: list[Step] = []
        for one in steps:
            passed.append(one)
            if isinstance(one, End | Abort):
                self.is_over = True
                break
        return tuple(passed)


@dataclass(slots=True)
class Faults:
    """The rules of one deck; false when there are none."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    _next: int = 1
    _concerned: dict[str, bool] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.tallies)

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force, after those there are; returns it with its id."""
        made = replace(rule, id=rule.id or f"{rule.fault}-{self._next}")
        self._next += 1
        self.tallies[made.id] = Tally(made)
        self._concerned.clear()
        return made

    def remove(self, rule_id: str) -> bool:
        """Take a rule out of force; False when there is none of that id."""
        self._concerned.clear()
        return self.tallies.pop(rule_id, None) is not None

    def clear(self) -> None:
        """Take all rules out of force, and number the next as the first."""
        self.tallies.clear()
        self._concerned.clear()
        self._next = 1

    def rewind(self) -> None:
        """Count from the start again; the rules stay."""
        for tally in self.tallies.values():
            tally.considered = tally.struck = 0

    def concern(self, endpoint: str) -> bool:
        """Whether any rule speaks of the endpoint: remembered, so that the others pay nothing for it."""
        if not self.tallies:
            return False
        known = self._concerned.get(endpoint)
        if known is None:
            if len(self._concerned) >= CONCERNED_MAX:
                self._concerned.clear()
            wanted = [tally.rule.selector.endpoint for tally in self.tallies.values()]
            known = any(one is None or fnmatchcase(endpoint, one) for one in wanted)
            self._concerned[endpoint] = known
        return known

    def strike(self, ask: Ask, route: Route, *, chance: Chance) -> Struck | None:
        """The faults of one call, in the order of the rules; None when none strikes. Counts the call."""
        rules = tuple(tally.rule for tally in self.tallies.values() if strikes(tally, ask.call, route, chance=chance))
        return Struck(rules, Scene(ask, chance)) if rules else None


def strikes(tally: Tally, call: Call, route: Route, *, chance: Chance) -> bool:
    """Whether the rule strikes this call; counts it."""
    selector = tally.rule.selector
    if not selector.considers(call, route):
        return False
    tally.considered += 1
    place = tally.considered - (selector.after or 0)
    if place <= 0 or selector.position not in (None, place) or (selector.every and place % selector.every):
        return False
    if selector.count is not None and tally.struck >= selector.count:
        return False
    if selector.probability is not None and not _is_drawn(tally.rule, chance, selector.probability):
        return False
    tally.struck += 1
    return True


def _is_drawn(rule: Rule, chance: Chance, probability: float) -> bool:
    return chance.unit(f"fault/{rule.id}/strikes") < probability

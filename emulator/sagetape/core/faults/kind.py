"""What a fault is: a name, checked parameters, and either an answer of its own or an edit of steps as they pass.

Decides nothing about when a fault strikes (`core/faults/selection.py`). A fault knows one reply: an editor is made
fresh for each, is fed every step once, in order, and gives back what goes on in its place. It never waits: a wait is a
`Pause`, in the deck's time, and is not scaled by the replay's speed, because speed has been applied before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import MISSING, field, fields
from enum import StrEnum
from types import UnionType
from typing import Any, Protocol, get_args, get_type_hints

from ..chance import Chance
from ..eventstream import FrameError, decode
from ..platform import Ask
from ..values import valueclass
from ..wire import Chunk, Script, Step


class Level(StrEnum):
    """Where a fault interferes."""

    REQUEST = "request"
    """The front end answers; the model is not asked."""
    ANSWER = "answer"
    """The model's answer is replaced by a failure of the model."""
    STEP = "step"
    """Steps of any answer are changed."""
    FRAME = "frame"
    """Frames of an event stream are changed."""


@valueclass(frozen=True, slots=True)
class Scene:
    """One reply that a fault strikes."""

    ask: Ask
    chance: Chance
    purpose: str = "fault"
    """Keeps the draws of two faults on one reply apart."""
    body_bytes: int | None = None
    """Length of the body when it is known; None for a stream."""
    waits_s: Sequence[float] = ()
    """Seconds that recorded answers of this endpoint took, for learned latency."""

    def purpose_of(self, what: str) -> str:
        return f"{self.purpose}/{what}"


class Editor(Protocol):
    """One fault at work on one reply."""

    def feed(self, step: Step) -> Iterable[Step]:
        """What goes on in the place of `step`."""


@valueclass(frozen=True, slots=True)
class Kind:
    """A row of the table of faults. One of `answer` and `edit` is given."""

    name: str
    doc: str
    level: Level
    parameters: type[Any]
    """A frozen dataclass; every field made by `param`."""
    answer: Callable[[Any, Scene], Script] | None = None
    edit: Callable[[Any, Scene], Editor] | None = None

    def table(self) -> tuple[Parameter, ...]:
        """The parameters, in the order in which they are documented."""
        return parameters_of(self.parameters)


@valueclass(frozen=True, slots=True)
class Parameter:
    """One parameter as documentation, command line and admin API see it."""

    name: str
    type: str
    """`number`, `whole number`, `text` or `yes or no`."""
    default: object
    doc: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    is_optional: bool = False
    """Whether None, that is, leaving it out, has a meaning of its own."""
    is_required: bool = False


_TYPES = {float: "number", int: "whole number", str: "text", bool: "yes or no"}


def param(
    default: Any, doc: str, *, low: float | None = None, high: float | None = None, choices: Sequence[str] = ()
) -> Any:
    """A dataclass field with its documentation and its range, both ends included."""
    return field(default=default, metadata={"doc": doc, "low": low, "high": high, "choices": tuple(choices)})


def parameters_of(made_of: type[Any]) -> tuple[Parameter, ...]:
    """The fields of a dataclass of parameters."""
    hints = get_type_hints(made_of)
    return tuple(
        _parameter(one.name, hints[one.name], default=one.default, meta=one.metadata) for one in fields(made_of)
    )


def _parameter(name: str, hint: Any, *, default: object, meta: Any) -> Parameter:
    is_optional = isinstance(hint, UnionType)
    plain = next(one for one in get_args(hint) if one is not type(None)) if is_optional else hint
    return Parameter(
        name,
        _TYPES[plain],
        None if default is MISSING else default,
        meta["doc"],
        meta["low"],
        meta["high"],
        meta["choices"],
        is_optional,
        default is MISSING,
    )


def part_of(chunk: Chunk) -> bytes | None:
    """The payload of a frame that is a part of the model's answer; None for an exception or a broken frame."""
    try:
        frame = decode(chunk.data)
    except FrameError:  # recorded as broken, and passed on as such
        return None
    return frame.payload if frame.is_part else None

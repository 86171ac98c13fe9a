"""The units in which recordings are compared and merged: all takes of one key, or one whole recorded session.

Takes of a key play in order, and the steps of a session depend on one another, so neither is ever mixed from two sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from ..cassette import is_same_recording
from ..wire import Call, Interaction


class Kept(NamedTuple):
    """An interaction and the key under which it is found."""

    interaction: Interaction
    key: bytes


Unit: TypeAlias = Sequence[Kept]
Name: TypeAlias = tuple[str, bytes]
"""A lane's name, or the empty text and a key."""


def units_of(recording: Iterable[Kept]) -> dict[Name, list[Kept]]:
    """The units of a recording, in the order in which they first appear."""
    units: dict[Name, list[Kept]] = {}
    for kept in recording:
        mark = kept.interaction.session
        units.setdefault((mark.lane, b"") if mark is not None else ("", kept.key), []).append(kept)
    return units


def is_same_unit(one: Unit, other: Unit) -> bool:
    """Whether both say the same: equal but for when, by which version, and how fast they were recorded."""
    return len(one) == len(other) and all(
        a.key == b.key and is_same_recording(a.interaction, b.interaction) for a, b in zip(one, other, strict=True)
    )


def title(unit: Unit) -> str:
    """A unit in a few words."""
    first = unit[0].interaction
    where = f"{first.call.operation} {first.call.endpoint}"
    if first.session is not None:
        return f"{where}, session {first.session.lane}"
    routed = routing_of(first.call)
    return ", ".join([where, *(f"{name} {value}" for name, value in routed.items())])


def routing_of(call: Call) -> Mapping[str, str]:
    """The members of a call that choose a model."""
    names = ("TargetModel", "TargetVariant", "TargetContainerHostname", "InferenceComponentName")
    return {name: call.members[name] for name in names if name in call.members}

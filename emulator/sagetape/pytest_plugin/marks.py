"""What a test's markers say. Every argument of `@pytest.mark.sagetape` is a row here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

import pytest

from ..core.values import valueclass
from ..testing import MARKER, RECHUNK

SETTINGS: Final = ("endpoints", "match", "scrub", "seed", "clock", "speed", "exhausted")
"""Arguments that are settings of the deck, by the names of the configuration file."""
OWN: Final = ("upstream", "faults", "rechunk", "allow_unused", "allow_misses", "allow_hosts", "scope", "server")
ARGUMENTS: Final = (*SETTINGS, *OWN)
SCOPES: Final = ("function", "class", "module", "session")
SERVERS: Final = (None, "thread", "process")


@valueclass(frozen=True, slots=True)
class Wanted:
    """What a test wants of its deck."""

    cassettes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    allow_unused: bool = False
    allow_misses: bool = False
    allow_hosts: tuple[str, ...] = ()
    scope: str = "function"
    server: str | None = None


def wanted_of(item: pytest.Item) -> Wanted:
    """The nearest marker's arguments over those of wider ones. Raises pytest.UsageError for what is none."""
    cassettes: tuple[str, ...] = ()
    given: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers(MARKER))):
        check(item, mark.kwargs)
        cassettes = mark.args or cassettes
        given |= mark.kwargs
    if cut := cut_of(item):
        given |= cut
    settings: dict[str, Any] = {name: given[name] for name in SETTINGS if name in given}
    faults = [*listed(given.get("faults")), *rechunks(given.get("rechunk"))]
    if faults:
        settings["faults"] = faults
    return Wanted(
        cassettes=tuple(map(str, cassettes)),
        settings=settings,
        upstream=tuple(listed(given.get("upstream"))),
        allow_unused=bool(given.get("allow_unused")),
        allow_misses=bool(given.get("allow_misses")),
        allow_hosts=tuple(listed(given.get("allow_hosts"))),
        scope=given.get("scope", "function"),
        server=given.get("server"),
    )


def check(item: pytest.Item, given: Mapping[str, Any]) -> None:
    """Raises pytest.UsageError that names the test, the argument and the nearest one that would have worked."""
    for name in given:
        if name not in ARGUMENTS:
            near = difflib.get_close_matches(name, ARGUMENTS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(ARGUMENTS)}."
            raise pytest.UsageError(f"{item.nodeid}: the marker sagetape has no argument {name!r}. {hint}")
    for name, allowed in (("scope", SCOPES), ("server", SERVERS)):
        if name in given and given[name] not in allowed:
            words = ", ".join(str(value) for value in allowed if value)
            raise pytest.UsageError(f"{item.nodeid}: {name}={given[name]!r} of the marker sagetape is none of {words}.")


def cut_of(item: pytest.Item) -> dict[str, Any] | None:
    """What `sagetape_rechunk` chose for this run of the test: the cut, and the seed when it names one."""
    callspec = getattr(item, "callspec", None)
    cut = None if callspec is None else callspec.params.get(RECHUNK)
    if cut is None:
        return None
    mark = item.get_closest_marker(RECHUNK)
    return {"rechunk": cut, **({} if mark is None else mark.kwargs)}


def rechunks(value: Any) -> list[Any]:
    """The fault that cuts streams anew: True, the name of a cut, or its parameters."""
    if not value:
        return []
    parameters = {} if value is True else {"cut": value} if isinstance(value, str) else dict(value)
    return [{"fault": "rechunk", **parameters}]


def listed(value: Any) -> list[Any]:
    """One value, or several, or none, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]

"""What a test's markers say. Every argument of `@pytest.mark.sagetape` is a row here."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Any, Final, TypeAlias

import pytest

from ..core.values import valueclass
from ..shell.setting_kinds import sentence, suggestion
from ..testing import CUTS, MARKER, RECHUNK

SETTINGS: Final = ("endpoints", "match", "scrub", "seed", "clock", "speed", "exhausted")
"""Arguments that are settings of the deck, by the names of the configuration file."""
OWN: Final = ("upstream", "faults", "rechunk", "allow_unused", "allow_misses", "allow_hosts", "scope", "server")
ARGUMENTS: Final = (*SETTINGS, *OWN)
SCOPES: Final = ("function", "class", "module", "session")
SERVERS: Final = ("thread", "process")
Judge: TypeAlias = Callable[[Any], str]


@valueclass(frozen=True, slots=True)
class Wanted:
    """What a test wants of its deck."""

    cassettes: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    upstream: tuple[Any, ...] = ()
    """Judged with the settings."""
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
        check_cassettes(item, mark.args)
        cassettes = mark.args or cassettes
        given |= mark.kwargs
    if item.get_closest_marker(RECHUNK) is not None and not hasattr(item, "callspec"):
        raise pytest.UsageError(
            f"{item.nodeid}: sagetape_rechunk runs a test several times, which pytest cannot do with one of this kind "
            "(a method of unittest.TestCase, say). Make it a function or a method of a plain class, or cut its streams "
            'once: @pytest.mark.sagetape(rechunk="byte").'
        )
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
        allow_unused=given.get("allow_unused", False),
        allow_misses=given.get("allow_misses", False),
        allow_hosts=tuple(listed(given.get("allow_hosts"))),
        scope=given.get("scope", "function"),
        server=given.get("server"),
    )


def check(item: pytest.Item, given: Mapping[str, Any]) -> None:
    """Raises pytest.UsageError that names the test, the argument and the nearest one that would have worked.

    What is a setting of the deck is judged with all other settings (`inprocess/keyword_values.py`).
    """
    for name, value in given.items():
        if name not in ARGUMENTS:
            near = difflib.get_close_matches(name, ARGUMENTS, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(ARGUMENTS)}."
            raise pytest.UsageError(f"{item.nodeid}: the marker sagetape has no argument {name!r}. {hint}")
        wanted = JUDGES[name](value) if name in JUDGES else ""
        if wanted:
            raise pytest.UsageError(f"{item.nodeid}: {name}={value!r} of the marker sagetape: {wanted}")


def check_cassettes(item: pytest.Item, names: Sequence[Any]) -> None:
    """Raises pytest.UsageError for a cassette that has no name."""
    for name in names:
        if not isinstance(name, str | os.PathLike) or not os.fspath(name):
            raise pytest.UsageError(
                f'{item.nodeid}: {name!r} names no cassette. Write its name, @pytest.mark.sagetape("churn"), or '
                "leave it out: then the test has a cassette of its own."
            )


def one_of(names: Sequence[str]) -> Judge:
    """A judge of names."""

    def judge(value: Any) -> str:
        if value in names:
            return ""
        return sentence(f"it is none of {', '.join(names)}{suggestion(str(value), names)}")

    return judge


def is_switch(value: Any) -> str:
    """A judge of switches: no text counts as true."""
    return "" if isinstance(value, bool) else "it is neither True nor False. Write one of them, without quotes."


def is_cut(value: Any) -> str:
    """A judge of `rechunk`; what is in a dict is judged with the faults."""
    if value is None or isinstance(value, bool | dict):
        return ""
    return one_of(CUTS)(value) and f"{one_of(CUTS)(value)} True cuts anywhere."


def are_hosts(value: Any) -> str:
    """A judge of hosts that may be reached."""
    wrong = next((one for one in listed(value) if not is_host(one)), None)
    return "" if wrong is None else f"{wrong!r} is no host. Write a name or an address, without scheme or port."


def is_host(text: Any) -> bool:
    """Whether a text can be a host, or a pattern of hosts."""
    return isinstance(text, str) and re.fullmatch(r"[\w.:*?\[\]-]+", text) is not None


JUDGES: Final[dict[str, Judge]] = {
    "scope": one_of(SCOPES),
    "server": lambda value: "" if value is None else one_of(SERVERS)(value),
    "allow_unused": is_switch,
    "allow_misses": is_switch,
    "allow_hosts": are_hosts,
    "rechunk": is_cut,
}
"""By argument: what is wrong with its value; empty when nothing is."""


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

"""Two plugins that claim one option: whose the other claim is, and what its user can do.

Decides the text. Refuses to settle the matter: an option that one of two plugins silently lost would do something else
than its user meant. pytest itself tells the option alone, because it keeps no record of who added one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest

OURS: Final = "sagetape"
"""Our name among pytest's plugins: that of the entry point."""


class Listener:
    """A parser that only hears which options a plugin wants."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def addoption(self, *names: str, **_: Any) -> None:
        """Hears of options."""
        self.names += names

    def getgroup(self, *_: Any, **__: Any) -> Listener:
        """A group is as good as the parser."""
        return self

    def addini(self, *_: Any, **__: Any) -> None:
        """Lines of the ini file are no options."""


def wanted_by(function: Any, argument_names: Iterable[str], manager: Any) -> list[str]:
    """The options that a plugin's `pytest_addoption` adds."""
    listener = Listener()
    given = {"parser": listener, "pluginmanager": manager}
    try:
        function(*(given[name] for name in argument_names))
    except Exception:
        pass  # it asked its parser for something else first; what it named until then is known
    return listener.names


def others(manager: Any) -> list[Any]:
    """Every `pytest_addoption` but ours."""
    return [found for found in manager.hook.pytest_addoption.get_hookimpls() if found.plugin_name != OURS]


def owner_of(manager: Any, option: str) -> str:
    """Who else adds an option, in words; empty when nobody can be named."""
    for found in others(manager):
        if option in wanted_by(found.function, found.argnames, manager):
            return described(manager, found.plugin_name, found.plugin)
    return ""


def refusal_for(manager: Any, claims: Iterable[Any], ours: Callable[[Any], None]) -> pytest.UsageError | None:
    """What a user is told of the first of these hooks that wants one of the options that `ours` adds."""
    known = {place_of(name) for name in wanted_by(ours, ("parser",), manager)}
    for found in claims:
        for name in wanted_by(found.function, found.argnames, manager):
            if place_of(name) in known:
                return refusal(manager, name, name=found.plugin_name, plugin=found.plugin)
    return None


def place_of(option: str) -> str:
    """Where pytest keeps an option's value: two that have one place are in conflict too."""
    return option.lstrip("-").replace("-", "_")


def described(manager: Any, name: str, plugin: Any) -> str:
    """A plugin in words: a conftest by its path, another by name, distribution and file."""
    file = getattr(plugin, "__file__", None)
    if str(name).endswith("conftest.py"):
        return f"the conftest {file or name}"
    about = [f"{dist.project_name} {dist.version}" for one, dist in manager.list_plugin_distinfo() if one is plugin]
    about += [file] if file else []
    return f"the plugin {name!r}" + (f" ({', '.join(about)})" if about else "")


def refusal(manager: Any, option: str, *, name: str, plugin: Any) -> pytest.UsageError:
    """What a user is told whose plugins claim one of our options."""
    own = described(manager, OURS, manager.get_plugin(OURS))
    leaving = f"-p no:{OURS}" if str(name).endswith("conftest.py") else f"-p no:{name} or -p no:{OURS}"
    return pytest.UsageError(
        f"{option} is claimed twice: by {own}, and by {described(manager, name, plugin)}. pytest gives an option to "
        f"one plugin only. Rename it there (ours all begin with --sagetape-), or leave one of the two out: {leaving}."
    )

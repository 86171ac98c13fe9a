"""Finds, imports and reloads the module behind `function:<module>:<name>`."""

from __future__ import annotations

import difflib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from ...core.errors import ConfigError

Stamp = tuple[int, int, int]


class Loaded:
    """A function of a user's module, fresh: when the module's file changes, the next call runs the new code."""

    def __init__(self, module: str, name: str, *, folder: Path) -> None:
        """Imports at once. Raises ConfigError that names what is missing and what is there."""
        self.name = name
        self._lock = threading.Lock()
        self._module = import_first(module, folder)
        self._stamp = stamp_of(self._module)
        self.current()

    def current(self) -> Callable[[Any], Any]:
        """The function as its file is now. What the file raises while it is read again is raised as it is."""
        with self._lock:
            stamp = stamp_of(self._module)
            if stamp is not None and stamp != self._stamp:
                reload_from_source(self._module)
                self._stamp = stamp
        return find_function(self._module, self.name)


def import_first(module: str, folder: Path) -> ModuleType:
    """Import with `folder` first on the path, where it stays: the module's own later imports look there too."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        own = importlib.machinery.PathFinder.find_spec(module, [str(folder)]) if "." not in module else None
        loaded = sys.modules.get(module)
        if own is not None and loaded is not None and not is_same_file(own.origin, loaded.__file__):
            return import_beside(own)  # another module of that name is in use, say the standard library's
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not (module + ".").startswith(error.name + "."):
            raise ConfigError(f"module {module} cannot be imported: {error}. Install what it needs.") from error
        there = sorted(path.stem for path in folder.glob("*.py"))
        raise ConfigError(
            f"there is no module {module} in {folder} or on Python's path. {nearest(module, there)} "
            "Write function:<module>:<name>, with the module's folder beside the configuration file."
        ) from error
    except Exception as error:
        text = f"module {module} fails when it is imported: {type(error).__name__}: {error}"
        raise ConfigError(f"{text}. `python -c 'import {module}'` in {folder} shows where.") from error


def import_beside(spec: importlib.machinery.ModuleSpec) -> ModuleType:
    """Run a module without giving it the place of the one of the same name."""
    module = importlib.util.module_from_spec(spec)
    assert spec.loader is not None  # PathFinder gives one for a file
    spec.loader.exec_module(module)
    return module


def is_same_file(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and os.path.realpath(one) == os.path.realpath(other)


def stamp_of(module: ModuleType) -> Stamp | None:
    """What tells one state of the module's file from another; None without a file (a built-in, a file just gone)."""
    try:
        found = os.stat(module.__file__ or "")
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def reload_from_source(module: ModuleType) -> None:
    """Run the module's source again in its own namespace.

    `importlib.reload` may take the compiled file of the state before: it compares whole seconds.
    """
    path = Path(module.__file__ or "")
    exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)


def find_function(module: ModuleType, name: str) -> Callable[[Any], Any]:
    """The callable by its dotted name. Raises ConfigError that names the nearest."""
    value: Any = module
    for part in name.split("."):
        value = getattr(value, part, None)
    if callable(value):
        function: Callable[[Any], Any] = value
        return function
    there = sorted(key for key, item in vars(module).items() if callable(item) and not key.startswith("_"))
    state = "is not a function" if value is not None else "does not exist"
    raise ConfigError(
        f"{name} in module {module.__name__} {state}. {nearest(name, there)} "
        "Write function:<module>:<name> with a function that takes one Invocation."
    )


def nearest(wanted: str, there: list[str]) -> str:
    """The nearest name, or all there are."""
    close = difflib.get_close_matches(wanted, there, n=1, cutoff=0.5)
    if close:
        return f"Did you mean {close[0]}?"
    return f"There are: {', '.join(there[:20])}." if there else "There are none."

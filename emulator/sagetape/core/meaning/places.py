"""Places in a tree: taking them out, so that they do not count, and naming them for people.

An ignored member of an object is taken out: a document without it is equal to one that has it. An ignored element of a
list becomes a placeholder: its value does not count, the list's length still does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeAlias

from ..paths import Path, Step
from .tree import IGNORED, JSON_DATA, Tree

Steps: TypeAlias = tuple[str | int, ...]
"""Names of members and indexes of elements, from a tree's root."""


def without(tree: Tree, paths: tuple[Path, ...]) -> Tree:
    """Take the places out of a tree, in place; return the tree. Linear in the tree for each path."""
    for path in paths:
        nodes = [tree]
        for step in path[:-1]:
            nodes = [child for node in nodes for child in _children(node, step)]
        for node in nodes:
            _drop(node, path[-1])
    return tree


def _children(node: Tree, step: Step) -> list[Tree]:
    if isinstance(node, dict):
        if step is None:
            return list(node.values())
        return [node[step]] if step in node else []
    if isinstance(node, list):
        if step is None:
            return list(node)
        return [node[step]] if isinstance(step, int) and step < len(node) else []
    return []


def _drop(node: Tree, step: Step) -> None:
    if isinstance(node, dict):
        if step is None:
            node.clear()
        else:
            node.pop(step, None)
    elif isinstance(node, list):
        if step is None:
            node[:] = [IGNORED] * len(node)
        elif isinstance(step, int) and step < len(node):
            node[step] = IGNORED


_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def place_of(kind: str, steps: Steps) -> str:
    """A place in a body as its reader would name it: `$.a[0]`, `line 3 $.a`, `row 2, column 1`, `part 1 $.a`."""
    if kind == "json":
        return json_place(steps)
    namer = _NAMERS.get(kind)
    return namer(steps) if namer and steps else kind


def _in_line(steps: Steps) -> str:
    return f"line {int(steps[0]) + 1} {json_place(steps[1:])}"


def _in_table(steps: Steps) -> str:
    return ", ".join(f"{word} {int(step) + 1}" for word, step in zip(("row", "column"), steps, strict=False))


def _in_event(steps: Steps) -> str:
    """In an event the second step is a field's name, or the mark of data that is JSON."""
    if len(steps) > 1 and steps[1] == JSON_DATA:
        return f"event {int(steps[0]) + 1} {json_place(steps[2:])}"
    return " ".join([f"event {int(steps[0]) + 1}", *map(str, steps[1:2])])


def _in_part(steps: Steps) -> str:
    """In a part the second step is `headers`, or the kind of its body."""
    return " ".join([f"part {int(steps[0]) + 1}", *(place_of(str(kind), steps[2:]) for kind in steps[1:2])])


_NAMERS: dict[str, Callable[[Steps], str]] = {
    "json-lines": _in_line,
    "csv": _in_table,
    "server-events": _in_event,
    "multipart": _in_part,
    "npz": lambda steps: f"array {steps[0]}",
    "headers": lambda steps: "headers",
}


def json_place(steps: Steps) -> str:
    """A place in a JSON document, in the language of ignored paths after the leading `$`."""
    return "$" + "".join(_step_text(step) for step in steps)


def _step_text(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _BARE.fullmatch(step) else f".{json.dumps(step, ensure_ascii=False)}"

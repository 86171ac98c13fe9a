"""Places in a JSON document, written in the part of JMESPath that names places.

Understood: `a.b`, `"a quoted.name"`, `a[0]`, `a[-1]`, `a[*].b`, `a.*`, `[*].id`, `*.id`. Everything else in JMESPath
(functions, filters, slices, flattening, pipes, multi-select, literals) computes a value instead of naming a place, and
is refused when it is configured, not when a request comes. Source: https://jmespath.org/specification.html

An ignored member of an object is taken out: a document without it is equal to one that has it. An ignored element of a
list becomes a placeholder: its value does not count, the list's length still does.
"""

from __future__ import annotations

import json
import re
from typing import Final, TypeAlias

from sagetape.core.errors import ConfigError

from .tree import IGNORED, Tree


class _Any:
    """The wildcard step."""


ANY: Final = _Any()
EACH: Final = _Any()
Step: TypeAlias = str | int | _Any
Path: TypeAlias = tuple[Step, ...]

EXPRESSION_MAX = 256  # characters; a place in a request is far shorter
_TOKEN = re.compile(
    r'(?P<dot>\.)?(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<quoted>"(?:[^"\\]|\\.)*+")|(?P<any>\*))'
    r"|\[(?:(?P<index>-?[0-9]{1,9})|(?P<each>\*))\]",
    re.ASCII,
)


def parse_path(expression: str) -> Path:
    """Read one expression. Raises ConfigError where it is not a place, with the position that was not understood."""
    steps: list[Step] = []
    position = 0
    while position < len(expression) <= EXPRESSION_MAX:
        match = _TOKEN.match(expression, position)
        if match is None or _is_misplaced(match, first=not steps):
            break
        steps.append(_step(match))
        position = match.end()
    if not steps or position < len(expression):
        raise ConfigError(_refusal(expression, position))
    return tuple(steps)


def _is_misplaced(match: re.Match[str], *, first: bool) -> bool:
    if match["index"] is not None or match["each"] is not None:
        return False
    return (match["dot"] is not None) == first


def _step(match: re.Match[str]) -> Step:
    if match["name"] is not None:
        return match["name"]
    if match["index"] is not None:
        return int(match["index"])
    if match["any"] is not None:
        return ANY
    if match["each"] is not None:
        return EACH
    try:
        return str(json.loads(match["quoted"]))
    except ValueError:
        raise ConfigError(f"Ignored path: {match['quoted']} is not a quoted name. Write it as a JSON string.") from None


def _refusal(expression: str, position: int) -> str:
    if len(expression) > EXPRESSION_MAX:
        return f"Ignored path {expression[:40]!r}... is longer than {EXPRESSION_MAX} characters. Name one place in it."
    return (
        f"Ignored path {expression!r} does not name a place (not understood from character {position + 1}). "
        f"""Nearest that works: a.b, a[0], a[*].b, a.* or "a name". """
        "Functions, filters, slices, [] and pipes are not places; list each place instead."
    )


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
        if step is ANY:
            return list(node.values())
        return [node[step]] if isinstance(step, str) and step in node else []
    if isinstance(node, list):
        if step is EACH:
            return list(node)
        return [node[step]] if isinstance(step, int) and -len(node) <= step < len(node) else []
    return []


def _drop(node: Tree, step: Step) -> None:
    if isinstance(node, dict):
        if step is ANY:
            node.clear()
        elif isinstance(step, str):
            node.pop(step, None)
    elif isinstance(node, list):
        if step is EACH:
            node[:] = [IGNORED] * len(node)
        elif isinstance(step, int) and -len(node) <= step < len(node):
            node[step] = IGNORED

"""Taking places out of a tree, so that they do not count.

An ignored member of an object is taken out: a document without it is equal to one that has it. An ignored element of a
list becomes a placeholder: its value does not count, the list's length still does.
"""

from __future__ import annotations

from ..paths import Path, Step
from .tree import IGNORED, Tree


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

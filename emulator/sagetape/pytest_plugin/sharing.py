"""Where tests may share a deck: in one process. Workers of pytest-xdist that each had a share of the tests would each
have a deck of their own, which plays from the beginning: wrong answers in green tests.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from ..core.errors import SagetapeError
from ..testing import MARKER
from .marks import Wanted
from .paths import named_paths

NODES: Final[dict[str, type[pytest.Collector]]] = {
    "class": pytest.Class,
    "module": pytest.Module,
    "session": pytest.Session,
}
"""What the tests of a scope have in common."""


def refuse_scattered(item: pytest.Item, scope: str) -> None:
    """Raises SagetapeError where other tests of the scope may run in another worker."""
    told = getattr(item.config, "workerinput", {})
    dist = told.get("sagetape_dist", "no")
    if told.get("workercount", 1) == 1 or dist == "each" or is_together(item, scope, dist=dist):
        return
    where = f'scope="{scope}" shares one deck, but the {told["workercount"]} workers of --dist {dist} each have a part'
    if scope == "session":
        raise SagetapeError(f"{where} of the session. Run it in one worker (-n1), or take a cassette for each module.")
    raise SagetapeError(f"{where} of this {scope}. Keep it in one worker: --dist loadfile{finer(item, scope)}.")


def is_together(item: pytest.Item, scope: str, *, dist: str) -> bool:
    """Whether this way of distribution gives all tests of the scope to one worker."""
    if scope == "session":
        return False
    if dist == "loadgroup":  # tests that are in no group are scattered, and so are groups
        node = item.getparent(NODES[scope])
        beside = [one for one in item.session.items if one.getparent(NODES[scope]) is node and uses_deck(one)]
        return bool(groups_of(item)) and len({groups_of(one) for one in beside} - {frozenset()}) == 1
    if dist == "loadscope":  # a class is a scope of its own, and parts with the rest of its module
        return scope == "class" or item.getparent(pytest.Class) is None
    return dist == "loadfile"


def groups_of(item: pytest.Item) -> frozenset[str]:
    """The xdist groups of a test; those of the same set run in one worker."""
    marks = item.iter_markers("xdist_group")
    return frozenset(str(mark.args[0] if mark.args else mark.kwargs.get("name", "default")) for mark in marks)


def uses_deck(item: pytest.Item) -> bool:
    """Whether a test has a deck, its own or shared."""
    return MARKER in getattr(item, "fixturenames", ())


def finer(item: pytest.Item, scope: str) -> str:
    """The finer way of distribution, where it is enough."""
    return " or --dist loadscope" if is_together(item, scope, dist="loadscope") else ""


def sharers(item: pytest.Item, wanted: Wanted) -> Path | None:
    """The file or folder of the tests that may play the same cassettes; None for a test that has one of its own."""
    if wanted.scope == "session":
        return item.config.rootpath
    if wanted.cassettes:
        return common_folder(item, wanted)
    return None if wanted.scope == "function" else item.path


def common_folder(item: pytest.Item, wanted: Wanted) -> Path:
    """The folder that a test has in common with the cassettes that it names, which may stand elsewhere."""
    here = item.path.parent
    named = named_paths(item, wanted.cassettes, item.config.getini("sagetape_cassettes"))
    try:
        return Path(os.path.commonpath([here.resolve(), *(path.parent.resolve() for path in named)]))
    except ValueError:  # on another drive
        return here

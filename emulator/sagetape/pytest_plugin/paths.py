"""Where a test's cassette is: beside the test, under a name that every file system can hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from ..core.secrets import Scanner
from ..testing import RECHUNK, cut_id

SECRET_CHARS_MIN: Final = 12  # no finder knows a shorter one
SUFFIX: Final = ".tape"
NAME_MAX: Final = 100  # characters; Windows' whole paths have 260
UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
EDGES: Final = "-. "  # not at either end of a name: Windows drops some of them


def default_path(item: pytest.Item, folder: str, *, scope: str = "function") -> Path:
    """`<folder of the test>/<folder>/<module>/<test>.tape`; of a wider scope the class's or the module's."""
    base = item.path.parent / folder
    module = safe_name(item.path.stem, has_twin="[" in item.path.stem)  # brackets are no parameters there
    if scope == "session":
        return item.config.rootpath / folder / f"session{SUFFIX}"
    if scope == "module":
        return base / f"{module}{SUFFIX}"
    classes = [node for node in item.listchain() if isinstance(node, pytest.Class)]
    owner = ".".join(node.name for node in classes)
    if scope == "class":
        return base / module / f"{safe_name(owner or 'module', has_twin=any(has_twin(one) for one in classes))}{SUFFIX}"
    is_twin = any(has_twin(one) for one in classes) or has_twin(item)
    name = safe_name(".".join(filter(None, (owner, test_name(item)))), has_twin=is_twin)
    return base / module / f"{name}{SUFFIX}"


def test_name(item: pytest.Item) -> str:
    """The test's name with its parameters, but without the cut of its streams: all cuts share one cassette."""
    callspec = getattr(item, "callspec", None)
    if callspec is None or RECHUNK not in callspec.params:
        return item.name.removesuffix("[]")
    ids = list(callspec._idlist) if hasattr(callspec, "_idlist") else callspec.id.split("-")
    cut = cut_id(callspec.params[RECHUNK])
    if cut not in ids:  # somebody else gave the fixture its parameters, with ids of their own
        return item.name
    ids.remove(cut)
    head, rest = item.name.partition("[")[0], "-".join(ids)
    return f"{head}[{rest}]" if rest else head


test_name.__test__ = False  # type: ignore[attr-defined]


def has_twin(node: pytest.Item | pytest.Collector) -> bool:
    """Whether a test or class beside it has this name in small letters: on some file systems both are one file."""
    name: str = getattr(node, "originalname", None) or node.name.partition("[")[0]
    beside = getattr(node.parent, "obj", None)
    if beside is None or name == name.lower():
        return False
    twins = [one for one in dir(beside) if one != name and one.lower() == name.lower()]
    return any(callable(getattr(beside, one, None)) for one in twins)


def named_paths(item: pytest.Item, names: Sequence[str], folder: str) -> tuple[Path, ...]:
    """The cassettes that a marker names: beside the tests unless absolute; the suffix may be left out."""
    base = item.path.parent / folder
    return tuple(base / (name if name.endswith(SUFFIX) else f"{name}{SUFFIX}") for name in map(str, names))


def safe_name(name: str, *, has_twin: bool = False) -> str:
    """A file name for any file system. Of one that is not as it was but for its brackets, or that stands in capitals
    where others may not, a digest tells it from all others.

    Parameters in which a secret is found are left out: what no cassette may hold is no part of its name.
    """
    head, bracket, rest = name.partition("[")
    identity = rest.removesuffix("]")
    plain = f"{head}-{identity}" if bracket else name
    is_exact = not bracket or (bool(identity) and rest.endswith("]") and identity == identity.lower())
    is_clean = is_exact and not UNSAFE.search(plain) and plain == plain.strip(EDGES) and 0 < len(plain) <= NAME_MAX
    if is_clean and not has_twin and not has_secret(name) and not RESERVED.fullmatch(plain):
        return plain
    digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()
    shown = head if has_secret(name) else name
    cleaned = "" if has_secret(head) else UNSAFE.sub("-", shown).strip(EDGES)
    return f"{(cleaned or 'test')[:NAME_MAX].rstrip(EDGES)}-{digest}"


def has_secret(name: str) -> bool:
    """Whether the finders of secrets find one in a name, or what an encoding of one looks like."""
    data = name.encode("utf-8", "backslashreplace")
    return bool(Scanner().scan(data, place="the name of a test")) if len(data) >= SECRET_CHARS_MIN else False

"""Where a test's cassette is: beside the test, under a name that every file system can hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from ..core.secrets import Scanner

SECRET_CHARS_MIN: Final = 12  # no finder knows a shorter one
SUFFIX: Final = ".tape"
NAME_MAX: Final = 100  # characters; Windows' whole paths have 260
UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.-]+")
RESERVED: Final = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
CUT: Final = re.compile(r"-?rechunk=\w+-?")
"""The part of a test's id that says how its streams are cut: all cuts share one cassette."""


def default_path(item: pytest.Item, folder: str, *, scope: str = "function") -> Path:
    """`<folder of the test>/<folder>/<module>/<test>.tape`; of a wider scope the class's or the module's."""
    base = item.path.parent / folder
    module = safe_name(item.path.stem)
    if scope == "session":
        return item.config.rootpath / folder / f"session{SUFFIX}"
    if scope == "module":
        return base / f"{module}{SUFFIX}"
    owner = ".".join(node.name for node in item.listchain() if isinstance(node, pytest.Class))
    if scope == "class":
        return base / module / f"{safe_name(owner or 'module')}{SUFFIX}"
    return base / module / f"{safe_name('.'.join(filter(None, (owner, test_name(item)))))}{SUFFIX}"


def test_name(item: pytest.Item) -> str:
    """The test's name with its parameters, but without the cut of its streams."""
    name, bracket, rest = item.name.partition("[")
    identity = CUT.sub("-" if "-rechunk=" in rest and not rest.startswith("rechunk") else "", rest.removesuffix("]"))
    identity = identity.strip("-")
    return f"{name}[{identity}]" if bracket and identity else name


test_name.__test__ = False  # type: ignore[attr-defined]


def named_paths(item: pytest.Item, names: Sequence[str], folder: str) -> tuple[Path, ...]:
    """The cassettes that a marker names: beside the tests unless absolute; the suffix may be left out."""
    base = item.path.parent / folder
    return tuple(base / (name if name.endswith(SUFFIX) else f"{name}{SUFFIX}") for name in map(str, names))


def safe_name(name: str) -> str:
    """A file name for any file system; one that had to be changed ends with a digest of what it was.

    Parameters in which a secret is found are left out: what no cassette may hold is no part of its name.
    """
    head, bracket, identity = name.partition("[")
    is_exact = not bracket or re.fullmatch(r"[a-z0-9_.-]*\]", identity) is not None
    cleaned = UNSAFE.sub("-", name).strip("-. ") or "test"
    is_clean = is_exact and UNSAFE.sub("-", head) == head and len(cleaned) <= NAME_MAX
    if is_clean and not has_secret(name) and not RESERVED.fullmatch(cleaned):
        return cleaned
    digest = hashlib.blake2b(name.encode("utf-8", "backslashreplace"), digest_size=4).hexdigest()
    if has_secret(name):
        cleaned = "test" if has_secret(head) else UNSAFE.sub("-", head).strip("-. ") or "test"
    return f"{cleaned[:NAME_MAX].rstrip('-. ')}-{digest}"


def has_secret(name: str) -> bool:
    """Whether the finders of secrets find one in a name, or what an encoding of one looks like."""
    data = name.encode("utf-8", "backslashreplace")
    return bool(Scanner().scan(data, place="the name of a test")) if len(data) >= SECRET_CHARS_MIN else False

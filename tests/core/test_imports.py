"""The direction of imports: the core knows nothing that waits, the client and the emulator do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "emulator" / "sagetape" / "core"
FORBIDDEN = {
    *("aiohttp", "asyncio", "boto3", "botocore", "click", "concurrent", "http", "multiprocessing", "os"),
    *("pathlib", "random", "secrets", "select", "selectors", "shutil", "socket", "ssl", "subprocess", "tempfile"),
    *("threading", "time", "urllib.request", "uvloop"),
}


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, with its line; relative ones with their dots."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")


def python_files(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", python_files("emulator/sagetape/core"), ids=lambda p: p.name)
def test_core_imports_nothing_that_waits(path: Path) -> None:
    """No module of the core imports sockets, files, clocks, threads, or the shell."""
    depth = len(path.relative_to(CORE).parts)
    for line, name in imports_of(path):
        assert name not in FORBIDDEN, f"{path}:{line} imports {name}"
        assert name.split(".")[0] not in FORBIDDEN or name.startswith("urllib.parse"), f"{path}:{line} imports {name}"
        leaves = name.startswith("." * (depth + 1)) and name.strip(".") != "version"
        assert not leaves, f"{path}:{line} leaves the core: {name}"


@pytest.mark.parametrize("path", python_files("client/sagetape_client"), ids=lambda p: p.name)
def test_client_does_not_import_the_emulator(path: Path) -> None:
    """They meet on the wire and by entry points."""
    for line, name in imports_of(path):
        assert name.split(".")[0] != "sagetape", f"{path}:{line} imports {name}"


@pytest.mark.parametrize("path", python_files("emulator/sagetape"), ids=lambda p: p.name)
def test_emulator_does_not_import_the_client(path: Path) -> None:
    """They meet on the wire and by entry points."""
    for line, name in imports_of(path):
        assert name.split(".")[0] != "sagetape_client", f"{path}:{line} imports {name}"


@pytest.mark.parametrize("path", python_files("emulator/sagetape/shell"), ids=lambda p: p.name)
def test_shell_does_not_import_the_ways_in(path: Path) -> None:
    """Imports point down: the shell knows no command line, no test plugin."""
    for line, name in imports_of(path):
        assert name.strip(".").split(".")[0] not in {"cli", "testing", "attach", "emulator", "click"}, f"{path}:{line}"

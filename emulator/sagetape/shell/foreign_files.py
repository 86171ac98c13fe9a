"""Reads the files of other tools into plain data. They are hostile: sizes and depths are bounded, nothing is executed.

Refuses what is not a plain file (a FIFO would be waited for, a device never ends), and what is larger than its cap.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from ..core.errors import CassetteForeign, CassetteMissing, ConfigError
from .yaml_text import YamlError, read_yaml

FILE_MAX_BYTES: Final = 256 * 2**20
FILES_MAX: Final = 100_000
YAML_SUFFIXES: Final = (".yaml", ".yml")


def sources(paths: Sequence[Path]) -> Iterator[Path]:
    """The files named, and the JSON Lines files of a folder, in the order of their names; links are not followed."""
    count = 0
    for path in paths:
        for one in _walked(path) if path.is_dir() else (path,):
            count += 1
            if count > FILES_MAX:
                raise ConfigError(f"More than {FILES_MAX} files. Import them folder by folder.")
            yield one


def _walked(folder: Path) -> Iterator[Path]:
    found = False
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if name.endswith(".jsonl") and not path.is_symlink():
                found = True
                yield path
    if not found:
        raise CassetteMissing(
            f"{folder} holds no *.jsonl file, which is what data capture writes. Name the files to import.",
            path=str(folder),
        )


def read_bytes(path: Path, *, max_bytes: int = FILE_MAX_BYTES) -> bytes:
    """A plain file's bytes. Raises CassetteMissing or CassetteForeign."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except FileNotFoundError:
        raise CassetteMissing(f"{path} does not exist. Check the path.", path=str(path)) from None
    except (OSError, ValueError) as error:
        raise CassetteForeign(f"{path} cannot be opened ({error}). Name a plain file.", path=str(path)) from None
    with open(fd, "rb") as file:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise CassetteForeign(f"{path} is not a plain file. Name one.", path=str(path))
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise CassetteForeign(
            f"{path} is larger than {max_bytes} bytes. Split it and import the parts.", path=str(path)
        )
    return data


def read_document(path: Path) -> Any:
    """The parsed file: YAML by its name, JSON, or a list of the JSON documents of its lines."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(path, f"it is not UTF-8 at byte {error.start}") from None
    try:
        if path.suffix.lower() in YAML_SUFFIXES:
            return read_yaml(text)
        return parse_json(text)
    except (ValueError, YamlError) as error:
        raise _unreadable(path, str(error)) from None
    except RecursionError:
        raise _unreadable(path, "it is nested too deeply") from None


def parse_json(text: str) -> Any:
    """One JSON document, or a list of one per line. Raises ValueError."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if error.msg != "Extra data" or len(lines) < 2:
            raise
    return [_line(line, number) for number, line in lines]


def _line(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} is not JSON: {error.msg} at column {error.colno}") from None


def _unreadable(path: Path, reason: str) -> CassetteForeign:
    return CassetteForeign(
        f"{path} cannot be read: {reason}. Known are vcrpy's YAML and JSON, HAR, data capture, moto's results and "
        "JSON Lines of `sagetape cassette export`.",
        path=str(path),
    )

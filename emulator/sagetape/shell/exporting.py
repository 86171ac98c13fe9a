"""Writes interactions for other tools, one after the other, to a file that is whole or not there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TextIO

from ..core.editing import document_of
from ..core.exchange.har_out import entry_writer, log_head
from ..core.wire import Interaction
from ..version import __version__
from .model import load_service
from .renewal import Progress
from .store import Cassette

FORMATS: Final = ("jsonl", "har")


def export(cassette: Cassette, file: TextIO, *, format_name: str, progress: Progress | None = None) -> int:
    """Writes all interactions; how many. Raises CassetteDamaged: an export is not silently shorter."""
    count = _EXPORTS[format_name](_read(cassette, progress), file)
    file.flush()
    return count


def _read(cassette: Cassette, progress: Progress | None) -> Iterator[tuple[int, bytes, Interaction]]:
    numbers = list(cassette.numbers())
    for done, number in enumerate(numbers):
        yield number, cassette.key(number), cassette.read(number)
        if progress is not None:
            progress(done + 1, len(numbers))


def _json_lines(found: Iterator[tuple[int, bytes, Interaction]], file: TextIO) -> int:
    count = 0
    for number, key, one in found:
        file.write(_line(document_of(one, number=number, key=key)) + "\n")
        count += 1
    return count


def _har(found: Iterator[tuple[int, bytes, Interaction]], file: TextIO) -> int:
    entry_of = entry_writer(load_service())
    head = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in log_head(__version__).items())
    file.write(f'{{"log": {{{head}, "entries": [')
    count = 0
    for _, _, one in found:
        file.write(("," if count else "") + "\n" + _line(entry_of(one)))
        count += 1
    file.write("\n]}}\n")
    return count


def _line(value: Any) -> str:
    # ASCII: a HAR or a line that goes through another tool keeps its characters, and no terminal is moved by it.
    return json.dumps(value, ensure_ascii=True)


_EXPORTS: Final[dict[str, Callable[[Iterator[tuple[int, bytes, Interaction]], TextIO], int]]] = {
    "jsonl": _json_lines,
    "har": _har,
}


@contextmanager
def replacing_text(path: Path) -> Iterator[TextIO]:
    """A text file that takes the place of `path` when the block ends well, and vanishes when it does not.

    What is there and is no plain file (a FIFO, a device, `/dev/stdout`) is written into: whoever reads it stays.
    """
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        return
    path = path.resolve()  # of a link, what it points to is replaced
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            yield file
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

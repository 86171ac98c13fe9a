"""Our own JSON Lines: one document of `core/editing` per line. Loses nothing in either direction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..editing import DocumentError, interaction_from
from .choices import Choices
from .found import Found, Skipped, items


def is_json_lines(document: Any) -> bool:
    """Whether parsed lines look like ours."""
    first = document[0] if isinstance(document, list) and document else None
    return isinstance(first, Mapping) and "answer" in first and "origin" in first


def read_json_lines(document: Any, choices: Choices) -> Iterator[Found | Skipped]:
    """Every interaction, with its own provenance."""
    for place, line in enumerate(items(document, "the file")):
        where = f"line {place + 1}"
        try:
            one = interaction_from(line, where)
        except DocumentError as error:
            yield Skipped(where, str(error).removeprefix(f"{where}, ").removeprefix(f"{where}: "))
            continue
        yield Found(one.call, one.script, one.origin.recorded_at, one.origin.synthetic, recorded=one)

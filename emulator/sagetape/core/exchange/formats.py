"""The formats that are read, and how a file of each is told from the others. A new format is a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from ..matching import MatchRules
from ..values import valueclass
from .capture import is_capture, read_capture
from .choices import Choices
from .found import Found, Skipped
from .har import is_har, read_har
from .json_lines import is_json_lines, read_json_lines
from .moto import QUEUE_RULES, is_moto, read_moto
from .vcr import is_vcr, read_vcr

__all__ = ["FORMATS", "Choices", "Format", "format_of"]


@valueclass(frozen=True, slots=True)
class Format:
    """One kind of file."""

    name: str
    what: str
    is_such: Callable[[Any], bool]
    read: Callable[[Any, Choices], Iterator[Found | Skipped]]
    within: tuple[str, ...] = ()
    """The keys that lead to the list of entries in a parsed file; none where it is the list."""
    rules: MatchRules | None = None
    """Match rules of a new cassette, where the ordinary ones make no sense."""

    def count(self, document: Any) -> int:
        """How many entries `read` goes through in a file that `is_such`; for telling how far it is."""
        for key in self.within:
            document = document[key]
        return len(document) if isinstance(document, list) else 0


FORMATS: Final[Mapping[str, Format]] = {
    row.name: row
    for row in (
        Format("vcr", "vcrpy's YAML or JSON", is_vcr, read_vcr, ("interactions",)),
        Format("har", "HTTP Archive", is_har, read_har, ("log", "entries")),
        Format("capture", "SageMaker data capture", is_capture, read_capture),
        Format("moto", "moto's queue of endpoint results", is_moto, read_moto, ("results",), QUEUE_RULES),
        Format("jsonl", "what `cassette export` writes", is_json_lines, read_json_lines),
    )
}


def format_of(document: Any) -> Format | None:
    """The format of a parsed file (of lines: the list of them); None when it is none of them."""
    return next((row for row in FORMATS.values() if row.is_such(document)), None)

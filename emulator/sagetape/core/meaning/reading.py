"""How bodies are read: what the rules of matching ask of the readers."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from ..paths import Path
from ..values import valueclass
from .tree import Tree


@valueclass(frozen=True, slots=True)
class Reading:
    """Options of all readers; a reader takes what concerns it."""

    round_digits: int | None = None
    """Numbers are rounded to this many digits after the point."""
    ignored: tuple[Path, ...] = ()
    """Places in JSON documents that do not count."""
    pixels: bool = False
    """Images are compared by their pixels; needs Pillow."""
    depth: int = 0
    """How many multipart bodies the body stands in."""


PLAIN = Reading()


class Reader(Protocol):
    """Turns a body into its tree, or raises Unreadable; never anything else, whatever the bytes."""

    def __call__(self, body: bytes, content_type: str, reading: Reading) -> Tree: ...


class Understood(NamedTuple):
    """A body's meaning, and how it was found."""

    kind: str
    """The reader's name; `bytes` when there is none, or when it refused."""
    tree: Tree
    refused: str = ""
    """Why the reader of the content type refused the body."""

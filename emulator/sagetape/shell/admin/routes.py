"""What a route of the admin API is: one row that the dispatcher, the page, and the OpenAPI document read.

Decides nothing. The rows are in `table.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote

from ...core.values import valueclass
from .schemas import Schema

if TYPE_CHECKING:
    from .surroundings import Surroundings

PREFIX = "/_sagetape"


@valueclass(frozen=True, slots=True)
class Asked:
    """A request that was let in and is well-formed: its path's names, its query and its body, typed."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)


Handler: TypeAlias = Callable[["Surroundings", Asked], Awaitable[Any]]


@valueclass(frozen=True, slots=True)
class AdminRoute:
    """One method of one path. The answer is JSON of the schema `answer`, or plain text where that is None."""

    method: str
    path: str
    """Behind `/_sagetape`; a segment in braces is a name, percent-decoded."""
    handler: Handler
    doc: str
    """One line."""
    answer: Schema | None
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    """None: nothing is read; a body that is sent all the same is an error."""
    is_open: bool = False
    """Tells nothing about calls, so that anybody who reaches the server may read it."""

    @property
    def is_write(self) -> bool:
        return self.method != "GET"

    @property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.path.strip("/").split("/"))

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(one[1:-1] for one in self.segments if one.startswith("{"))

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """The names' values in a path cut at its slashes; None when it is another path."""
        own = self.segments
        if len(own) != len(segments):
            return None
        found: dict[str, str] = {}
        for wanted, given in zip(own, segments, strict=True):
            if wanted.startswith("{"):
                found[wanted[1:-1]] = unquote(given)
            elif wanted != given:
                return None
        return found

"""What a reader is told besides the parsed file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from ..operations import Service
from ..values import valueclass


@valueclass(frozen=True, slots=True)
class Choices:
    """Given by whoever imports."""

    service: Service
    endpoint: str = ""
    """For recordings that do not name one."""
    path: str = ""
    """Of the file, for what its folders say; never opened here."""
    members: Mapping[str, str] = field(default_factory=dict)
    """Added to calls that lack them."""

"""What a miss says of a cassette that is not whole: the answer may have been in the part that is lost.

Decides where the sentence stands and what gives way to it. Finds no damage: the store does, when it opens a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .errors import MESSAGE_MAX

SAID_MAX: Final = 500  # characters: the miss itself needs the rest


def with_damage(text: str, places: Sequence[str]) -> str:
    """A miss's text with what is known to be damaged at its end, together at most 2,048 characters."""
    if not places:
        return text
    more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
    said = f"\nThe answer may be in what is lost: {places[0][:SAID_MAX]}{more}."
    return text[: MESSAGE_MAX - len(said)] + said

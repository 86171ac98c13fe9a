"""When a recording plays, when an upstream is asked, and what is kept: one table of booleans.

Names and meanings are vcrpy's (`none`, `once`, `new_episodes`, `all`) and pytest-recording's (`rewrite`); `replay` is
what the command of that name runs, `verify` asks and compares. A new mode is a row. Nothing else in the project asks
for a mode by its name.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from .values import valueclass


@valueclass(frozen=True, slots=True)
class Mode:
    """A row of the table."""

    name: str
    plays: bool
    """A recorded take answers."""
    asks_remote: bool
    """An upstream that is not on this machine may be asked."""
    asks_local: bool
    """An upstream on this machine (a function, a container on loopback) may be asked."""
    keeps: bool
    """What an upstream answered is kept."""
    replaces: bool = False
    """The recording goes to a new file that replaces the old one after a clean end."""
    compares: bool = False
    """The answer is compared with the recorded one, and nothing is written."""


MODES: Final = {
    row.name: row
    for row in (
        Mode("none", plays=True, asks_remote=False, asks_local=True, keeps=False),
        Mode("replay", plays=True, asks_remote=False, asks_local=False, keeps=False),
        Mode("new_episodes", plays=True, asks_remote=True, asks_local=True, keeps=True),
        Mode("all", plays=False, asks_remote=True, asks_local=True, keeps=True),
        Mode("rewrite", plays=False, asks_remote=True, asks_local=True, keeps=True, replaces=True),
        Mode("verify", plays=False, asks_remote=True, asks_local=True, keeps=False, compares=True),
    )
}

ONCE: Final = "once"  # not a row: it is one of two rows, chosen when the cassette is opened
RECORD_MODES: Final = ("none", "once", "new_episodes", "all", "rewrite", "verify")
MISS_POLICIES: Final = ("fail", "forward", "function")
EXHAUSTED: Final = ("last", "cycle", "miss")


def mode_for(name: str, *, had_recordings: bool) -> Mode:
    """The row for a mode's name. `once` records into a cassette that held nothing, and is `none` for any other.

    Raises KeyError for an unknown name; the settings have judged names before.
    """
    if name == ONCE:
        return MODES["none" if had_recordings else "new_episodes"]
    return MODES[name]


class Where(Enum):
    """Where a request's upstream is."""

    NOWHERE = "nowhere"
    LOCAL = "local"
    REMOTE = "remote"


class Outcome(Enum):
    """What becomes of a request."""

    PLAY = "play"
    ASK = "ask"
    ASK_AND_KEEP = "ask and keep"
    COMPARE = "ask and compare"
    FUNCTION = "function"
    MISS = "miss"


def outcome(mode: Mode, *, is_recorded: bool, where: Where, miss_policy: str) -> Outcome:
    """The one decision of record and replay. `where` is the upstream the request would go to."""
    if is_recorded and mode.plays:
        return Outcome.PLAY
    may_ask = (where is Where.LOCAL and mode.asks_local) or (where is Where.REMOTE and mode.asks_remote)
    if may_ask:
        if mode.compares:
            return Outcome.COMPARE
        return Outcome.ASK_AND_KEEP if mode.keeps else Outcome.ASK
    # What is left was taken by no cassette and no upstream that this mode may ask.
    if miss_policy == "forward" and where is Where.REMOTE and mode.asks_local:
        return Outcome.ASK
    if miss_policy == "function" and mode.asks_local:
        return Outcome.FUNCTION
    return Outcome.MISS

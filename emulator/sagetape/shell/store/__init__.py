"""Cassette files: opening, reading, appending, recovery. The bytes are described in `cassettes/README.md`.

`group_commit.py` is imported by those who have an event loop: asyncio is not loaded for the others.
"""

from ...core.cassette import CassetteSettings, Summary
from .cassette import Cassette
from .compaction import CompactReport, compact
from .report import DamagedPlace, RecoveryReport
from .rewriting import RewriteCassette
from .verification import verify

__all__ = [
    "Cassette",
    "CassetteSettings",
    "CompactReport",
    "DamagedPlace",
    "RecoveryReport",
    "RewriteCassette",
    "Summary",
    "compact",
    "verify",
]

"""Cassette files: opening, reading, appending, recovery. The bytes are described in `cassettes/README.md`."""

from ...core.cassette import CassetteSettings, Summary
from .cassette import Cassette
from .report import DamagedPlace, RecoveryReport
from .streams import StreamRecording

__all__ = ["Cassette", "CassetteSettings", "DamagedPlace", "RecoveryReport", "StreamRecording", "Summary"]

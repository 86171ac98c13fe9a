"""Three-way merge of recordings, and what two recordings have in common."""

from .comparing import Change, compare_recordings
from .three_way import Conflict, Kept, Merged, merge

__all__ = ["Change", "Conflict", "Kept", "Merged", "compare_recordings", "merge"]

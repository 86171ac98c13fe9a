"""Recordings of other tools as calls and answers, and cassettes as theirs. Parsed data in, parsed data out."""

from .adoption import Adopted, Adopter
from .formats import FORMATS, Choices, format_of
from .found import Found, Skipped
from .har_out import har_of

__all__ = ["FORMATS", "Adopted", "Adopter", "Choices", "Found", "Skipped", "format_of", "har_of"]

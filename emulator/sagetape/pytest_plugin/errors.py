"""What went wrong behind the answers of one test: defects of the server, and exceptions of the user's own models.

The client sees a 500 or a 424 alone. Servers tell their defects themselves, because a defect must fail the test also
where somebody has switched logging off. Models' exceptions are taken from the log while the test runs: one test runs at
a time in a process, and nothing has to know of tests for it.
"""

from __future__ import annotations

import logging
from typing import Final

from ..shell import connections

LOGGER: Final = "sagetape"


class Errors(logging.Handler):
    """The logged exceptions of one test. `defects` are the server's own, and fail the test."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self.defects: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.add(self.format(record), is_defect=record.pathname == connections.__file__)

    def add(self, text: str, *, is_defect: bool) -> None:
        """One more, from this process's log or from a server; a defect may come from both."""
        if is_defect and text in self.texts:
            return
        self.texts.append(text)
        if is_defect:
            self.defects.append(text)

    def begin(self) -> None:
        """Listens, for a test that knows of no errors yet."""
        self.texts.clear()
        self.defects.clear()
        logging.getLogger(LOGGER).addHandler(self)

    def end(self) -> None:
        """Listens no more."""
        logging.getLogger(LOGGER).removeHandler(self)

    def take_defects(self) -> list[str]:
        """The defects that were not told yet."""
        found, self.defects = self.defects, []
        return found

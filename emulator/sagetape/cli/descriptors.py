"""Descriptors 0, 1 and 2, which cron and supervisors may leave closed: the null device stands in for what is missing.

Otherwise the next file or socket would get such a number; libuv ends the process when it is told to close one (its
assertion `fd > STDERR_FILENO`), and what is printed would go wherever that number leads.
"""

from __future__ import annotations

import os
import sys
from typing import Final

STREAMS: Final = ("stdin", "stdout", "stderr")
"""Python's names of descriptors 0, 1 and 2, in this order."""


def fill_closed_descriptors() -> None:
    """Opens the null device on each of 0, 1 and 2 that is closed. Called before anything else opens a file."""
    for number, name in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)  # the lowest free number: all below are open by now
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)  # for the command of `exec`, as any other standard descriptor
        if getattr(sys, name) is None:  # as Python leaves it when the descriptor was closed
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="replace", closefd=False))

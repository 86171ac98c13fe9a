"""What every test finds, whoever starts the run."""

from __future__ import annotations

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what it puts in the background so, and children inherit it: they would not see a test's Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

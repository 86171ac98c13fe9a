"""Which answers of an upstream are worth keeping: those of a model, and of AWS about the call.

Refuses what says something about the recorder alone, and what another emulator says of itself.
"""

from __future__ import annotations

from typing import Final

from .wire import Script, head_of

# Errors about the credentials of the recorder, not of the caller: passed on, never kept (they would replay as the
# answer to a good request).
RECORDER_ERRORS: Final = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "UnrecognizedClientException",
    }
)


def is_worth_keeping(script: Script, *, keeps_errors: bool) -> bool:
    """Whether an answer goes into the cassette. `keeps_errors`: failures of the transport, too."""
    head = head_of(script)
    if head is None:
        return keeps_errors
    code = (head.header("x-amzn-ErrorType") or "").partition(":")[0]
    # A code of ours is no answer of a model: an upstream that could not be reached, another Sagetape's miss.
    return code not in RECORDER_ERRORS and not code.startswith("Sagetape")

"""Which answers of an upstream are worth keeping: those of a model, and of AWS about the call.

Refuses what says something about the recorder alone, what another emulator says of itself, and the platform's word for
a model that could not be reached: it would be replayed for ever as the answer of a model that never heard the call. A
model that is asked and takes too long, or answers an error, has answered.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from .wire import Abort, Head, Script, head_of

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
    if code in RECORDER_ERRORS or code.startswith("Sagetape"):
        return False
    return keeps_errors or not head.failure


NO_CREDENTIALS: Final = "Sagetape has no credentials for its upstream "
"""How the sentence begins that `shell/upstreams/aws.py` says where there is nothing to sign with."""


def lacks_credentials(failure: str) -> bool:
    """Whether an upstream was not asked because there was nothing to sign with."""
    return failure.startswith(NO_CREDENTIALS)


def unanswered(script: Script, failure: str) -> Script:
    """The platform's answer, marked as its word for an upstream that gave none; `failure` is a sentence for people."""
    return tuple(replace(step, failure=failure) if isinstance(step, Head) else step for step in script)


def failure_of(script: Script) -> str:
    """Why no answer came, where the script is marked so or breaks before a status; empty for an answer."""
    head = head_of(script)
    if head is not None:
        return head.failure
    return next((step.reason for step in script if isinstance(step, Abort)), "") or "the upstream gave no answer"

"""The limit between the containers of a serial pipeline.

Decides whether one container's answer may become the next one's request. Source: SageMaker developer guide,
"Troubleshoot inference pipelines": 5 MB, and the text; the status is that of every failure of a model.
"""

from __future__ import annotations

from . import platform
from .routes import HOP_MAX_BYTES
from .wire import Script


def refuse_hop(ask: platform.Ask, to: str, *, body_bytes: int) -> Script | None:
    """The 424 for an answer of `ask.who` that is too large for the container `to`; None when it fits."""
    if body_bytes <= HOP_MAX_BYTES:
        return None
    lead = (
        f"Received response from {ask.who} with status code 200. However, the request payload from {ask.who} to {to} "
        f"is {body_bytes} bytes, which has exceeded the maximum limit of 5 MB"
    )
    return platform.model_error(ask, 200, lead=lead, quoted=None)

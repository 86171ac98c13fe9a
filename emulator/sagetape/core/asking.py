"""Whom a call may be forwarded to: for every hop of its route the upstreams that a mode allows.

Decides nothing about the call itself; whether anybody is asked at all is `core/modes.py`'s table.
"""

from __future__ import annotations

from collections.abc import Callable

from .decisions import DeckSettings
from .modes import Where
from .routes import Route
from .routing import Router
from .wire import Call


def allowed_chains(
    route: Route, settings: DeckSettings, *, is_remote: Callable[[str], bool]
) -> tuple[tuple[tuple[str, ...], ...], Where]:
    """The upstreams of each hop, in order, and where they are, all together. Empty when one hop has none."""
    allows_remote = settings.mode.asks_remote or settings.miss_policy == "forward"
    where, chains = Where.LOCAL, []
    for hop in route.hops:
        chain = hop.upstream or settings.upstream
        allowed = chain if allows_remote else tuple(spec for spec in chain if not is_remote(spec))
        if not allowed:
            return (), Where.REMOTE if chain else Where.NOWHERE
        if any(map(is_remote, allowed)):
            where = Where.REMOTE
        chains.append(allowed)
    return tuple(chains), where


def is_elsewhere(call: Call, router: Router, settings: DeckSettings) -> bool:
    """Whether another platform keeps the sessions: an upstream shaped like AWS, asked in this mode."""
    declared = router.declared(call.endpoint)
    chain = (declared.upstream if declared is not None else ()) or settings.upstream
    return settings.mode.asks_remote and any(spec.startswith("aws") for spec in chain)

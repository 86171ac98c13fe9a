"""Loads and unloads models in real multi-model containers, and adapters, before a call is made.

Performs the actions that the router named and reports what the container said; which model leaves is the router's
decision. Source: SageMaker Developer Guide, "Build your own container for multi-model endpoints" (409: loaded already,
507: no memory), "Invoke a multi-model endpoint" (429 when a load takes longer than 60 s, while it goes on).
"""

from __future__ import annotations

import json
import logging
from typing import Final
from urllib.parse import quote

from ..core import platform, refusals
from ..core.decisions import Forward
from ..core.errors import CallerError
from ..core.keeping import unanswered
from ..core.pipeline import ask_of
from ..core.routes import ModelAction
from ..core.wire import Script, body_of, head_of
from .decks import Player
from .upstreams.container import Container, Reply
from .upstreams.upstream import NothingHere

log = logging.getLogger("sagetape")

LOAD_PATIENCE_S: Final = 60.0  # Developer Guide: then ModelNotReadyException, and the load goes on
EVICTIONS_MAX: Final = 100  # of one call; a container that always says 507 must not hold it for ever
LOADED: Final = frozenset({200, 201, 202, 204, 409})
NO_MEMORY: Final = 507


async def prepare(player: Player, forward: Forward) -> CallerError | Script | None:
    """Performs what the route asks for; None when the call can be made, else what the client gets instead."""
    actions = forward.route.before
    for _ in range(EVICTIONS_MAX):
        if not actions:
            return None
        try:
            reply = await _perform(player, actions)
        except TimeoutError:
            return refusals.model_not_ready()
        except NothingHere as nothing:
            return nothing.instead or platform.dead(ask_of(forward.call, forward.route, hop_number=0))
        if reply.status in LOADED:
            player.deck.router.loaded(forward.route)
            return None
        if reply.status != NO_MEMORY:
            return _failed(player, forward, reply)
        actions = player.deck.router.refused(forward.route) or await _strangers(player, forward)
        if not actions:
            return _failed(player, forward, reply)
    return _failed(player, forward, Reply(NO_MEMORY, b"no model could be unloaded"))


async def _perform(player: Player, actions: tuple[ModelAction, ...]) -> Reply:
    """All actions in order; the reply to the last one, which loads. What an unload says does not matter."""
    reply = Reply(200, b"")
    for action in actions:
        container = player.find_upstream(action.upstream)
        members = getattr(container, "members", (container,))
        for member in members:
            if isinstance(member, Container):
                reply = await member.control(
                    action.method, action.path, body=action.body, clock=player.clock, timeout_s=LOAD_PATIENCE_S
                )
                log.info("%s %s %s: %d", member.source, action.kind, action.model, reply.status)
                break
    return reply


async def _strangers(player: Player, forward: Forward) -> tuple[ModelAction, ...]:
    """What to unload when the container is full of models that this run did not load; empty when it holds none."""
    load = next((action for action in forward.route.before if action.kind == "load"), None)
    if load is None:  # an adapter does not fit: no model of ours leaves for it
        return ()
    listing = ModelAction("unload", load.model, load.upstream, "GET", "/models")
    try:
        found = json.loads((await _perform(player, (listing,))).body)["models"][0]["modelName"]
    except (ValueError, LookupError, TypeError, TimeoutError, NothingHere):  # no list: there is nothing to unload
        return ()
    path = f"/models/{quote(str(found), safe='')}"
    return ModelAction("unload", str(found), load.upstream, "DELETE", path), load


def _failed(player: Player, forward: Forward, reply: Reply) -> Script:
    player.deck.router.forgotten(forward.route)
    ask = ask_of(forward.call, forward.route, hop_number=0)
    if reply.status:
        return platform.failed(ask, reply.status, reply.body)
    return unanswered(platform.dead(ask), f"the container of {ask.call.endpoint} could not be asked to load a model")


def watch_answer(player: Player, forward: Forward, script: Script) -> None:
    """A container that no longer has the model (404) is asked to load it before the next call."""
    if forward.route.model is None:
        return
    head = head_of(script)
    if head is None or head.status != 424:
        return
    try:
        original = json.loads(body_of(script)).get("OriginalStatusCode")
    except (ValueError, AttributeError):  # an answer of some other shape says nothing about the model
        return
    if original in (404, NO_MEMORY):
        player.deck.router.forgotten(forward.route)

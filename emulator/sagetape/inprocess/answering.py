"""One request of a client inside the process, from botocore's event to botocore's response.

Synchronous clients are answered on their own threads; only an upstream is waited for on the deck's loop. It waits and
decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..core.deck import Forward, Reply
from ..core.errors import CallerError
from ..core.wire import Abort, Call, Chunk, Head, Pause, Script, Step
from .answers import closed, respond, stepped
from .calls import call_from, new_request_id
from .loops import pulled
from .opened import OpenDeck
from .patience import OutOfPatience, Patience
from .streams import OpenStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from botocore.awsrequest import AWSResponse

AWS = "aws"  # the upstream that botocore's own client is, with its credentials and its endpoint
AWS_AT = "aws+"  # the same at an address that the user gave


def decide(opened: OpenDeck, request: Any, *, region: str | None) -> tuple[Call, Reply | Forward] | CallerError:
    """The call in a request and what becomes of it; what AWS would have refused before."""
    opened.check_open()
    settings = opened.settings
    try:
        call = call_from(
            request,
            opened.service,
            account=settings.account,
            body_max_bytes=settings.body_bytes_max,
            region=region,
        )
    except CallerError as error:
        return error
    return call, opened.deck.decide(call, now=opened.player.clock.now())


def refuse(opened: OpenDeck, error: CallerError, url: str) -> AWSResponse:
    """The response for a request that reached no deck; it has a line in the journal all the same."""
    with opened.deck.lock:
        entry = opened.deck.journal.open(at=opened.player.clock.now(), operation="", endpoint="")
        entry.status, entry.code, entry.detail = error.status, error.code, error.reason
        opened.deck.journal.settle(entry, source="refused")
    made = Patience(None, url=url)
    return respond(error.script(), request_id=new_request_id(), patience=made, wait=opened.wait, entry=entry)


def answer(opened: OpenDeck, decision: Reply | Forward, *, patience: Patience) -> AWSResponse:
    """The response. Raises what botocore raises for a connection that breaks, and for one that says nothing."""
    try:
        return performed(opened, decision, patience=patience)
    except OutOfPatience:
        raise patience.before_head() from None


def performed(opened: OpenDeck, decision: Reply | Forward, *, patience: Patience) -> AWSResponse:
    """The same; raises OutOfPatience."""
    script: Script | AsyncIterator[Step]
    if isinstance(decision, Reply):
        script = written(opened, decision)
    else:
        script = opened.loop.run(forwarded(opened, decision, patience=patience))
    entry = decision.entry
    if isinstance(script, tuple):
        count_parts(decision, script)
        return respond(script, request_id=entry.request_id, patience=patience, wait=opened.wait, entry=entry)
    steps = OpenStream(pulled(script, opened.loop), opened)
    return live_response(opened, decision, steps, patience=patience)


def written(opened: OpenDeck, reply: Reply) -> Script:
    """A reply's script, after what must be in the file before."""
    if reply.kept is not None:
        opened.player.write(reply.kept, reply.entry)
    return reply.script


async def forwarded(opened: OpenDeck, forward: Forward, *, patience: Patience) -> Script | AsyncIterator[Step]:
    """An upstream's answer. Raises OutOfPatience."""
    from . import live  # with aiohttp behind it: not for decks that only play

    return await live.forwarded(opened, forward, patience=patience)


def live_response(
    opened: OpenDeck, decision: Reply | Forward, steps: Iterator[Step], *, patience: Patience
) -> AWSResponse:
    """The response for a stream as it comes."""
    entry = decision.entry
    for step in steps:
        if isinstance(step, Pause):
            patience.bear(step.seconds, opened.wait)
        elif isinstance(step, Head):
            return stepped(step, steps, request_id=entry.request_id, patience=patience, wait=opened.wait, entry=entry)
        elif isinstance(step, Abort):
            raise closed(patience.url, step)
    raise closed(patience.url, Abort("the answer has no head"))


def count_parts(decision: Reply | Forward, script: Script) -> None:
    """Notes how many parts a stream has, so that what is left unread can be told."""
    if decision.entry.operation.endswith("WithResponseStream") and decision.entry.status == 200:
        decision.entry.parts_total = sum(1 for step in script if isinstance(step, Chunk))


def is_for_botocore(opened: OpenDeck, forward: Forward, url: str) -> bool:
    """Whether the client itself makes the real call: the upstream is where the client goes by itself.

    An endpoint that is declared may have variants, loads and shadows in front of its upstream; those are the deck's.
    """
    if len(forward.chains) != 1 or len(forward.chains[0]) != 1:
        return False
    if opened.deck.router.declared(forward.call.endpoint) is not None:
        return False
    spec = forward.chains[0][0]
    if spec.startswith(AWS_AT):
        return url.startswith(spec.removeprefix(AWS_AT).rstrip("/") + "/")
    shown = opened.url
    return spec == AWS and (shown is None or not url.startswith(shown.partition("/deck/")[0] + "/"))


def may_leave(opened: OpenDeck) -> bool:
    """Whether a call may be made by the client itself, which then has to sign it."""
    settings = opened.deck.settings
    if len(settings.upstream) != 1:
        return False
    spec = settings.upstream[0]
    return spec.startswith(AWS_AT) or (spec == AWS and (settings.mode.asks_remote or settings.miss_policy == "forward"))

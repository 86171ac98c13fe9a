"""A serial pipeline: the answer of one container is the request of the next.

Decides what the next container gets, and when the pipeline ends early: an answer that is not a 2xx, or one that is too
big for the next hop. Source: SageMaker developer guide, "Inference pipelines" and its troubleshooting page (5 MB).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from .platform import CUSTOM_ATTRIBUTES, Ask, model_error
from .routing import HOP_MAX_BYTES, Route
from .wire import Call, Script, body_of, head_of


def ask_of(call: Call, route: Route, *, hop_number: int) -> Ask:
    """What a container of the route is asked."""
    hop = route.hops[hop_number]
    return Ask(
        call,
        variant=route.variant,
        hostname=hop.hostname,
        path=hop.path,
        extra_headers=hop.extra_headers,
        timeout_s=route.timeout_s,
        log_group=route.log_group,
    )


def next_call(call: Call, route: Route, *, hop_number: int, answer: Script) -> Call | Script:
    """The call for the container after `hop_number`, made of that hop's answer; a script where the pipeline ends."""
    head = head_of(answer)
    if head is None or head.status != 200:
        return answer
    body = body_of(answer)
    if len(body) > HOP_MAX_BYTES:
        return _too_big(call, route, hop_number=hop_number, size_bytes=len(body))
    members = dict(call.members)
    members["ContentType"] = head.header("Content-Type") or "application/json"
    attributes = head.header(CUSTOM_ATTRIBUTES)
    if attributes is not None:
        members["CustomAttributes"] = attributes
    return replace(call, members=members, body=body, body_sha256=hashlib.sha256(body).digest())


def _too_big(call: Call, route: Route, *, hop_number: int, size_bytes: int) -> Script:
    here, there = route.hops[hop_number].hostname, route.hops[hop_number + 1].hostname
    text = (
        f"Received response from {here} with status code 200. However, the request payload from {here} to {there} is "
        f"{size_bytes} bytes, which has exceeded the maximum limit of 5 MB"
    )
    return model_error(ask_of(call, route, hop_number=hop_number), 200, lead=text, quoted=None)

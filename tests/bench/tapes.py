"""Cassettes for the benchmark, written through the store's own interface."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from sagetape.core.cassette import CassetteSettings
from sagetape.core.matching import Matcher, MatchRules
from sagetape.core.wire import Call, Interaction, Provenance, whole
from sagetape.shell.store import Cassette

from .floors import answer_of
from .signed import JSON_TYPE, body_of

BATCH = 500
ORIGIN = Provenance(1_768_478_400.0, "aws", "bench")


def interaction(body: bytes, answer: bytes, *, content_type: str = JSON_TYPE) -> Interaction:
    """One recorded call of the endpoint `churn`."""
    call = Call(
        "InvokeEndpoint",
        "churn",
        {"ContentType": content_type, "Accept": "application/json"},
        body,
        hashlib.sha256(body).digest(),
    )
    head = (("Content-Type", "application/json"), ("x-Amzn-Invoked-Production-Variant", "AllTraffic"))
    return Interaction(call, whole(200, head, answer), ORIGIN)


def write(path: Path, count: int, make: Callable[[int], Interaction]) -> Path:
    """A cassette of `count` interactions."""
    matcher = Matcher(MatchRules())
    header = CassetteSettings(match=MatchRules().as_dict())
    with Cassette.open(path, writable=True, settings=header) as cassette:
        for start in range(0, count, BATCH):
            made = [make(number) for number in range(start, min(start + BATCH, count))]
            cassette.keep([(one, matcher.key(one.call)) for one in made])
    return path


def small(path: Path, count: int, *, answer_bytes: int = 1024) -> Path:
    """`count` recordings of 1 KiB in and out, no two alike."""

    def make(number: int) -> Interaction:
        return interaction(body_of(number), b"%07d" % number + answer_of(answer_bytes - 7))

    return write(path, count, make)


def large_answers(path: Path, count: int, answer_bytes: int) -> Path:
    """`count` recordings with a small request and a large answer that does not compress."""

    def make(number: int) -> Interaction:
        block = hashlib.shake_128(number.to_bytes(8, "big")).digest(answer_bytes)
        return interaction(body_of(number), block)

    return write(path, count, make)


def large_request(path: Path, body: bytes, *, content_type: str) -> Path:
    """One recording with a large request and a small answer, and one small call beside it."""
    made = (interaction(body, answer_of(1024), content_type=content_type), interaction(body_of(0), answer_of(1024)))
    return write(path, len(made), made.__getitem__)

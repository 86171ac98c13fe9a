"""Models of one line each, for tests of the ways in."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator

from sagetape import Invocation

_counter = itertools.count()


def echo(invocation: Invocation) -> object:
    """What was sent, as text."""
    return {"echo": invocation.body.decode()}


def count(invocation: Invocation) -> object:
    """A number that was not given before."""
    return {"call": next(_counter)}


def words(invocation: Invocation) -> Iterator[bytes]:
    """The words of the body, each a part."""
    return iter([word + b" " for word in invocation.body.split()])


def documents(invocation: Invocation) -> Iterator[bytes]:
    """Three JSON documents, one to a part."""
    return iter([b'{"token": "%d \xc3\xa9"}\n' % number for number in range(3)])


async def slow(invocation: Invocation) -> object:
    """An answer after five seconds of the deck's time."""
    assert invocation.clock is not None
    wait = invocation.clock.sleep(5)
    assert wait is not None
    await wait
    return {"slow": True}


async def halting(invocation: Invocation) -> AsyncIterator[bytes]:
    """Three parts; five seconds of the deck's time before the second."""
    assert invocation.clock is not None
    yield b"one "
    wait = invocation.clock.sleep(5)
    assert wait is not None
    await wait
    yield b"two "
    yield b"three "

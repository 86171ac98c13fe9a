"""Models of one line each, for tests of the ways in."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

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

"""Requests that are one under the match rules, are not the same, and were answered differently: told while recording.

Decides whether a new take is such a one, which difference shows it, and which rule would tell the two apart. Refuses
nothing: the take is kept, and the run is not clean. Equal requests with different answers are no matter of this module:
a model may draw lots, and the guard tells at replay that the order chooses (`guard.py`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from . import meaning
from .differences import Difference, compare_answers, describe
from .errors import CassetteError
from .guard import Finding, unseen_differences
from .library import Library
from .matching import Matcher, MatchRules
from .misses import MEMBER_HEADERS, Recorded, body_differences
from .wire import Call

EARLIER_MAX: Final = 8  # takes of the key that a new one is compared with
SPELLED_MAX_BYTES: Final = 2**20  # of a body in which the place of a difference is looked for
_NAMES: Final = {header: name for name, header in MEMBER_HEADERS.items()}


class Newcomers:
    """Looks at each take as it is kept; a key is told once. `library` is what is recorded into."""

    __slots__ = ("_matcher", "_told", "library")

    def __init__(self, matcher: Matcher, library: Library) -> None:
        self._matcher, self.library = matcher, library
        self._told: set[bytes] = set()

    def look(self, key: bytes) -> str:
        """What is wrong with the newest take of a key; mostly empty. Reads nothing where it is the first."""
        numbers = self.library.takes(key)
        if len(numbers) < 2 or key in self._told:
            return ""
        try:
            takes = [self.library.read(number) for number in numbers[-EARLIER_MAX - 1 :]]
        except CassetteError:
            return ""  # reading it for an answer says what is wrong, with its place
        found = told_by_nothing(takes, matcher=self._matcher)
        if found is None:
            return ""
        self._told.add(key)
        return found.text


def told_by_nothing(takes: Sequence[Recorded], *, matcher: Matcher) -> Finding | None:
    """The newest take of a key against those before it: the first one with another request and another answer."""
    *earlier, newest = takes
    asked = newest.interaction
    if asked.session is not None or "attempt" in asked.notes:
        return None
    for take in reversed(earlier):
        if take.interaction.session is not None:
            continue
        known = take.interaction.call
        found = next(_differences(known, asked.call, matcher), None)
        reading = matcher.rules.answer_reading()
        if found is not None and compare_answers(take.interaction.script, asked.script, reading=reading, limit=1):
            return Finding("left-out", _text(take, newest, found, matcher), (take.number, newest.number))
    return None


def _text(take: Recorded, newest: Recorded, found: Difference, matcher: Matcher) -> str:
    call = newest.interaction.call
    return (
        f"interactions {take.number} and {newest.number} in {newest.cassette} ({call.operation} {call.endpoint}) have "
        f"different answers and one key: at replay their order alone chooses. Their requests differ only in what the "
        f"match rules leave out: {describe(found, now='then')}. "
        f"{rule_for(found, take.interaction.call, call, matcher)}, and record again."
    )


def _differences(one: Call, other: Call, matcher: Matcher) -> Iterator[Difference]:
    """What the key does not see, by meaning first, then how bodies that mean the same are written."""
    is_same_body = one.body_sha256 == other.body_sha256
    if is_same_body and one.members == other.members:
        return
    unseen = unseen_differences(one, other, matcher=matcher)
    yield from unseen
    if unseen or is_same_body or meaning.media_type(other.members.get("ContentType")).startswith("multipart/"):
        return  # a boundary is new in each request
    yield spelled_difference(bytes(one.body), bytes(other.body))


def rule_for(found: Difference, one: Call, other: Call, matcher: Matcher) -> str:
    """What to write under [match] so that two calls have two keys."""
    rules = matcher.rules
    name = _NAMES.get(found.place)
    if name is not None:
        members = ", ".join(f'"{known}"' for known in (*rules.members, name))
        return f"Tell them apart under [match]: members = [{members}]"
    for stricter, advice in _stricter(rules):
        if body_differences(other, one, matcher=Matcher(stricter)):
            return f"Tell them apart under [match]: {advice}"
    return 'Tell them apart under [match]: body = "bytes"'


def _stricter(rules: MatchRules) -> Iterator[tuple[MatchRules, str]]:
    """The rules without one of the things that leave out, and how to write that."""
    if rules.body == "ignore":
        yield MatchRules(), 'body = "meaning"'
    if rules.round_digits is not None:
        yield replace(rules, round_digits=None, custom=()), "a larger round_digits, or none"
    for path in rules.ignore_paths:
        left = tuple(other for other in rules.ignore_paths if other != path)
        yield replace(rules, ignore_paths=left, custom=()), f'ignore_paths without "{path}"'
    for preset in rules.presets:
        left = tuple(other for other in rules.presets if other != preset)
        yield replace(rules, presets=left, custom=()), f'presets without "{preset}"'
    if rules.images == "pixels":
        yield replace(rules, images="bytes", custom=()), 'images = "bytes"'


# --- how bodies are written -------------------------------------------------------------------------------------------


class _Literal(str):
    """A number as it is written."""


def spelled_difference(one: bytes, other: bytes) -> Difference:
    """Where two bodies that mean the same are written differently: the first number, else the bytes as a whole."""
    if max(len(one), len(other)) <= SPELLED_MAX_BYTES:
        try:
            first, second = (json.loads(body, parse_int=_Literal, parse_float=_Literal) for body in (one, other))
            found = _first_literal(first, second, "$")
        except (ValueError, RecursionError):
            found = None  # no JSON, or nested too deeply to walk: the bytes are what is left to name
        if found is not None:
            return found
    return Difference("body, its bytes", f"{len(one)} bytes", f"{len(other)} bytes, spaced or ordered differently")


def _first_literal(one: Any, other: Any, place: str) -> Difference | None:
    if isinstance(one, _Literal) and isinstance(other, _Literal):
        return None if one == other else Difference(f"body, {place}", str(one), str(other), "equal numbers")
    pairs: Iterator[tuple[str, Any, Any]] = iter(())
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = ((f"{place}.{name}", one[name], other[name]) for name in one if name in other)
    elif isinstance(one, list) and isinstance(other, list):
        pairs = ((f"{place}[{i}]", *both) for i, both in enumerate(zip(one, other, strict=False)))
    found = (_first_literal(first, second, inner) for inner, first, second in pairs)
    return next((difference for difference in found if difference is not None), None)

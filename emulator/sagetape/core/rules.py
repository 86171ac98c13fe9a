"""What a user adds to the scrubbing: headers, JSON paths, patterns, and the fingerprints of false alarms.

Rules only ever add. The built-in list of what is stored and what is masked (`core/scrub.py`) has no switch, because a
list that a user's own replaces has leaked before (https://github.com/Kludex/cassetter/issues/85). The rules are stored
in the cassette and applied the same way at replay, before matching.

A pattern is refused when it could take exponential time (a repeated group with a repetition or a choice inside), or
when it would match the constant that it leaves behind.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

from .errors import ConfigError
from .paths import parse_path
from .values import valueclass

SCRUBBED: Final = "scrubbed"
"""What stands in the place of everything that a user's rule takes out."""

PATTERN_CHARS_MAX: Final = 500
PATTERN_GROUPS_MAX: Final = 10
REPETITIONS_MAX: Final = 12
RULES_MAX: Final = 200  # of one kind; far beyond what anybody reviews

_QUANTIFIER = re.compile(r"[*+?]|\{[0-9]*,?[0-9]*\}")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")


@valueclass(frozen=True, slots=True)
class ScrubRules:
    """Checked when made: `ConfigError` lists every problem at once."""

    headers: tuple[str, ...] = ()
    """Headers, or members by their name in the service model, whose value becomes `scrubbed`."""
    json_paths: tuple[str, ...] = ()
    """Places in JSON and JSON Lines bodies, in the language of `core/paths.py`, whose value becomes `"scrubbed"`."""
    patterns: tuple[str, ...] = ()
    """Regular expressions; what they match in a text body or a header becomes `scrubbed`."""
    allowed: tuple[str, ...] = ()
    """Fingerprints of findings that are no secrets."""

    def __post_init__(self) -> None:
        problems = [
            *(p for kind in fields(self) for p in _problems_of_list(kind.name, getattr(self, kind.name))),
            *(p for name in self.headers for p in _problems_of_header(name)),
            *(p for path in self.json_paths for p in _problems_of_path(path)),
            *(p for pattern in self.patterns for p in problems_of_pattern(pattern)),
            *(p for mark in self.allowed for p in _problems_of_fingerprint(mark)),
        ]
        if problems:
            raise ConfigError(problems)

    def as_dict(self) -> dict[str, list[str]]:
        """Plain data for the cassette's header; empty kinds are left out."""
        return {kind.name: list(values) for kind in fields(self) if (values := getattr(self, kind.name))}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ScrubRules:
        """The inverse. Raises `ConfigError` for an unknown key, with the nearest known one, and for a wrong type."""
        known = [kind.name for kind in fields(cls)]
        problems = [_unknown(key, known) for key in data if key not in known]
        for key in known:
            value = data.get(key, ())
            if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(v, str) for v in value):
                problems.append(f"The scrub rule {key!r} is not a list of texts. Write {key} = [...] with texts in it.")
        if problems:
            raise ConfigError(problems)
        return cls(**{key: tuple(data[key]) for key in known if key in data})

    def merge(self, other: ScrubRules) -> ScrubRules:
        """Both together: a rule of either holds."""
        return ScrubRules(
            **{k.name: tuple(dict.fromkeys((*getattr(self, k.name), *getattr(other, k.name)))) for k in fields(self)}
        )


def problems_of_pattern(pattern: str) -> list[str]:
    """Sentences about a pattern that cannot be used; none when it can."""
    if len(pattern) > PATTERN_CHARS_MAX:
        return [
            f"The scrub pattern {pattern[:40]!r}... is longer than {PATTERN_CHARS_MAX} characters. Split it in two."
        ]
    try:
        compiled = re.compile(pattern, re.ASCII)
    except (re.error, RecursionError, OverflowError) as error:
        return [f"The scrub pattern {pattern!r} is not a regular expression: {error}. Correct it."]
    if compiled.groups > PATTERN_GROUPS_MAX:
        return [f"The scrub pattern {pattern!r} has more than {PATTERN_GROUPS_MAX} groups. Use (?:...) or split it."]
    if compiled.match(""):
        return [f"The scrub pattern {pattern!r} matches the empty text, that is, everywhere. Use + in place of *."]
    if compiled.sub(SCRUBBED, SCRUBBED) != SCRUBBED:
        return [f"The scrub pattern {pattern!r} matches inside its own replacement {SCRUBBED!r}. Make it longer."]
    return _problems_of_repetition(pattern)


def _problems_of_repetition(pattern: str) -> list[str]:
    nested, repetitions = measure_repetition(pattern)
    if nested:
        return [
            f"The scrub pattern {pattern!r} repeats a group that repeats or chooses, which can take exponential time. "
            "Repeat a class instead: [ab]+ in place of (a|b)+."
        ]
    if repetitions > REPETITIONS_MAX:
        return [f"The scrub pattern {pattern!r} has more than {REPETITIONS_MAX} repetitions. Split it in two."]
    return []


def measure_repetition(pattern: str) -> tuple[bool, int]:
    """Whether a repeated group repeats or chooses inside, and the number of repetitions. For patterns that compile."""
    groups = [False]  # for every open group: does it hold a repetition or a choice
    closed = False  # the same, for the group that has just been closed
    nested, repetitions, position = False, 0, 0
    while position < len(pattern):
        character = pattern[position]
        found = _QUANTIFIER.match(pattern, position) if position else None
        if found is not None:
            repeats = found[0] not in ("?", "{1}", "{0,1}")
            nested = nested or (closed and repeats)
            repetitions += repeats
            groups[-1] = groups[-1] or repeats or closed
            position, closed = found.end(), False
            position += pattern[position : position + 1] in ("?", "+")  # lazy and possessive forms
            continue
        closed = character == ")" and len(groups) > 1 and groups.pop()
        if closed:
            groups[-1] = True
        elif character == "(":
            groups.append(False)
            position += pattern.startswith("(?", position)  # that question mark repeats nothing
        elif character == "|":
            groups[-1] = True
        position = _after_atom(pattern, position)
    return nested, repetitions


def _after_atom(pattern: str, position: int) -> int:
    """Where the next atom starts: an escape is two characters, a class goes up to its bracket."""
    if pattern[position] == "\\":
        return position + 2
    if pattern[position] != "[":
        return position + 1
    position += 1 + pattern.startswith("[^", position)
    position += pattern.startswith("]", position)  # a bracket that comes first is a member of the class
    while position < len(pattern) and pattern[position] != "]":
        position += 2 if pattern[position] == "\\" else 1
    return position + 1


def _problems_of_list(name: str, values: object) -> list[str]:
    if not isinstance(values, tuple) or len(values) > RULES_MAX:
        return [f"The scrub rule {name!r} is not a list of at most {RULES_MAX} texts. Shorten it."]
    return []


def _problems_of_header(name: str) -> list[str]:
    if _HEADER.fullmatch(name):
        return []
    return [f"The scrub rule names a header {name!r}, which is no name of a header. Write one, without the colon."]


def _problems_of_path(path: str) -> list[str]:
    try:
        parse_path(path)
    except ConfigError as error:
        return error.problems
    return []


def _problems_of_fingerprint(mark: str) -> list[str]:
    if _FINGERPRINT.fullmatch(mark):
        return []
    return [f"The allowed fingerprint {mark!r} is not 16 hexadecimal digits. Copy it from the finding."]


def _unknown(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.0)
    return f"Unknown scrub rule {key!r}. The nearest is {near[0]!r}; known are {', '.join(known)}."

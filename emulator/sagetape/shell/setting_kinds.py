"""The kinds of values that a setting can have: each reads a flag's or variable's text, and judges a TOML value.

A kind raises ValueError with the rest of a sentence ("must be ..., not ..."); whoever asks adds the place. No kind
opens a file or looks at the environment.
"""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from ..core.values import valueclass
from ..core.wire import INSTANT_MAX


class Kind(Protocol):
    """How one setting's value is read."""

    @property
    def metavar(self) -> str:
        """What stands for the value in a help text."""

    def from_text(self, text: str) -> Any:
        """The value that a flag or a variable spells. Raises ValueError."""

    def from_toml(self, value: object) -> Any:
        """The value that the configuration file holds, judged. Raises ValueError."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` when a known name is near, else an empty string."""
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown_key(key: str, known: Iterable[str], *, owner: str = "") -> str:
    """What is said about a key that means nothing."""
    text = f"unknown key {key!r}{f' of {owner}' if owner else ''}{suggestion(key, known)}"
    return f"{sentence(text)} Correct the name or remove it."


def sentence(text: str) -> str:
    """The text with the stop it needs: a question has its own."""
    return text if text.endswith(("?", ".")) else f"{text}."


@valueclass(frozen=True, slots=True)
class Text:
    """A string that matches a pattern as a whole."""

    metavar: str = "TEXT"
    pattern: str = r"(?s).+"
    described: str = "a text that is not empty"

    def from_text(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"must be {self.described}, not {text!r}")
        return text

    def from_toml(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be {self.described} in quotes, not {value!r}")
        return self.from_text(value)


@valueclass(frozen=True, slots=True)
class Number:
    """A number within limits, whole or not."""

    minimum: float = -math.inf
    maximum: float = math.inf
    whole: bool = False

    @property
    def metavar(self) -> str:
        return "N" if self.whole else "NUMBER"

    @property
    def described(self) -> str:
        noun = "a whole number" if self.whole else "a number"
        if self.minimum == -math.inf:
            return noun
        if self.maximum == math.inf:
            return f"{noun} of at least {self.minimum:g}"
        return f"{noun} from {self.minimum:g} to {self.maximum:g}"

    def from_text(self, text: str) -> int | float:
        try:
            return self.judged(int(text) if self.whole else float(text))
        except ValueError:
            raise ValueError(f"must be {self.described}, not {text!r}") from None

    def from_toml(self, value: object) -> int | float:
        wanted = int if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise ValueError(f"must be {self.described}, not {value!r}")
        return self.judged(value if self.whole else float(value))

    def judged(self, number: int | float) -> int | float:
        """The number itself, when it is finite and within the limits."""
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum:
            raise ValueError(f"must be {self.described}, not {number!r}")
        return number


@valueclass(frozen=True, slots=True)
class Span:
    """A length of time with its unit, in seconds: `90d`, `12h`, `30m`, `45s`."""

    metavar: str = "TIME"

    def from_text(self, text: str) -> float:
        found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([dhms])", text.strip(), re.ASCII)
        if found is None:
            raise ValueError(f"must be a number with d, h, m or s, such as 90d, not {text!r}")
        return float(found[1]) * {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}[found[2]]

    def from_toml(self, value: object) -> float:
        if not isinstance(value, str):
            raise ValueError(f'must be a time in quotes, such as "90d", not {value!r}')
        return self.from_text(value)


SWITCH_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


@valueclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    metavar: str = ""

    def from_text(self, text: str) -> bool:
        value = SWITCH_WORDS.get(text.strip().lower())
        if value is None:
            raise ValueError(f"must be one of {', '.join(SWITCH_WORDS)}, not {text!r}")
        return value

    def from_toml(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be true or false, not {value!r}")
        return value


@valueclass(frozen=True, slots=True)
class Choice:
    """One of a few names."""

    names: tuple[str, ...]

    @property
    def metavar(self) -> str:
        return "[" + "|".join(self.names) + "]"

    def from_text(self, text: str) -> str:
        if text not in self.names:
            raise ValueError(f"must be one of {', '.join(self.names)}, not {text!r}{suggestion(text, self.names)}")
        return text

    def from_toml(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"must be one of {', '.join(self.names)} in quotes, not {value!r}")
        return self.from_text(value)


@valueclass(frozen=True, slots=True)
class FilePath:
    """A path, as it is written: who resolves the layers knows relative to what."""

    metavar: str = "PATH"

    def from_text(self, text: str) -> Path:
        if not text or "\0" in text:
            raise ValueError(f"must be a path, not {text!r}")
        return Path(text)

    def from_toml(self, value: object) -> Path:
        if not isinstance(value, str):
            raise ValueError(f"must be a path in quotes, not {value!r}")
        return self.from_text(value)


@valueclass(frozen=True, slots=True)
class Clock:
    """`real`, `virtual`, or the ISO time (with a zone) at which a virtual clock starts."""

    metavar: str = "real|virtual|TIME"

    def from_text(self, text: str) -> str:
        if text in ("real", "virtual"):
            return text
        try:
            instant = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(
                f"must be real, virtual or an ISO time such as 2026-01-15T12:00:00Z, not {text!r}"
                f"{suggestion(text, ('real', 'virtual'))}"
            ) from None
        if instant.tzinfo is None:
            raise ValueError(f"must name its zone, as in {text}Z; {text!r} would be another instant on every machine")
        if not 0 <= instant.timestamp() <= INSTANT_MAX:
            raise ValueError(f"must be from 1970 to 9999 in UTC, not {text!r}")
        return text

    def from_toml(self, value: object) -> str:
        if isinstance(value, datetime.datetime):  # TOML has times of its own, without quotes
            return self.from_text(value.isoformat())
        if not isinstance(value, str):
            raise ValueError(f"must be real, virtual or an ISO time, not {value!r}")
        return self.from_text(value)


@valueclass(frozen=True, slots=True)
class Several:
    """A tuple of values of one kind. A flag is repeated; a variable holds them with a separator between."""

    kind: Kind
    separator: str = ","

    @property
    def metavar(self) -> str:
        return self.kind.metavar

    def from_text(self, text: str) -> tuple[Any, ...]:
        return tuple(self.kind.from_text(part.strip()) for part in text.split(self.separator) if part.strip())

    def from_toml(self, value: object) -> tuple[Any, ...]:
        return tuple(self.kind.from_toml(part) for part in (value if isinstance(value, list) else [value]))


@valueclass(frozen=True, slots=True)
class Fault:
    """A rule of a fault, as in `throttle:probability=0.1,endpoint=churn`. A file's table is judged elsewhere."""

    metavar: str = "FAULT[:NAME=VALUE,...]"

    def from_text(self, text: str) -> Any:
        from ..core.errors import ConfigError
        from ..core.faults.parsing import parse_text

        try:
            return parse_text(text)
        except ConfigError as error:
            raise ValueError(" ".join(p.removeprefix(f"--fault {text}: ") for p in error.problems)) from None

    def from_toml(self, value: object) -> Any:
        if not isinstance(value, dict):
            raise ValueError(f"must be tables, each under [[faults]], not {value!r}")
        return value


@valueclass(frozen=True, slots=True)
class Table:
    """A TOML table or list of tables, passed on as it is: the room that owns it judges what is inside."""

    kind: type
    metavar: str = "TABLE"

    def from_text(self, text: str) -> Any:
        raise ValueError(f"is a table of the configuration file and cannot be written as {text!r}")

    def from_toml(self, value: object) -> Any:
        if not isinstance(value, self.kind):
            raise ValueError(f"must be {'a list of tables' if self.kind is list else 'a table'}, not {value!r}")
        return value

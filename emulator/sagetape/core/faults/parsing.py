"""Rules from text and from tables: the configuration, the admin API and the command line.

Decides what a rule may say. Lists all problems at once, each with the nearest name that would have worked; the names
and ranges are those of the kinds' own parameters and of `Selector`.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigError
from . import KINDS
from .kind import Kind, Parameter, parameters_of
from .selection import Rule, Selector

SELECTORS = parameters_of(Selector)
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def parse_rule(values: Mapping[str, object], *, place: str = "fault") -> Rule:
    """A rule from a table such as `{"fault": "throttle", "endpoint": "churn", "probability": 0.1}`.

    `place` begins every problem, as in `sagetape.toml:31`. Raises ConfigError with all problems.
    """
    problems: list[str] = []
    kind = _kind(values.get("fault"), place, problems)
    if kind is None:
        raise ConfigError(problems)
    own = {one.name: one for one in kind.table()}
    # A fault's own parameter wins over a selector of the same name; no kind has one that is also a selector's.
    known = {one.name: one for one in SELECTORS} | own
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name == "fault" or (name == "id" and isinstance(value, str)):
            continue
        if name not in known:
            problems.append(f"{place}: {kind.name} has no parameter {name!r}.{_nearest(name, known)}")
        else:
            checked[name] = _checked(known[name], value, place=f"{place}: {name} of {kind.name}", problems=problems)
    if problems:
        raise ConfigError(problems)
    parameters = kind.parameters(**{name: value for name, value in checked.items() if name in own})
    selector = Selector(**{name: value for name, value in checked.items() if name not in own})
    return Rule(kind.name, parameters, selector, id=str(values.get("id") or ""))


def parse_rules(tables: Iterable[Mapping[str, object]], *, place: str = "faults") -> list[Rule]:
    """Rules from several tables. Raises ConfigError with the problems of all."""
    rules, problems = [], []
    for number, values in enumerate(tables, 1):
        try:
            rules.append(parse_rule(values, place=f"{place}[{number}]"))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return rules


def parse_text(text: str, *, place: str = "") -> Rule:
    """A rule from a text such as `throttle:probability=0.1,endpoint=churn`.

    `place` begins every problem; by default it is the option of the command line. A value with a comma stands in
    double quotes, where `\\\\` makes the next character itself. Raises ConfigError.
    """
    place = place or f"--fault {text}"
    name, _, rest = text.partition(":")
    values: dict[str, object] = {"fault": name.strip()}
    problems = []
    for piece in _pieces(rest):
        key, equals, value = piece.partition("=")
        if not equals:
            problems.append(f"{place}: {piece.strip()!r} has no value. Write {piece.strip()}=VALUE.")
        elif key.strip() in values:
            problems.append(f"{place}: {key.strip()} is there twice. Leave one out.")
        values[key.strip()] = _unquoted(value.strip())
    if problems:
        raise ConfigError(problems)
    return parse_rule(values, place=place)


def written(rule: Rule) -> dict[str, object]:
    """A rule as the table that it can be parsed from, without what is at its default."""
    values: dict[str, object] = {"id": rule.id, "fault": rule.fault}
    for source, table in ((rule.selector, SELECTORS), (rule.parameters, KINDS[rule.fault].table())):
        found = {one.name: getattr(source, one.name) for one in table}
        values |= {one.name: found[one.name] for one in table if found[one.name] != one.default}
    return values


def _kind(name: object, place: str, problems: list[str]) -> Kind | None:
    if not isinstance(name, str) or not name:
        problems.append(f"{place}: no fault is named. Say fault = one of {', '.join(KINDS)}.")
        return None
    if name not in KINDS:
        problems.append(f"{place}: there is no fault {name!r}.{_nearest(name, KINDS)}")
    return KINDS.get(name)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(names)}."


def _checked(parameter: Parameter, value: object, *, place: str, problems: list[str]) -> Any:
    """The value in the parameter's type; a problem, and None, where it is none or out of range."""
    made = _READERS[parameter.type](value)
    if made is None:
        problems.append(f"{place}: {value!r} is not a {parameter.type}. {parameter.doc}")
    elif parameter.choices and made not in parameter.choices:
        problems.append(f"{place}: {value!r} is not possible.{_nearest(str(made), parameter.choices)}")
    elif not _is_in_range(parameter, made):
        low = "any" if parameter.low is None else f"{parameter.low:g}"
        high = "any" if parameter.high is None else f"{parameter.high:g}"
        problems.append(f"{place}: {value!r} is out of range, which is from {low} to {high}. {parameter.doc}")
    return made


def _is_in_range(parameter: Parameter, made: Any) -> bool:
    if parameter.low is not None and made < parameter.low:
        return False
    return parameter.high is None or made <= parameter.high


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        made = float(value)
    except (ValueError, OverflowError):  # not a number: reported by the caller, with its place
        return None
    return made if math.isfinite(made) else None


def _whole(value: object) -> int | None:
    made = _number(value)
    return int(made) if made is not None and made.is_integer() else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _flag(value: object) -> bool | None:
    text = str(value).lower()
    return True if text in _TRUE else False if text in _FALSE else None


_READERS = {"number": _number, "whole number": _whole, "text": _text, "yes or no": _flag}


def _pieces(text: str) -> list[str]:
    """The text cut at commas that stand in no quotes."""
    pieces, current, is_quoted, is_escaped = [], "", False, False
    for character in text:
        if character == "," and not is_quoted:
            pieces.append(current)
            current = ""
            continue
        is_quoted ^= character == '"' and not is_escaped
        is_escaped = character == "\\" and not is_escaped
        current += character
    return [piece for piece in (*pieces, current) if piece.strip()]


def _unquoted(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    kept, is_escaped = "", False
    for character in value[1:-1]:
        is_escaped = character == "\\" and not is_escaped
        kept += "" if is_escaped else character
    return kept

"""JSON Schema, as much of it as the admin API speaks: schemas are made here, and values are judged by them.

The same schema checks a request and stands in the OpenAPI document, so that the two cannot differ. Knows the keywords
that the builders below write, and no others. Source: JSON Schema, draft 2020-12, which OpenAPI 3.1 uses.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ..setting_kinds import suggestion

Schema: TypeAlias = dict[str, Any]


def text(doc: str = "", *, choices: Sequence[str] = (), pattern: str = "") -> Schema:
    """A text; `pattern` matches all of it."""
    limits: Schema = {"enum": list(choices)} if choices else {}
    if pattern:
        limits["pattern"] = f"^(?:{pattern})$"
    return _schema("string", doc, limits)


def number(doc: str = "", *, low: float | None = None, high: float | None = None) -> Schema:
    """Any finite number from `low` to `high`, both included."""
    return _schema("number", doc, _range(low, high))


def whole(doc: str = "", *, low: int | None = None, high: int | None = None) -> Schema:
    """A whole number from `low` to `high`, both included."""
    return _schema("integer", doc, _range(low, high))


def flag(doc: str = "") -> Schema:
    """True or false."""
    return _schema("boolean", doc, {})


def listed(items: Schema, doc: str = "") -> Schema:
    """An array of one kind of values."""
    return _schema("array", doc, {"items": items})


def table(properties: Mapping[str, Schema], doc: str = "", *, optional: Sequence[str] = ()) -> Schema:
    """An object with these properties and no others; all but `optional` are there."""
    required = [name for name in properties if name not in optional]
    limits = {"properties": dict(properties), "required": required, "additionalProperties": False}
    return _schema("object", doc, limits)


def mapping(values: Schema, doc: str = "") -> Schema:
    """An object with any names and one kind of values."""
    return _schema("object", doc, {"additionalProperties": values})


def open_table(properties: Mapping[str, Schema], doc: str, *, required: Sequence[str]) -> Schema:
    """An object whose further properties somebody else judges."""
    limits = {"properties": dict(properties), "required": list(required), "additionalProperties": True}
    return _schema("object", doc, limits)


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {**schema, "type": [schema["type"], "null"]}


def anything(doc: str = "") -> Schema:
    """Any JSON value."""
    return {"description": doc} if doc else {}


def _schema(kind: str, doc: str, limits: Schema) -> Schema:
    return {"type": kind, **limits, **({"description": doc} if doc else {})}


def _range(low: float | None, high: float | None) -> Schema:
    return ({} if low is None else {"minimum": low}) | ({} if high is None else {"maximum": high})


# --- judging -----------------------------------------------------------------------------------------------------

_IS: Final[dict[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
    "null": lambda value: value is None,
}
_NAMES: Final = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
    "null": "null",
}


def faults_of(schema: Schema, value: Any, *, place: str = "the body") -> Iterator[str]:
    """A sentence for everything in a value that the schema does not allow; nothing when it is as it should be."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_IS[kind](value) for kind in kinds):
        yield f"{place} is {_shown(value)}. It must be {' or '.join(_NAMES[kind] for kind in kinds)}."
    elif isinstance(value, dict):
        yield from _table_faults(schema, value, place)
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from faults_of(schema.get("items", {}), item, place=f"{place}[{position}]")
    elif value is not None:
        yield from _limit_faults(schema, value, place)


def _table_faults(schema: Schema, value: dict[str, Any], place: str) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    prefix = "" if place == "the body" else f"{place}."
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{prefix}{name} is missing. {properties.get(name, {}).get('description', '')}".rstrip()
    for name, item in value.items():
        if name in properties:
            yield from faults_of(properties[name], item, place=f"{prefix}{name}")
        elif isinstance(others, dict):
            yield from faults_of(others, item, place=f"{prefix}{name}")
        elif not others:
            near = suggestion(name, properties) or f"; there are: {', '.join(properties) or 'none'}"
            yield f"{prefix}{name} means nothing here{near}. Correct the name or leave it out."


def _limit_faults(schema: Schema, value: Any, place: str) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is {_shown(value)}. It must be one of: {', '.join(map(str, schema['enum']))}."
    if "pattern" in schema and re.search(schema["pattern"], value) is None:
        yield f"{place} is {_shown(value)}. It must match {schema['pattern']}."
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and value < low) or (high is not None and value > high):
        yield f"{place} is {_shown(value)}. It must be {_span(low, high)}."


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {high}"
    return f"from {low} to {high}"


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."

"""`docs/matching.md` says what the code does: its rules are read, its pairs compared, its tables complete."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from sagetape.core.matching import DEFAULT_MEMBERS, OPTIONAL_MEMBERS, Matcher, MatchRules
from sagetape.core.presets import PRESETS
from sagetape.core.rules import ScrubRules
from sagetape.core.wire import Call

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "matching.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)(?: file=\S+)?\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
TABLES = [tomllib.loads(text) for kind, text in BLOCKS if kind == "toml"]
PAIRS = [
    tuple(map(str.strip, line.split(" | ")))
    for kind, text in BLOCKS
    if kind == "pairs"
    for line in text.split("\n")
    if line
]


def call_of(content_type: str, body: bytes) -> Call:
    return Call("InvokeEndpoint", "churn", {"ContentType": content_type}, body, hashlib.sha256(body).digest())


def test_rules_of_the_page_are_rules() -> None:
    """Every table is read; the first one is the default members and CustomAttributes."""
    for table in TABLES:
        MatchRules.from_dict(table.get("match", {}))
        ScrubRules.from_dict(table.get("scrub", {}))
    assert TABLES[0]["match"]["members"] == [*DEFAULT_MEMBERS, "CustomAttributes"]
    assert {key for table in TABLES for key in table.get("scrub", {})} == {one.name for one in fields(ScrubRules)}


@pytest.mark.parametrize(("content_type", "one", "other", "word"), PAIRS)
def test_pair_of_the_page_has_the_keys_it_says(content_type: str, one: str, other: str, word: str) -> None:
    """`equal` is one key, `different` is two."""
    keys = {Matcher(MatchRules()).key(call_of(content_type, body.encode())) for body in (one, other)}
    assert len(keys) == {"equal": 1, "different": 2}[word]


def test_page_names_every_key_preset_and_member() -> None:
    """A rule that the page does not mention is one that nobody finds."""
    for name in [*(one.name for one in fields(MatchRules)), *(one.name for one in fields(ScrubRules)), *PRESETS]:
        assert f"| `{name}` |" in PAGE, name
    for path in (path for preset in PRESETS.values() for path in (*preset.request, *preset.answer)):
        assert f"`{path}`" in PAGE, path
    for name in OPTIONAL_MEMBERS:
        assert f"`{name}`" in PAGE, name


def test_function_of_the_page_makes_the_key() -> None:
    """Only the first word counts, as the rules beside it say."""
    scope: dict[str, object] = {}
    (text,) = (text for kind, text in BLOCKS if kind == "python")
    exec(text, scope)
    rules = next(MatchRules.from_dict(table["match"]) for table in TABLES if table.get("match", {}).get("custom"))
    matcher = Matcher(rules, custom=[scope["first_word"]])  # type: ignore[list-item]
    one, other, third = (matcher.key(call_of("text/plain", body)) for body in (b"rain a", b"rain b", b"snow a"))
    assert one == other != third

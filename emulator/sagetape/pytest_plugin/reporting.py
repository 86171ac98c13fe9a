"""What a test's reports carry: a section to read, properties for JUnit, the verdict as data."""

from __future__ import annotations

from typing import Final

import pytest

from .decks import TestDeck

TITLE = "Sagetape"
ADDED: Final[pytest.StashKey[list[tuple[str, object]]]] = pytest.StashKey()


def add_properties(item: pytest.Item, deck: TestDeck, when: str) -> None:
    """JUnit's properties of the test; pytest writes those that are there when the test has been torn down."""
    verdict = deck.verdict_at_end
    if when != "teardown" or verdict is None:
        return
    found: list[tuple[str, object]] = [("sagetape_verdict", verdict.word)]
    found += [(f"sagetape_{source}", count) for source, count in sorted(verdict.counts.items())]
    saved = {"sagetape_seconds_saved": verdict.seconds_saved, "sagetape_money_saved": verdict.money_saved}
    found += [(name, value) for name, value in saved.items() if value]
    before = item.stash.get(ADDED, [])  # of an earlier run of the same test
    item.user_properties[:] = [*(one for one in item.user_properties if one not in before), *found]
    item.stash[ADDED] = found


def annotate(report: pytest.TestReport, deck: TestDeck) -> None:
    """Puts the section into a failed report, and the verdict into the last one."""
    if report.failed:
        text = deck.section()
        if text:
            report.sections.append((TITLE, text))
    if report.when == "teardown":
        report.sagetape_test = True  # type: ignore[attr-defined]
    if report.when == "teardown" and deck.verdict_at_end is not None:
        report.sagetape = deck.verdict_at_end.as_dict()  # type: ignore[attr-defined]
        deck.verdict_at_end = None

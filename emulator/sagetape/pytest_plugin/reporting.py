"""What a test's reports carry: a section to read, properties for JUnit, the verdict as data."""

from __future__ import annotations

from typing import Final

import pytest

from .decks import TestDeck
from .run import Run

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


def annotate(report: pytest.TestReport, deck: TestDeck, run: Run) -> None:
    """Puts the section into a failed report, and says in the last one that the test had a deck."""
    if report.failed:
        text = deck.section()
        if text:
            report.sections.append((TITLE, text))
    if report.failed or (report.skipped and hasattr(report, "wasxfail")):
        deck.settle(is_failed=report.failed)
    if report.when == "teardown":
        report.sagetape_test = True  # type: ignore[attr-defined]
        run.forget(deck.forgotten())
        deck.verdict_at_end = None


def send(report: pytest.TestReport, run: Run) -> None:
    """Puts what is known of all decks that have ended into the report, whichever tests they belong to."""
    report.sagetape = run.take_untold()  # type: ignore[attr-defined]

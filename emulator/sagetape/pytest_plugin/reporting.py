"""What a test's reports carry: a section to read, properties for JUnit, the verdict as data."""

from __future__ import annotations

import pytest

from .decks import TestDeck
from .run import Run

TITLE = "Sagetape"


def add_properties(item: pytest.Item, deck: TestDeck, when: str) -> None:
    """JUnit's properties of the test; pytest writes those that are there when the test has been torn down."""
    verdict = deck.verdict_at_end
    if when != "teardown" or verdict is None:
        return
    item.user_properties.append(("sagetape_verdict", verdict.word))
    for source, count in sorted(verdict.counts.items()):
        item.user_properties.append((f"sagetape_{source}", count))
    if verdict.seconds_saved:
        item.user_properties.append(("sagetape_seconds_saved", verdict.seconds_saved))
    if verdict.money_saved:
        item.user_properties.append(("sagetape_money_saved", verdict.money_saved))


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

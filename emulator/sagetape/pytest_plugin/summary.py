"""The verdict of a run on the terminal and in files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from ..core.reports.html import html_report
from ..core.verdict import RunVerdict, damage_text
from ..version import __version__

ROWS_MAX: Final = 15
WORDS: Final = ("hit", "partial", "miss", "live", "idle")


def print_summary(reporter: Any, verdict: RunVerdict, *, is_strict: bool, is_failed: bool) -> None:
    """The section at the end, like coverage's."""
    if not verdict.verdicts and not verdict.notes:
        return
    reporter.section("sagetape")
    for line in lines_of(verdict):
        reporter.write_line(line)
    complaints = verdict.complaints
    for text in complaints[:ROWS_MAX]:
        reporter.write_line(f"{'FAILED' if is_strict else 'warning'}: {text}")
    if len(complaints) > ROWS_MAX:
        reporter.write_line(f"and {len(complaints) - ROWS_MAX} more; all are in --sagetape-report=FILE.html")
    if is_failed:
        reporter.write_line(f"{len(complaints)} findings fail this run (--sagetape-strict)", red=True, bold=True)
    for text in verdict.notes:
        reporter.write_line(f"note: {text}")


def lines_of(verdict: RunVerdict) -> Iterable[str]:
    """Tests by word, requests by source, cassettes, what was saved."""
    words = ", ".join(f"{verdict.words[word]} {word}" for word in WORDS if word in verdict.words)
    counts = ", ".join(f"{count} {source}" for source, count in sorted(verdict.counts.items()))
    if verdict.verdicts:
        yield f"tests: {words}" + (f"; requests: {counts}" if counts else "")
    kept = sum(one.kept for one in verdict.verdicts)
    if kept:
        yield f"recorded: {kept} interaction{'' if kept == 1 else 's'}"
    uses = verdict.cassettes
    if uses:
        width = max(len(use.path) for use in uses[:ROWS_MAX])
        yield f"{'cassette':<{width}}  played   of"
        for use in uses[:ROWS_MAX]:
            yield f"{use.path:<{width}}  {len(use.played):>6}  {use.total:>3}"
        if len(uses) > ROWS_MAX:
            yield f"and {len(uses) - ROWS_MAX} more"
    if verdict.damage:
        yield damage_text(len(verdict.damage))
    if verdict.seconds_saved or verdict.money_saved:
        money = f" and {verdict.money_saved:g} in calls" if verdict.money_saved else ""
        yield f"saved: {verdict.seconds_saved:g} seconds of waiting{money}"


def write_reports(verdict: RunVerdict, paths: Iterable[Path]) -> None:
    """One file for each path, in the form that its name's end says."""
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".html":
            path.write_text(html_report(verdict, version=__version__), "utf-8", "backslashreplace")
        else:
            report = {"version": __version__, **verdict.as_dict()}
            path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")

"""The verdict of a run on the terminal and in files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ..core.meaning.comparison import counted
from ..core.reports.html import html_report
from ..core.verdict import RunVerdict, damage_text
from ..testing import VERDICTS
from ..version import __version__
from .options import unwritable

if TYPE_CHECKING:
    from .run import Run

ROWS_MAX: Final = 15
WORDS: Final = ("hit", "partial", "miss", "live", "idle")


def print_summary(reporter: Any, run: Run) -> None:
    """The section at the end, like coverage's."""
    verdict, is_strict = run.verdict, run.options.is_strict
    if not verdict.verdicts and not verdict.notes and not run.failures:
        return
    reporter.section("sagetape")
    for line in lines_of(verdict, tests=len(run.config.stash[VERDICTS].tests), unmerged=run.unmerged):
        reporter.write_line(line)
    for text in run.failures:
        reporter.write_line(f"FAILED: {text}", red=True, bold=True)
    complaints = verdict.complaints
    for text in complaints[:ROWS_MAX]:
        reporter.write_line(f"{'FAILED' if is_strict else 'warning'}: {text}")
    if len(complaints) > ROWS_MAX:
        reporter.write_line(f"and {len(complaints) - ROWS_MAX} more; all are in --sagetape-report=FILE.html")
    if run.is_failed:
        count = f"{len(complaints)} finding fails" if len(complaints) == 1 else f"{len(complaints)} findings fail"
        reporter.write_line(f"{count} this run (--sagetape-strict)", red=True, bold=True)
    for text in verdict.notes:
        reporter.write_line(f"note: {text}")


def lines_of(verdict: RunVerdict, *, tests: int, unmerged: int) -> Iterable[str]:
    """Tests by word, requests by source, cassettes, what was saved. A deck that several tests share counts once."""
    words = ", ".join(f"{verdict.words[word]} {word}" for word in WORDS if word in verdict.words)
    counts = ", ".join(f"{count} {source}" for source, count in sorted(verdict.counts.items()))
    if verdict.verdicts:
        shared = "" if tests <= len(verdict.verdicts) else f"{tests} on {counted(len(verdict.verdicts), 'deck')}: "
        yield f"tests: {shared}{words}" + (f"; requests: {counts}" if counts else "")
    kept = sum(one.kept for one in verdict.verdicts) - unmerged
    if kept > 0:
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


def write_reports(verdict: RunVerdict, paths: Iterable[Path]) -> Iterator[str]:
    """One file for each path, in the form that its name's end says; a sentence for each that cannot be written."""
    for path in paths:
        try:
            write_report(verdict, path)
        except OSError as error:
            yield unwritable(path, error)


def write_report(verdict: RunVerdict, path: Path) -> None:
    """One report. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".html":
        path.write_text(html_report(verdict, version=__version__), "utf-8", "backslashreplace")
    else:
        report = {"version": __version__, **verdict.as_dict()}
        path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")

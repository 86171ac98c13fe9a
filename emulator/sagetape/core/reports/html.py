"""A run's verdict as one HTML page: no script, no outside font, image or style, readable from a CI artifact.

Every text is escaped, and a content security policy in the page forbids what could be loaded or run if one were not.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Final

from ..verdict import RunVerdict, Verdict

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .6rem; margin: .4rem 0; }
.word { border-radius: .6rem; padding: 0 .5rem; border: 1px solid #8886; }
.hit { background: #2a22; } .miss { background: #d222; } .live { background: #d822; } .partial { background: #dd22; }
"""


def html_report(verdict: RunVerdict, *, version: str) -> str:
    """The page."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Sagetape: verdict of a test run</title><style>{STYLE}</style></head><body>",
        "<h1>Verdict of a test run</h1>",
        overview(verdict),
        listing("Findings", verdict.complaints),
        listing("Notes", verdict.notes),
        cassettes(verdict),
        tests(verdict),
        f"<p>Sagetape {text(version)}</p></body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def overview(verdict: RunVerdict) -> str:
    """Counts, and what was saved."""
    rows = [
        ("Tests", ", ".join(f"{count} {word}" for word, count in sorted(verdict.words.items())) or "none"),
        ("Requests", ", ".join(f"{count} {source}" for source, count in sorted(verdict.counts.items())) or "none"),
        ("Saved", f"{verdict.seconds_saved:g} seconds of waiting, {verdict.money_saved:g} in calls"),
    ]
    cells = "".join(f"<tr><th>{text(name)}</th><td>{text(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def listing(title: str, lines: Iterable[str]) -> str:
    """A heading and a list; nothing when the list is empty."""
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<h2>{text(title)}</h2><ul>{items}</ul>" if items else ""


def cassettes(verdict: RunVerdict) -> str:
    """How much of every cassette was played."""
    rows = "".join(
        f'<tr><td>{text(use.path)}</td><td class="number">{len(use.played)}</td>'
        f'<td class="number">{use.total}</td></tr>'
        for use in verdict.cassettes
    )
    head = '<tr><th>Cassette</th><th class="number">played</th><th class="number">of</th></tr>'
    return f"<h2>Cassettes</h2><table>{head}{rows}</table>" if rows else ""


def tests(verdict: RunVerdict) -> str:
    """One row for every test, with its misses."""
    rows = "".join(map(row, verdict.verdicts))
    head = "<tr><th>Test</th><th>Verdict</th><th>Requests</th><th class='number'>Seconds saved</th></tr>"
    return f"<h2>Tests</h2><table>{head}{rows}</table>" if rows else ""


def row(one: Verdict) -> str:
    """One test."""
    counts = ", ".join(f"{count} {source}" for source, count in sorted(one.counts.items()))
    details = "".join(f"<pre>{text(line)}</pre>" for line in (*one.misses, *one.failures))
    blocked = "".join(f"<p>Blocked: {text(where)}</p>" for where in one.blocked)
    shown = f"<details open><summary>Why</summary>{details}{blocked}</details>" if details or blocked else ""
    return (
        f'<tr><td>{text(one.name)}{shown}</td><td><span class="word {one.word}">{one.word}</span></td>'
        f'<td>{text(counts)}</td><td class="number">{one.seconds_saved:g}</td></tr>'
    )


def text(value: str) -> str:
    """A text as HTML shows it: escaped, and control characters as what they are called."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in value)
    return escape(shown, quote=True)

"""What a server says at its end: one line of totals, the warnings, what nothing had announced; and the exit code."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Container
from copy import deepcopy
from typing import Any

from ..core.values import valueclass
from ..core.verdict import RunVerdict, damage_text, struck_text, unreached_text, withheld_text
from .app import App
from .assembly import Assembly
from .decks import Past

FINDINGS_MAX = 50  # of a verdict on one line; the counts tell the rest


@valueclass(frozen=True, slots=True)
class Ended:
    """Everything that counts when a server has ended."""

    totals: dict[str, int]
    """Requests by source."""
    past: Past
    """All decks together."""

    def fields(self) -> dict[str, Any]:
        """The summary for a machine."""
        return {
            "requests": sum(self.totals.values()),
            **self.totals,
            "kept": self.past.kept,
            "withheld": self.past.withheld,
            "damage": len(self.past.damage),
            "damaged_places": list(self.past.damage)[:FINDINGS_MAX],
            "failures": self.past.failures,
            "unreached": self.past.unreached,
            "struck": self.past.struck,
            "warned": len(self.past.warnings),
            "unexpected_decks": self.past.unexpected,
        }

    def text(self) -> str:
        """The summary for a person."""
        requests = sum(self.totals.values())
        parts = ", ".join(f"{count} {source}" for source, count in sorted(self.totals.items()))
        kept = f"; {self.past.kept} kept" if self.past.kept else ""
        kept += f"; {withheld_text(self.past.withheld)}" if self.past.withheld else ""
        struck = f"; {struck_text(self.past.struck)}" if self.past.struck else ""
        damage = f"; {damage_text(len(self.past.damage))}" if self.past.damage else ""
        noun = "request" if requests == 1 else "requests"
        return f"sagetape ended: {requests} {noun}{f' ({parts})' if parts else ''}{kept}{struck}{damage}"


def ended(app: App, assembly: Assembly, failures: list[str]) -> Ended:
    """What all decks of a server amount to; `failures` are of closing files."""
    past = deepcopy(assembly.decks.past)
    past.failures[:0] = failures
    for player in assembly.decks:
        past.add(player)
    totals: Counter[str] = Counter()
    for (source, _, _), count in past.answers.items():
        totals[source] += count
    # One with a space is a warning's text; what the admin API refuses was no call.
    calls = (code for code in app.refused if " " not in code and not code.startswith("SagetapeAdmin"))
    refused = sum(app.refused[code] for code in calls)
    if refused:
        totals["refused"] += refused
    return Ended(dict(totals), past)


def sum_up(
    app: App, assembly: Assembly, failures: list[str], *, is_interrupted: bool, verdict: RunVerdict | None = None
) -> int:
    """Prints what happened on standard error; the exit code."""
    found = ended(app, assembly, failures)
    judged = {} if verdict is None else judged_fields(verdict, told={*found.past.unreached, *found.past.damage})
    text = json.dumps({"event": "ended", **found.fields(), **judged}) if assembly.settings.json else found.text()
    sys.stderr.write(text + "\n")
    for name in found.past.unexpected:
        sys.stderr.write(f"note: deck {name} was made by a request's path alone; was its name meant?\n")
    for failure, count in found.past.unreached.items():
        sys.stderr.write(f"warning: {unreached_text(failure, count)}\n")
    for warning, count in found.past.warnings.items():
        word = "error" if assembly.settings.strict else "warning"
        sys.stderr.write(f"{word}: {warning}" + (f" ({count} times)\n" if count > 1 else "\n"))
    return 130 if is_interrupted else exit_code(found, is_strict=assembly.settings.strict)


def judged_fields(verdict: RunVerdict, *, told: Container[str]) -> dict[str, Any]:
    """What a verdict adds for the program that reads the line: texts and lists, no counts of requests, and nothing
    that is `told` in a field of its own."""
    played = [{"path": one.path, "interactions": one.total, "played": len(one.played)} for one in verdict.cassettes]
    texts = (text.removeprefix(": ") for text in verdict.complaints)
    return {"cassettes": played, "findings": [text for text in texts if text not in told][:FINDINGS_MAX]}


def exit_code(found: Ended, *, is_strict: bool) -> int:
    """7 for secrets, 6 for what could not be written, under --strict also read, 3 for misses and warnings."""
    if found.past.secrets:
        return 7
    if found.past.failures or (is_strict and (found.totals.get("damaged") or found.past.damage)):
        return 6
    return 3 if is_strict and (found.totals.get("miss") or found.past.warnings) else 0

"""The rows of the report, and the Markdown that is printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One case. `measured` is a ratio unless its unit stands beside it."""

    case: str
    measured: str
    target: str = ""
    met: bool | None = None
    """None where no target is set, or nothing could be measured."""
    detail: str = ""

    def cells(self) -> tuple[str, ...]:
        verdict = {None: "", True: "yes", False: "**no**"}[self.met]
        return tuple(cell.replace("|", "\\|") for cell in (self.case, self.measured, self.target, verdict, self.detail))


def at_least(case: str, value: float, target: float, *, detail: str = "") -> Row:
    """A row whose figure is good when it is large."""
    return Row(case, f"{value:.2f}", f">= {target:g}", value >= target, detail)


def at_most(case: str, value: float, target: float, *, detail: str = "", unit: str = "") -> Row:
    """A row whose figure is good when it is small."""
    return Row(case, f"{value:.2f}{unit}", f"<= {target:g}{unit}", value <= target, detail)


HEAD = ("| case | measured | target | met | detail |", "|---|---:|---:|---|---|")


def line(row: Row) -> str:
    """One line of the table."""
    return f"| {' | '.join(row.cells())} |"

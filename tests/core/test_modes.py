"""The table of modes against a truth table that was written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagetape.core.modes import MISS_POLICIES, MODES, RECORD_MODES, Where, mode_for, outcome

TABLE = json.loads((Path(__file__).parents[1] / "golden" / "modes.json").read_text())
COLUMNS = ("recorded", *MISS_POLICIES)


@pytest.mark.parametrize(("row", "column"), [(row, n) for row in TABLE["rows"] for n in range(4)])
def test_outcome_is_the_truth_tables(row: list[object], column: int) -> None:
    """Every cell of the table holds."""
    name, had, where, *expected = row
    mode = mode_for(str(name), had_recordings=bool(had))
    policy = "fail" if column == 0 else COLUMNS[column]
    found = outcome(mode, is_recorded=column == 0, where=Where(where), miss_policy=policy)
    assert expected[column] == found.value


def test_truth_table_covers_every_mode_and_place() -> None:
    """No mode and no kind of upstream is left out of the table."""
    covered = {(row[0], row[2]) for row in TABLE["rows"]}
    assert {(name, where.value) for name in (*RECORD_MODES, *MODES) for where in Where} == covered


def test_mode_rewrite_alone_replaces() -> None:
    """Only rewrite replaces the old file, and only verify compares."""
    assert [mode.name for mode in MODES.values() if mode.replaces] == ["rewrite"]
    assert [mode.name for mode in MODES.values() if mode.compares] == ["verify"]

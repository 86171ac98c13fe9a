"""Ages as users write them, and as they are told."""

from __future__ import annotations

import pytest

from sagetape.shell.recorders import day, span_text
from sagetape.shell.setting_kinds import Span


@pytest.mark.parametrize(
    ("text", "seconds"), [("90d", 7_776_000.0), ("12h", 43_200.0), ("1.5m", 90.0), (" 45s ", 45.0), ("0d", 0.0)]
)
def test_span_is_read_with_its_unit(text: str, seconds: float) -> None:
    """In flags, variables and the file alike."""
    assert Span().from_text(text) == Span().from_toml(text) == seconds


@pytest.mark.parametrize("text", ["90", "d", "-1d", "1w", "1e3d", "٣d", "1d2h", ""])
def test_what_is_no_span_is_refused_with_an_example(text: str) -> None:
    """A number without a unit could be anything."""
    with pytest.raises(ValueError, match="such as 90d"):
        Span().from_text(text)


def test_number_in_the_file_is_no_span() -> None:
    """It has no unit either."""
    with pytest.raises(ValueError, match="in quotes"):
        Span().from_toml(90)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7_776_000.0, "90 days"), (86_400.0, "1 day"), (5400.0, "1.5 hours"), (60.0, "1 minute"), (1.0, "1 second")],
)
def test_span_is_told_in_its_own_unit(seconds: float, text: str) -> None:
    """Not as thousandths of a day."""
    assert span_text(seconds) == text


def test_day_of_an_impossible_time_is_a_number() -> None:
    """A hostile cassette may say any time; nothing breaks."""
    assert day(0.0) == "1970-01-01"
    assert day(1e300) == "1e+300 s"

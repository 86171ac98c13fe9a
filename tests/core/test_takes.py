"""Which of several recorded answers comes next."""

from __future__ import annotations

import pytest

from sagetape.core.takes import Takes

KEY = b"k" * 16


def numbers(takes: Takes, count: int, recorded: list[int], invocation_id: str | None = None) -> list[int | None]:
    return [takes.choose(KEY, recorded, invocation_id=invocation_id).number for _ in range(count)]


@pytest.mark.parametrize(
    ("exhausted", "expected"),
    [
        ("last", [4, 7, 9, 9, 9]),
        ("cycle", [4, 7, 9, 4, 7]),
        ("miss", [4, 7, 9, None, None]),
    ],
)
def test_takes_play_in_recorded_order_and_then_as_set(exhausted: str, expected: list[int | None]) -> None:
    """Three takes, five calls, for each of the three settings."""
    assert expected == numbers(Takes(exhausted=exhausted), 5, [4, 7, 9])


def test_takes_of_different_keys_do_not_count_together() -> None:
    """A call with another key does not use up a turn."""
    takes = Takes()
    takes.choose(b"other", [1, 2], invocation_id=None)
    assert numbers(takes, 2, [4, 7]) == [4, 7]


def test_takes_repeat_for_an_sdk_retry() -> None:
    """The same invocation id gets the same take, whatever came in between."""
    takes = Takes()
    first = takes.choose(KEY, [4, 7], invocation_id="a").number
    second = takes.choose(KEY, [4, 7], invocation_id="b").number
    again = takes.choose(KEY, [4, 7], invocation_id="a").number
    assert (first, second, again) == (4, 7, 4)


def test_takes_follow_a_recorded_retry() -> None:
    """Where the recorded caller repeated too (a 503, then a 200), a repeat gets what its repeat got."""
    takes = Takes(is_retry=lambda number: number == 7)
    attempts = numbers(takes, 3, [4, 7, 9], invocation_id="a")
    assert attempts == [4, 7, 7]
    assert takes.choose(KEY, [4, 7, 9], invocation_id="b").number == 9


def test_takes_mark_what_is_served_again() -> None:
    """The guard needs to know that a take was served after the last."""
    takes = Takes()
    turns = [takes.choose(KEY, [4], invocation_id=None) for _ in range(2)]
    assert [turn.is_again for turn in turns] == [False, True]


def test_takes_exhausted_under_miss_says_so() -> None:
    """A miss because everything was served is told apart from a miss because nothing was recorded."""
    takes = Takes(exhausted="miss")
    assert not takes.choose(KEY, [], invocation_id=None).is_exhausted
    takes.choose(KEY, [4], invocation_id=None)
    assert takes.choose(KEY, [4], invocation_id=None).is_exhausted


def test_takes_play_once_per_run_while_recording() -> None:
    """Served once, then forwarded; and what was just recorded is not played either."""
    takes = Takes(once_per_run=True)
    assert numbers(takes, 2, [4]) == [4, None]
    takes.skip_to_end(KEY, 2)
    assert numbers(takes, 1, [4, 9]) == [None]


def test_takes_reset_starts_over() -> None:
    """After a reset everything plays from the first take, for a known invocation id too."""
    takes = Takes()
    numbers(takes, 2, [4, 7], invocation_id="a")
    takes.reset()
    assert numbers(takes, 1, [4, 7], invocation_id="a") == [4]

"""Two recordings that grew from one: what merges, what conflicts, and what changed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from exchange_samples import ORIGIN, interaction

from sagetape.core.cassette import CassetteSettings
from sagetape.core.differences import Tolerances
from sagetape.core.merging import Kept, compare_recordings, merge
from sagetape.core.merging.settings import longer_memory, merge_settings
from sagetape.core.wire import SessionMark


def kept(name: str, answer: bytes = b'{"label":"stays"}', at: float = 1.0, **options: object) -> Kept:
    body = f'{{"id":"{name}"}}'.encode()
    one = interaction(body, answer, origin=replace(ORIGIN, recorded_at=at), **options)
    return Kept(one, name.encode().ljust(16))


A, B, C = kept("a"), kept("b"), kept("c")


def test_merge_takes_what_each_side_added() -> None:
    """New recordings of two branches stand side by side, without a conflict."""
    merged = merge([A], [A, B], [A, C])
    assert merged.recording == (A, B, C)
    assert merged.conflicts == ()
    assert merged.taken_from_theirs == 1


def test_merge_takes_what_one_side_changed_or_deleted() -> None:
    """The side that did something wins over the side that did nothing."""
    changed = kept("a", b'{"label":"leaves"}')
    assert merge([A, B], [A, B], [changed]).recording == (changed,)
    assert merge([A, B], [A, B], [changed]).taken_from_theirs == 2
    assert merge([A, B], [changed], [A, B]).recording == (changed,)


def test_merge_of_the_same_recording_made_twice_is_no_conflict() -> None:
    """When and how fast something was recorded is not a change; ours keeps its provenance."""
    mine, yours = kept("b", at=5.0), kept("b", at=9.0)
    merged = merge([], [mine], [yours])
    assert merged.recording == (mine,)
    assert merged.conflicts == ()


@pytest.mark.parametrize("favor", ["ours", "theirs"])
def test_merge_of_two_different_answers_is_a_conflict(favor: str) -> None:
    """One side is kept whole, and the conflict names the request and the first difference."""
    mine, yours = kept("a", b'{"score":0.1}'), kept("a", b'{"score":0.7}')
    merged = merge([A], [mine, B], [yours, C], favor=favor)
    assert merged.recording == ((mine if favor == "ours" else yours), B, C)
    (conflict,) = merged.conflicts
    assert "InvokeEndpoint churn" in str(conflict)
    assert "ours 0.1, theirs 0.7" in str(conflict)
    assert str(conflict).endswith(f"{favor} was kept")


def test_merge_never_mixes_takes_of_one_key() -> None:
    """Their order chooses at replay, so a third take on both sides is a conflict, not two more takes."""
    mine, yours = kept("a", b"2"), kept("a", b"3")
    merged = merge([A], [A, mine], [A, yours])
    assert merged.recording == (A, mine)
    assert "take 2" in str(merged.conflicts[0])


def test_deletion_against_a_change_is_a_conflict() -> None:
    """Neither the deletion nor the new answer wins in silence."""
    changed = kept("a", b"new")
    merged = merge([A], [], [changed])
    assert merged.recording == ()
    assert "deleted in ours, recorded anew in theirs" in str(merged.conflicts[0])
    assert merge([A], [], [changed], favor="theirs").recording == (changed,)


def test_recorded_sessions_merge_whole() -> None:
    """Two sessions that open with the same request are two sessions; steps of one lane are never mixed."""

    def step(lane: str, number: int, answer: bytes) -> Kept:
        return kept(f"step{number}", answer, session=SessionMark(lane, number))

    one, other = [step("x", 0, b"x"), step("x", 1, b"x1")], [step("y", 0, b"y"), step("y", 1, b"y1")]
    merged = merge([], one, other)
    assert merged.conflicts == ()
    assert merged.recording == (*one, *other)
    redone = [one[0], step("x", 1, b"different")]
    conflict = merge([], one, redone)
    assert conflict.recording == tuple(one)
    assert "session x" in str(conflict.conflicts[0])


def test_merge_does_not_depend_on_the_side_when_nothing_conflicts() -> None:
    """Random edits of random units on two sides, each unit edited by one side at most: both directions agree."""
    draw = random.Random(7)
    for _ in range(100):
        names = [f"n{i}" for i in range(8)]
        base = {name: kept(name) for name in names[:5]}
        ours, theirs = dict(base), dict(base)
        for name in names:
            side = draw.choice([ours, theirs, None])
            if side is None:
                continue
            if name in base and draw.random() < 0.4:
                del side[name]
            else:
                side[name] = kept(name, str(draw.random()).encode())
        forth = merge(base.values(), ours.values(), theirs.values())
        back = merge(base.values(), theirs.values(), ours.values())
        assert forth.conflicts == back.conflicts == ()
        assert set(map(str, forth.recording)) == set(map(str, back.recording))
        expected = {n: (ours if ours.get(n) != base.get(n) else theirs).get(n) for n in names}
        assert {k.key.strip().decode(): k for k in forth.recording} == {n: k for n, k in expected.items() if k}


# --- headers --------------------------------------------------------------------------------------------------------


def test_headers_merge_by_adding_rules_and_choosing_values() -> None:
    """Scrub rules and allowed fingerprints of both sides hold; a seed that one side changed is taken."""
    base = CassetteSettings(scrub={"headers": ["A"]}, seed=1)
    ours = replace(base, scrub={"headers": ["A", "B"]}, allowed=("1" * 16,))
    theirs = replace(base, seed=2, scrub={"patterns": ["secret-[0-9]+"]}, allowed=("2" * 16,))
    merged, conflicts = merge_settings(base, ours, theirs)
    assert conflicts == []
    assert merged.seed == 2
    assert merged.scrub == {"headers": ["A", "B"], "patterns": ["secret-[0-9]+"]}
    assert merged.allowed == ("1" * 16, "2" * 16)


def test_header_values_that_both_sides_changed_are_conflicts() -> None:
    """One side's is kept, and it is said which."""
    base = CassetteSettings(seed=1)
    merged, conflicts = merge_settings(base, replace(base, seed=2), replace(base, seed=3))
    assert merged.seed == 2
    assert [conflict.what for conflict in conflicts] == ["seed"]


def test_memories_of_accounts_merge_when_one_continues_the_other() -> None:
    """The longer memory serves both recordings; other numbers for the same accounts are a conflict."""
    assert longer_memory(["own", "a"], ["", "a", "b"]) == ["own", "a", "b"]
    assert longer_memory([], ["own"]) == ["own"]
    assert longer_memory(["own", "a"], ["own", "b"]) is None
    assert longer_memory(["own"], ["other"]) is None
    base = CassetteSettings()
    one, other = (replace(base, initial={"accounts": ["own", mark]}) for mark in "ab")
    merged, conflicts = merge_settings(base, one, other)
    assert merged.initial == {"accounts": ["own", "a"]}
    assert [conflict.what for conflict in conflicts] == ["accounts"]


# --- comparison -----------------------------------------------------------------------------------------------------


def test_comparison_tells_added_removed_and_changed() -> None:
    """By key and take; the difference is told by meaning."""
    changed = kept("b", b'{"label":"leaves"}')
    changes = compare_recordings([A, B], [changed, C])
    assert [(change.kind, change.what) for change in changes] == [
        ("removed", "InvokeEndpoint churn"),
        ("changed", "InvokeEndpoint churn"),
        ("added", "InvokeEndpoint churn"),
    ]
    assert [difference.place for difference in changes[1].differences] == ["$.label"]


def test_comparison_sees_no_change_in_time_speed_and_tolerance() -> None:
    """A recording made later, or a number within the tolerance, is the same."""
    assert compare_recordings([kept("a", at=1)], [kept("a", at=2)]) == []
    one, other = kept("a", b'{"p":0.50}'), kept("a", b'{"p":0.51}')
    assert len(compare_recordings([one], [other])) == 1
    assert compare_recordings([one], [other], tolerances=Tolerances(absolute=0.02)) == []

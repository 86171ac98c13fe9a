"""The index in instalments: a killed recorder costs the next start no walk, and a wrong checkpoint only costs one."""

from __future__ import annotations

import gc
import random
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
from independent_tape import frames, interactions
from tape_samples import interaction, key_of

from sagetape.core.checkpoints import EVERY_BYTES, EVERY_COUNT, FANOUT
from sagetape.core.framing import CHECKPOINT, INDEX, frame
from sagetape.shell.store import Cassette, compact, verify


def one(number: int, *, answer: bytes = b"") -> tuple:
    """An interaction and its key; its body is stored apart."""
    text = b"%d " % number
    return interaction(text, text * 40 + answer, endpoint=f"e{number % 5}"), key_of(number)


def record(cassette: Cassette, numbers: range) -> None:
    for number in numbers:
        cassette.append(*one(number))


def kinds(path: Path) -> list[int]:
    return [found["kind"] for found in frames(path.read_bytes())[0]]


def facts(path: Path, *, use_index: bool = True) -> tuple:
    """Everything that opening knows; without the index it is walked."""
    if not use_index:
        data, plain = path.read_bytes(), path.with_suffix(".plain")
        kept = [found for found in frames(data)[0] if found["kind"] not in (7, 10, 11)]
        plain.write_bytes(b"".join(data[found["at"] : found["end"]] for found in kept))
        path = plain
    with Cassette.open(path) as cassette:
        assert cassette.report.has_index == use_index
        summaries = [(s.number, s.key, s.endpoint, s.request_bytes, s.response_bytes) for s in cassette.summaries()]
        takes = [list(cassette.takes(key_of(number))) for number in range(0, len(cassette) + 60, 7)]
        bodies = [cassette.read(number).script for number in list(cassette.numbers())[::97]]
        return summaries, takes, bodies, cassette.settings.allowed


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that a recorder left behind after some checkpoints, with amendments between them."""
    path = tmp_path_factory.mktemp("killed") / "a.tape"
    cassette = Cassette.open(path, writable=True)
    record(cassette, range(EVERY_COUNT + 10))
    cassette.allow(["first"])
    record(cassette, range(EVERY_COUNT + 10, EVERY_COUNT * 3))
    cassette.append(*one(7, answer=b"again"))
    cassette.append(*one(11, answer=b"new"))
    cassette.allow(["second"])
    record(cassette, range(EVERY_COUNT * 3, EVERY_COUNT * 4 + 30))
    cassette.discard()
    return path


def test_killed_recorder_costs_no_walk(killed: Path) -> None:
    """After a kill all but the last few hundred interactions are known from checkpoints, and all is as walking says."""
    assert kinds(killed).count(INDEX) == 1
    assert kinds(killed).count(CHECKPOINT) == 3
    with Cassette.open(killed) as cassette:
        since = cassette.contents.since
        assert since is not None
        assert len(cassette.contents.index) - since.first <= EVERY_COUNT
    assert facts(killed) == facts(killed, use_index=False)
    assert verify(killed).is_sound
    assert len(interactions(killed.read_bytes())) == len(facts(killed)[0])


def test_recording_goes_on_after_a_kill(killed: Path, tmp_path: Path) -> None:
    """The next recorder continues the row of checkpoints; a clean close after it is found at the end of the file."""
    path = tmp_path / "b.tape"
    path.write_bytes(killed.read_bytes())
    for start in (10_000, 20_000):
        cassette = Cassette.open(path, writable=True)
        record(cassette, range(start, start + EVERY_COUNT + 5))
        if start == 10_000:
            cassette.discard()
        else:
            cassette.close()
        assert facts(path) == facts(path, use_index=False)
        assert verify(path).is_sound


def test_large_index_is_left_behind_and_built_upon(tmp_path: Path) -> None:
    """Recording a little into a large cassette writes a little: the old index stays, a checkpoint follows it."""
    path = tmp_path / "a.tape"
    with Cassette.open(path, writable=True) as cassette:
        cassette.writes_checkpoints = False
        record(cassette, range(EVERY_COUNT * 2))
    size = path.stat().st_size
    for number in range(3):
        with Cassette.open(path, writable=True) as cassette:
            record(cassette, range(50_000 + number, 50_001 + number))
    assert kinds(path).count(INDEX) == 1
    assert kinds(path).count(CHECKPOINT) == 3
    assert path.stat().st_size - size < 5_000
    assert facts(path) == facts(path, use_index=False)
    with Cassette.open(path, writable=True) as cassette:
        record(cassette, range(60_000, 60_000 + EVERY_COUNT * 2))
    assert kinds(path)[-2:] == [INDEX, 10]  # most of it was new: one index for all
    assert facts(path) == facts(path, use_index=False)
    compact(path)
    assert (kinds(path).count(INDEX), kinds(path).count(CHECKPOINT)) == (1, 0)


def test_large_bodies_are_marked_by_bytes(tmp_path: Path) -> None:
    """A few large answers reach a checkpoint too: it is looked for backwards, over a bounded number of bytes."""
    path = tmp_path / "a.tape"
    cassette = Cassette.open(path, writable=True)
    record(cassette, range(EVERY_COUNT))
    noise = random.Random(1).randbytes(EVERY_BYTES // 4)
    for number in range(6):
        cassette.append(*one(1000 + number, answer=noise + b"%d" % number))
    cassette.discard()
    assert kinds(path).count(CHECKPOINT) == 1
    with Cassette.open(path) as cassette:
        assert cassette.report.has_index
        assert len(cassette) == EVERY_COUNT + 6


@pytest.mark.parametrize("kind", [INDEX, CHECKPOINT])
def test_damaged_checkpoint_only_costs_a_walk(killed: Path, tmp_path: Path, kind: int) -> None:
    """A flipped bit anywhere in a checkpoint or in the index below: everything is still served, and verify tells."""
    data, path = killed.read_bytes(), tmp_path / "b.tape"
    struck = next(found for found in frames(data)[0] if found["kind"] == kind)
    expected = facts(killed)
    chance = random.Random(kind)
    places = [struck["at"] + place for place in range(0, 40, 9)]
    for at in [*places, *(chance.randrange(struck["at"], struck["end"]) for _ in range(4))]:
        damaged = bytearray(data)
        damaged[at] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with Cassette.open(path) as cassette:
            found = [(s.number, s.key, s.endpoint, s.request_bytes, s.response_bytes) for s in cassette.summaries()]
        assert found == expected[0], at
        assert not verify(path).is_sound, at
        path.unlink()


def test_file_cut_at_a_checkpoint_keeps_what_came_before(killed: Path, tmp_path: Path) -> None:
    """Cut before, inside and behind each checkpoint, a file serves just the whole records before the cut."""
    data, path = killed.read_bytes(), tmp_path / "b.tape"
    for found in frames(data)[0]:
        if found["kind"] in (INDEX, CHECKPOINT):
            for length in (found["at"] + 20, found["end"] - 1, found["end"]):
                path.write_bytes(data[:length])
                with Cassette.open(path) as cassette:
                    assert len(cassette) == len(interactions(data[:length])), length


def wrong_place(values: dict) -> None:
    values["at"] += 1


def forward(values: dict) -> None:
    values["previous"] = values["at"]


def loop(values: dict) -> None:
    values["previous"] = 0


def too_many(values: dict) -> None:
    values["count"] += 1


def other_start(values: dict) -> None:
    values["first"] -= 1


@pytest.mark.parametrize("change", [wrong_place, forward, loop, too_many, other_start])
def test_hostile_checkpoint_is_not_believed(killed: Path, tmp_path: Path, change: Callable[[dict], None]) -> None:
    """A checkpoint with right checksums that says what cannot be: the file is walked, and verify tells."""
    data, path = killed.read_bytes(), tmp_path / "b.tape"
    found = [one for one in frames(data)[0] if one["kind"] == CHECKPOINT][-1]
    values = msgpack.unpackb(found["payload"])
    change(values)
    payload = msgpack.packb(values, use_bin_type=True)
    cut = len(payload) - found["tail"]
    made = b"".join(bytes(part) for part in frame(CHECKPOINT, payload[:cut], tail=payload[cut:]))
    path.write_bytes(data[: found["at"]] + made + data[found["end"] :])
    with Cassette.open(path) as cassette:
        assert not cassette.report.has_index
        assert len(cassette) == len(facts(killed)[0])
    assert not verify(path).is_sound


def test_sharing_recorders_keep_each_others_checkpoints(tmp_path: Path) -> None:
    """Two recorders that take turns never cut off what the other wrote, its index in the middle included."""
    path = tmp_path / "a.tape"
    with Cassette.open(path, writable=True, shared=True) as first:
        with Cassette.open(path, writable=True, shared=True) as second:
            for number in range(EVERY_COUNT * 2 + 20):
                (first, second)[number % 2].append(*one(number))
        assert INDEX in kinds(path)
        record(first, range(5000, 5003))
    assert verify(path).is_sound
    with Cassette.open(path) as cassette:
        assert len(cassette) == EVERY_COUNT * 2 + 23


# --- checkpoints that take the place of others ------------------------------------------------------------------


SMALL = 4
"""Interactions between two checkpoints here, so that a small file has three generations of them."""


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after few interactions."""
    for module in ("core.checkpoints", "shell.store.cassette", "shell.store.contents"):
        monkeypatch.setattr(f"sagetape.{module}.EVERY_COUNT", SMALL)


def row(path: Path) -> list[dict]:
    """The checkpoints from which opening makes the index, the last first, read as cassettes/README.md says."""
    found = {one["at"]: one for one in frames(path.read_bytes())[0]}
    at = max(one["at"] for one in found.values() if one["kind"] in (INDEX, CHECKPOINT))
    taken = []
    while found[at]["kind"] == CHECKPOINT:
        taken.append(msgpack.unpackb(found[at]["payload"]))
        at = taken[-1]["previous"]
    return taken


def record_generations(path: Path, *, count: int = SMALL * FANOUT * FANOUT + SMALL * 21) -> None:
    """A recorder that was killed after three generations of checkpoints, with changes that they must carry on."""
    cassette = Cassette.open(path, writable=True)
    for number in range(count):
        cassette.append(*one(number))
        if number % 150 == 20:
            cassette.allow([f"alarm {number}"])
            cassette.append(*one(number - 3, answer=b"new"))
    cassette.discard()


@pytest.mark.usefixtures("often")
def test_row_of_checkpoints_stays_short(tmp_path: Path) -> None:
    """However many checkpoints were written, opening reads a few: later ones take the place of their predecessors."""
    path = tmp_path / "a.tape"
    record_generations(path)
    written, taken = kinds(path).count(CHECKPOINT), row(path)
    assert written > FANOUT * FANOUT
    assert len(taken) <= 2 * FANOUT
    assert sum(one["count"] for one in taken) > SMALL * FANOUT * FANOUT
    assert {one["count"] // (SMALL * FANOUT) for one in taken} >= {0, 1}
    assert facts(path) == facts(path, use_index=False)
    assert verify(path).is_sound


@pytest.mark.usefixtures("often")
def test_merged_checkpoint_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One append waits while a merged checkpoint is sorted, so none holds more than its limit."""
    path, limit = tmp_path / "a.tape", SMALL * FANOUT * 2
    monkeypatch.setattr("sagetape.core.checkpoints.MERGED_MAX", limit)
    record_generations(path)
    taken = row(path)
    assert SMALL * (FANOUT - 1) <= max(one["count"] for one in taken) <= limit + SMALL * 2
    assert len(taken) > FANOUT // 2
    assert facts(path) == facts(path, use_index=False)


def test_appending_adds_no_work_for_the_collector(tmp_path: Path) -> None:
    """A full collection walks every container: one per interaction cost 80 ms at 100,000."""
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        record(cassette, range(100))
        gc.collect()
        before = len(gc.get_objects())
        record(cassette, range(100, 1100))
        gc.collect()
        assert len(gc.get_objects()) - before < 500


@pytest.mark.usefixtures("often")
def test_recording_goes_on_over_generations_of_checkpoints(tmp_path: Path) -> None:
    """Recorders that are killed and closed in turns keep one short row, and it says what walking says."""
    path = tmp_path / "a.tape"
    for start in range(0, 1200, 60):
        cassette = Cassette.open(path, writable=True)
        record(cassette, range(start, start + 60 - start % 7))
        cassette.append(*one(start, answer=b"again"))
        (cassette.close if start % 240 == 120 else cassette.discard)()
        assert facts(path) == facts(path, use_index=False), start
    assert len(row(path)) <= 2 * FANOUT
    assert verify(path).is_sound


@pytest.mark.usefixtures("often")
def test_torn_or_flipped_generation_falls_back(tmp_path: Path) -> None:
    """Every checkpoint of a row in turn torn, and flipped: what the records say is served, and the flip is told."""
    path, broken = tmp_path / "a.tape", tmp_path / "b.tape"
    record_generations(path, count=SMALL * FANOUT * 3)
    data, whole = path.read_bytes(), frames(path.read_bytes())[0]
    for found in [one for one in whole if one["kind"] in (INDEX, CHECKPOINT)]:
        for length in (found["at"] + 39, found["end"] - 1, found["end"]):
            broken.write_bytes(data[:length])
            with Cassette.open(broken) as cassette:
                numbers = [cassette.contents.index.columns["offsets"][number] for number in cassette.numbers()]
                assert len(numbers) == len(interactions(data[:length])), length
                assert cassette.report.torn_bytes == (length - found["at"]) % (found["end"] - found["at"])
        flipped = bytearray(data)
        flipped[(found["at"] + 40 + found["end"]) // 2] ^= 4
        broken.write_bytes(flipped)
        with Cassette.open(broken) as cassette:
            assert [cassette.key(number) for number in cassette.numbers()] == [key for key, _ in interactions(data)]
        assert not verify(broken).is_sound


@pytest.mark.usefixtures("often")
def test_sharing_recorders_agree_on_generations(tmp_path: Path) -> None:
    """Two recorders in turns, each of which takes over the other's checkpoints: the file is as walking says."""
    path = tmp_path / "a.tape"
    with (
        Cassette.open(path, writable=True, shared=True) as first,
        Cassette.open(path, writable=True, shared=True) as second,
    ):
        for number in range(SMALL * FANOUT * 6):
            (first, second)[number % 3 == 0].append(*one(number))
    assert facts(path) == facts(path, use_index=False)
    assert len(row(path)) <= 2 * FANOUT
    assert verify(path).is_sound


@pytest.mark.usefixtures("often")
def test_row_of_old_checkpoints_still_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose checkpoints all continue the one right before, as the first version wrote them, opens by its row."""
    path = tmp_path / "a.tape"
    with monkeypatch.context() as patched:
        patched.setattr("sagetape.core.checkpoints.FANOUT", 10**6)
        record(cassette := Cassette.open(path, writable=True), range(SMALL * 100))
        cassette.discard()
    assert len(row(path)) == 99
    assert facts(path) == facts(path, use_index=False)
    record(cassette := Cassette.open(path, writable=True), range(500, 500 + SMALL * 2))
    cassette.discard()
    assert len(row(path)) <= FANOUT
    assert facts(path) == facts(path, use_index=False)

"""Recording into a cassette and reading it again."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from tape_samples import (
    JSON,
    ORIGIN,
    SETTINGS,
    STREAM,
    call_of,
    interaction,
    key_of,
    recordings,
    streamed,
    write_sample,
)

from sagetape.core.errors import CassetteError, CassetteUnwritten
from sagetape.core.wire import Abort, Chunk, End, Head, Interaction, Pause, SessionMark
from sagetape.shell.store import Cassette, CassetteSettings, RewriteCassette, compact, verify

QUICK = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def read_all(path: Path) -> list[tuple[bytes, Interaction]]:
    with Cassette.open(path) as cassette:
        return [(cassette.key(number), cassette.read(number)) for number in cassette.numbers()]


def test_interaction_reads_as_it_was_kept(tmp_path: Path) -> None:
    """Every interaction of a closed cassette is equal to what was appended, in order."""
    kept = write_sample(tmp_path / "a.tape")
    assert read_all(tmp_path / "a.tape") == kept


@QUICK
@given(recordings)
def test_any_interactions_round_trip(tmp_path: Path, kept: list[tuple[bytes, Interaction]]) -> None:
    """What is appended is read, before and after closing, with and without an index, and by `script` alone."""
    path = tmp_path / "any.tape"
    path.unlink(missing_ok=True)
    with Cassette.open(path, writable=True, settings=SETTINGS) as cassette:
        for number, (key, one) in enumerate(kept):
            assert cassette.append(one, key) == number
            assert cassette.read(number) == one
    if kept:
        assert read_all(path) == kept
        assert verify(path).is_sound
        with Cassette.open(path) as cassette:
            assert [cassette.script(number) for number in cassette.numbers()] == [one.script for _, one in kept]


def test_takes_are_in_recorded_order(tmp_path: Path) -> None:
    """A key gives its interactions in the order in which they were kept, and an unknown key none."""
    write_sample(tmp_path / "a.tape")
    with Cassette.open(tmp_path / "a.tape") as cassette:
        assert list(cassette.takes(key_of("small"))) == [0, 4]
        assert list(cassette.takes(key_of("nothing"))) == []
        assert len(cassette) == 6


def test_summaries_need_no_body(tmp_path: Path) -> None:
    """Summaries are the same from the index and from walking, and agree with the interactions."""
    kept = write_sample(tmp_path / "a.tape")
    with Cassette.open(tmp_path / "a.tape") as cassette:
        assert cassette.report.has_index
        found = list(cassette.summaries())
        assert cassette.endpoints() == {"churn"}
    data = (tmp_path / "a.tape").read_bytes()
    (tmp_path / "b.tape").write_bytes(data[: data.rfind(b"\xc1TAP\x07")])
    with Cassette.open(tmp_path / "b.tape") as cassette:
        assert not cassette.report.has_index
        assert cassette.endpoints() == {"churn"}
        assert list(cassette.summaries()) == found
    for one, (key, value) in zip(found, kept, strict=True):
        answer = sum(len(step.data) for step in value.script if isinstance(step, Chunk))
        assert (one.key, one.request_bytes, one.response_bytes) == (key, len(value.call.body), answer)
        assert (one.session, one.status, one.is_complete) == (value.session, 200, True)


def test_volatile_names_of_a_call_are_not_stored(tmp_path: Path) -> None:
    """The request id and the invocation id of a call do not reach the file."""
    call = dataclasses.replace(call_of(b"q"), request_id="R" * 36, invocation_id="I" * 36)
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        cassette.append(Interaction(call, (Head(200), End()), ORIGIN), key_of(1))
    data = (tmp_path / "a.tape").read_bytes()
    assert b"RRRR" not in data
    assert b"IIII" not in data


def test_body_is_stored_once(tmp_path: Path) -> None:
    """A thousand interactions with the same large body hold it once; requests and answers share it."""
    body = os.urandom(60_000)
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        for number in range(1000):
            cassette.append(interaction(body, body), key_of(number))
    assert (tmp_path / "a.tape").stat().st_size < 600_000
    with Cassette.open(tmp_path / "a.tape") as cassette:
        assert cassette.read(999).call.body == body


def test_body_is_stored_once_across_openings(tmp_path: Path) -> None:
    """A body of an earlier recording is referred to, not written again."""
    body = os.urandom(60_000)
    for number in range(5):
        with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
            cassette.append(interaction(body), key_of(number))
    assert (tmp_path / "a.tape").stat().st_size < 65_000


def test_damaged_body_is_not_referred_to(tmp_path: Path) -> None:
    """A body whose stored copy is damaged is written again when it is recorded again."""
    body = os.urandom(60_000)
    path = tmp_path / "a.tape"
    with Cassette.open(path, writable=True) as cassette:
        cassette.append(interaction(body), key_of(1))
    data = bytearray(path.read_bytes())
    data[data.find(body) + 100] ^= 1
    path.write_bytes(data)
    with Cassette.open(path, writable=True) as cassette:
        number = cassette.append(interaction(body), key_of(2))
        assert cassette.read(number).call.body == body
        assert cassette.read(0).call.body == body


def test_compressible_body_is_compressed(tmp_path: Path) -> None:
    """Text shrinks in the file and is the same when read; noise is stored as it is and read without a copy."""
    text, noise = b'{"label": "stays", "score": 0.25}\n' * 3000, os.urandom(100_000)
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        cassette.append(interaction(answer=text), key_of(1))
        cassette.append(interaction(answer=noise), key_of(2))
    assert (tmp_path / "a.tape").stat().st_size < 110_000
    with Cassette.open(tmp_path / "a.tape") as cassette:
        packed, raw = (cassette.script(number)[1] for number in (0, 1))
        assert isinstance(packed, Chunk)
        assert isinstance(raw, Chunk)
        assert packed.data == text
        assert raw.data == noise
        assert isinstance(raw.data, memoryview)


def test_views_outlive_the_cassette(tmp_path: Path) -> None:
    """An answer that is being sent when the cassette is closed stays readable."""
    noise = os.urandom(100_000)
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        cassette.append(interaction(answer=noise), key_of(1))
    with Cassette.open(tmp_path / "a.tape") as cassette:
        script = cassette.script(0)
    assert isinstance(script[1], Chunk)
    assert bytes(script[1].data) == noise


def test_replaying_never_changes_the_file(tmp_path: Path) -> None:
    """Opened for reading, a sound and a torn cassette keep their bytes, and a read-only one is served."""
    path = tmp_path / "a.tape"
    write_sample(path)
    for data in (path.read_bytes(), path.read_bytes()[:-50]):
        path.chmod(0o600)
        path.write_bytes(data)
        path.chmod(0o400)
        assert len(read_all(path)) == 6
        assert path.read_bytes() == data


def test_opening_for_writing_without_recording_changes_nothing(tmp_path: Path) -> None:
    """A recorder that records nothing leaves an existing file to the byte, and no new file."""
    path = tmp_path / "a.tape"
    write_sample(path)
    before = path.read_bytes()
    Cassette.open(path, writable=True).close()
    assert path.read_bytes() == before
    Cassette.open(tmp_path / "new.tape", writable=True).close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.tape"]


def test_index_is_not_piled_up(tmp_path: Path) -> None:
    """Opening and appending again replaces the index at the end instead of adding one."""
    path = tmp_path / "a.tape"
    for number in range(20):
        with Cassette.open(path, writable=True) as cassette:
            cassette.append(interaction(), key_of(number))
    compact(path, tmp_path / "b.tape")
    assert path.stat().st_size == (tmp_path / "b.tape").stat().st_size


def test_file_is_the_owners_alone(tmp_path: Path) -> None:
    """A new cassette has mode 0600 whatever the umask."""
    before = os.umask(0)
    try:
        write_sample(tmp_path / "a.tape")
    finally:
        os.umask(before)
    assert (tmp_path / "a.tape").stat().st_mode & 0o777 == 0o600


def test_appending_to_a_replay_is_refused(tmp_path: Path) -> None:
    """A cassette that was opened for replay says how to open it for recording."""
    write_sample(tmp_path / "a.tape")
    with Cassette.open(tmp_path / "a.tape") as cassette, pytest.raises(CassetteError, match="writable=True"):
        cassette.append(interaction(), key_of(1))


def test_unstorable_interaction_is_refused_whole(tmp_path: Path) -> None:
    """A text that is not Unicode is refused with its cassette, and the file is as before."""
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        cassette.append(interaction(), key_of(1))
        size = (tmp_path / "a.tape").stat().st_size
        with pytest.raises(CassetteError, match="cannot be stored"):
            cassette.append(interaction(notes={"bad": "\udcff"}), key_of(2))
        assert (tmp_path / "a.tape").stat().st_size == size
        assert len(cassette) == 1


# --- settings ---------------------------------------------------------------------------------------------------


def test_settings_are_kept_with_amendments(tmp_path: Path) -> None:
    """The header comes back as it was given, fingerprints allowed later included, from index and from walking."""
    path = tmp_path / "a.tape"
    write_sample(path)
    wanted = dataclasses.replace(SETTINGS, allowed=("fingerprint",))
    with Cassette.open(path) as cassette:
        assert cassette.settings == wanted
    path.write_bytes(path.read_bytes()[:-1])
    with Cassette.open(path) as cassette:
        assert cassette.settings == wanted


def test_other_match_rules_make_keys_anew(tmp_path: Path) -> None:
    """Rules other than the header's have the keys recomputed in memory; the file stays."""
    path = tmp_path / "a.tape"
    write_sample(path)
    before = path.read_bytes()
    rules = CassetteSettings(match={"body": "bytes"})
    with Cassette.open(path, settings=rules, rekey=lambda one: key_of(one.call.body)) as cassette:
        assert list(cassette.takes(key_of(b"question"))) == [0, 4]
        assert list(cassette.takes(key_of("small"))) == []
        assert cassette.read(4).script[1] == Chunk(b"second take")
        assert cassette.key(4) == key_of(b"question")
    assert path.read_bytes() == before


def test_same_match_rules_keep_the_keys(tmp_path: Path) -> None:
    """Equal rules, in another order, call nothing."""
    write_sample(tmp_path / "a.tape")
    rules = CassetteSettings(match={"headers": ["Accept"], "body": "json"})
    with Cassette.open(tmp_path / "a.tape", settings=rules, rekey=lambda _: pytest.fail("rekeyed")) as cassette:
        assert list(cassette.takes(key_of("small"))) == [0, 4]


def test_recording_under_other_rules_is_refused(tmp_path: Path) -> None:
    """A recorder may not mix keys of two kinds in one file."""
    write_sample(tmp_path / "a.tape")
    with pytest.raises(CassetteError, match="other matching rules"):
        Cassette.open(tmp_path / "a.tape", writable=True, settings=CassetteSettings(match={"body": "bytes"}))


# --- streams ----------------------------------------------------------------------------------------------------


def test_stream_keeps_parts_and_waits(tmp_path: Path) -> None:
    """A stream is one interaction with its boundaries and waits, empty parts included."""
    parts = (Chunk(b"a"), Pause(0.5), Chunk(b"bc" * 500), Pause(0.1), Chunk(b""))
    one = Interaction(call_of(b"q"), (Head(200, STREAM), *parts, End()), ORIGIN, SessionMark("lane", 1))
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        cassette.append(one, key_of(1))
    assert read_all(tmp_path / "a.tape") == [(key_of(1), one)]


def test_broken_stream_replays_broken(tmp_path: Path) -> None:
    """A stream that the upstream broke off ends in Abort, and its summary says that it is not complete."""
    broken = streamed(b"q", b"half", last=Abort("connection reset"))
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        cassette.append(broken, key_of(1))
    with Cassette.open(tmp_path / "a.tape") as cassette:
        assert cassette.script(0) == broken.script
        assert [one.is_complete for one in cassette.summaries()] == [False]


# --- recording again --------------------------------------------------------------------------------------------


def again(kept: list[tuple[bytes, Interaction]]) -> list[tuple[bytes, Interaction]]:
    """The same recorded later, by a newer version, a little slower."""
    newer = []
    for key, one in kept:
        origin = dataclasses.replace(one.origin, recorded_at=one.origin.recorded_at + 9, version="9.9")
        script = tuple(Pause(step.seconds * 2) if isinstance(step, Pause) else step for step in one.script)
        newer.append((key, dataclasses.replace(one, origin=origin, script=script)))
    return newer


def test_rewrite_of_the_same_keeps_the_file(tmp_path: Path) -> None:
    """Mode rewrite over the same answers, in any order, leaves the file to the byte and nothing beside it."""
    path = tmp_path / "a.tape"
    kept = write_sample(path)
    before = path.read_bytes()
    with RewriteCassette.begin(path) as cassette:
        for key, one in [*again(kept)[:4:-1], *again(kept)[:5]]:
            cassette.append(one, key)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.tape"]


def test_rewrite_replaces_after_a_clean_end_only(tmp_path: Path) -> None:
    """A rewrite shows in the file when it is closed; discarded, or after nothing was recorded, the old one stays."""
    path = tmp_path / "a.tape"
    kept = write_sample(path)
    before = path.read_bytes()
    cassette = RewriteCassette.begin(path)
    cassette.append(interaction(answer=b"new"), key_of("small"))
    assert path.read_bytes() == before
    cassette.discard()
    RewriteCassette.begin(path).close()
    assert path.read_bytes() == before
    with RewriteCassette.begin(path) as cassette:
        cassette.append(again(kept)[1][1], key_of("large"))
        cassette.append(interaction(answer=b"new"), key_of("small"))
    assert dict(read_all(path)) == {key_of("small"): interaction(answer=b"new"), key_of("large"): kept[1][1]}
    assert [one.name for one in tmp_path.iterdir()] == ["a.tape"]
    assert verify(path).is_sound


def test_rewrite_with_fewer_takes_drops_the_rest(tmp_path: Path) -> None:
    """What was not recorded again is gone, even where all that was is as it was; that keeps its provenance."""
    path = tmp_path / "a.tape"
    kept = write_sample(path)
    with RewriteCassette.begin(path) as cassette:
        for key, one in again(kept)[:4]:
            cassette.append(one, key)
    assert sorted(read_all(path), key=repr) == sorted(kept[:4], key=repr)


def test_rewrite_that_fails_keeps_the_old_recording(tmp_path: Path) -> None:
    """A block that raises, and a recording of which a part could not be stored, replace nothing."""
    path = tmp_path / "a.tape"
    write_sample(path)
    before = path.read_bytes()

    def fail() -> None:
        with RewriteCassette.begin(path) as cassette:
            cassette.append(interaction(answer=b"new"), key_of("small"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_bytes() == before
    cassette = RewriteCassette.begin(path)
    cassette.append(interaction(answer=b"new"), key_of("small"))
    with pytest.raises(CassetteError, match="cannot be stored"):
        cassette.append(interaction(notes={"bad": "\udcff"}), key_of(2))
    with pytest.raises(CassetteUnwritten, match="was not replaced"):
        cassette.close()
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.tape"]


def test_compacted_recordings_of_the_same_are_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the order in which callers were answered, the compacted files are equal."""
    kept = write_sample(tmp_path / "a.tape")
    with Cassette.open(tmp_path / "b.tape", writable=True, settings=SETTINGS) as cassette:
        cassette.allow(["fingerprint"])
        for key, one in [*reversed(kept[1:4]), kept[5], kept[0], kept[4]]:
            cassette.append(one, key)
    for name in ("a.tape", "b.tape"):
        compact(tmp_path / name)
    first = (tmp_path / "a.tape").read_bytes()
    assert first == (tmp_path / "b.tape").read_bytes()
    compact(tmp_path / "a.tape")
    assert first == (tmp_path / "a.tape").read_bytes()
    assert sorted(read_all(tmp_path / "a.tape"), key=repr) == sorted(kept, key=repr)


def test_compact_says_what_it_did(tmp_path: Path) -> None:
    """The report counts what was kept and what it takes; progress reaches its end."""
    path = tmp_path / "a.tape"
    write_sample(path)
    seen: list[tuple[int, int]] = []
    report = compact(path, progress=lambda done, whole: seen.append((done, whole)))
    assert (report.kept_count, report.lost) == (6, ())
    assert report.after_bytes < report.before_bytes
    assert seen[-1] == (6, 6)


def test_compact_stopped_leaves_nothing(tmp_path: Path) -> None:
    """An interrupted compaction leaves the old file and nothing beside it."""
    path = tmp_path / "a.tape"
    write_sample(path)
    before = path.read_bytes()

    def stop(done: int, _whole: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compact(path, progress=stop)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["a.tape"]


def test_repeated_embeddings_shrink(tmp_path: Path) -> None:
    """Sixty megabytes made of forty distinct embeddings become less than three in the file."""
    vectors = [os.urandom(40_000) for _ in range(40)]
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        for number in range(1500):
            cassette.append(interaction(b"text %d" % number, vectors[number % 40]), key_of(number))
    assert (tmp_path / "a.tape").stat().st_size < 3_000_000


def test_headers_keep_order_and_duplicates(tmp_path: Path) -> None:
    """Headers of an answer come back in order, in their case, twice if sent twice."""
    headers = (*JSON, ("x-b", "1"), ("X-A", "2"), ("x-b", "3"))
    with Cassette.open(tmp_path / "a.tape", writable=True) as cassette:
        cassette.append(Interaction(call_of(b""), (Head(424, headers), End()), ORIGIN), key_of(1))
    [(_, one)] = read_all(tmp_path / "a.tape")
    assert one.script[0] == Head(424, headers)


def test_repeated_embeddings_are_stored_once(tmp_path: Path) -> None:
    """Three hundred answers of ten texts take the room of ten, and no more when they are compacted."""
    from tests.soak.measure_cassettes import embeddings

    path = tmp_path / "a.tape"
    total = embeddings(path, calls=300, texts=10)
    recorded = path.stat().st_size
    assert recorded < total / 10
    compact(path)
    assert path.stat().st_size <= recorded
    with Cassette.open(path) as cassette:
        assert len(cassette) == 300

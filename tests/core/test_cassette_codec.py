"""Frames, payloads, bodies and the index as bytes, without files."""

from __future__ import annotations

import dataclasses
import os
import zlib

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagetape.core.bodies import BODY_MAX_BYTES, address, body_record, restore
from sagetape.core.cassette import Summary, canonical_order, is_same_recording
from sagetape.core.digests import DigestTable
from sagetape.core.framing import (
    BODY,
    HEADER_BYTES,
    INDEX,
    MARKER,
    Damage,
    Frame,
    frame,
    frame_at,
    is_intact,
    unmask,
    walk,
)
from sagetape.core.index import Index, index_from, index_record
from sagetape.core.payload import RecordError, bin_header, pack, pack_before_tail, unpack
from sagetape.core.wire import EVENT_STREAM, Call, Chunk, End, Head, Interaction, Pause, Provenance, SessionMark, whole

payloads = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from([MARKER, MARKER[:2], b"x", bytes(one ^ 1 for one in MARKER)]), max_size=9).map(b"".join),
)


def framed(kind: int, payload: bytes, *, tail: bytes = b"", tag: bytes = bytes(16)) -> bytes:
    return b"".join(frame(kind, payload, tail=tail, tag=tag))


# --- frames -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 255), payloads, payloads, st.binary(min_size=16, max_size=16))
def test_frame_round_trips(kind: int, payload: bytes, tail: bytes, tag: bytes) -> None:
    """A record gives back kind, tag, payload and tail, and its payload never contains the marker."""
    data = framed(kind, payload, tail=tail, tag=tag)
    found = frame_at(data, 0, len(data))
    assert found is not None
    assert (found.kind, found.tag, found.end, found.tail_bytes) == (kind, tag, len(data), len(tail))
    stored = data[found.start : found.end]
    assert is_intact(found, stored)
    assert unmask(found, stored) == payload + tail
    assert MARKER not in stored


@given(payloads, st.integers(0, HEADER_BYTES * 8 - 1))
def test_frame_with_a_flipped_bit_is_none(payload: bytes, bit: int) -> None:
    """One flipped bit anywhere in the 40 bytes of a frame makes it no frame."""
    data = bytearray(framed(BODY, payload))
    data[bit // 8] ^= 1 << bit % 8
    assert frame_at(data, 0, len(data)) is None


@given(st.lists(payloads, max_size=5), st.integers(0, 30))
def test_walk_finds_every_frame_up_to_any_cut(contents: list[bytes], cut: int) -> None:
    """All whole records are found in order, and what is left of a cut one is one torn damage."""
    data = b"".join(framed(BODY, one) for one in contents)
    cut = min(cut, len(data))
    data = data[: len(data) - cut]
    found = list(walk(data, 0, len(data)))
    frames = [one for one in found if isinstance(one, Frame)]
    assert [unmask(one, data[one.start : one.end]) for one in frames] == contents[: len(frames)]
    rest = [one for one in found if isinstance(one, Damage)]
    assert rest == ([Damage(frames[-1].end if frames else 0, len(data), torn=True)] if rest else [])
    assert bool(rest) == (len(data) > (frames[-1].end if frames else 0))


def test_walk_passes_over_noise_between_frames() -> None:
    """Bytes between records are one damage, and the record behind them is found."""
    one, noise, other = framed(BODY, b"one"), b"noise" + MARKER + b"more noise", framed(BODY, b"other")
    found = list(walk(one + noise + other, 0, len(one + noise + other)))
    assert [isinstance(item, Frame) for item in found] == [True, False, True]
    assert found[1] == Damage(len(one), len(one + noise), torn=False)


def test_frame_of_large_view_is_not_copied() -> None:
    """The tail that is handed in is the buffer that is handed out."""
    body = os.urandom(100_000).replace(MARKER, b"....")
    assert frame(BODY, b"", tail=body)[1] is body


# --- payloads ---------------------------------------------------------------------------------------------------


@given(
    st.dictionaries(st.text(max_size=5), st.integers() | st.binary(max_size=9), max_size=3), st.binary(max_size=70_000)
)
def test_payload_with_tail_is_one_msgpack_map(values: dict[str, object], tail: bytes) -> None:
    """Any msgpack reader sees the tail as the last value; ours leaves it where it is."""
    values = {key: value for key, value in values.items() if key != "data"}
    values = {key: value for key, value in values.items() if not isinstance(value, int) or abs(value) < 2**63}
    head = pack_before_tail(values, "data", tail_bytes=len(tail))
    assert msgpack.unpackb(head + tail) == {**values, "data": tail}
    assert unpack(head + tail, tail_bytes=len(tail)) == {**values, "data": b""}


@pytest.mark.parametrize("length", [0, 1, 255, 256, 65_535, 65_536, 2**32 - 1])
def test_bin_header_is_the_shortest(length: int) -> None:
    """The header of a bin is what msgpack's own packer writes."""
    packer = msgpack.Packer()
    assert bin_header(length)[0] == {1: 0xC4, 2: 0xC5, 4: 0xC6}[len(bin_header(length)) - 1]
    if length < 2**20:
        assert packer.pack(bytes(length)).startswith(bin_header(length))


@given(st.binary(max_size=200))
def test_unpack_raises_record_errors_only(payload: bytes) -> None:
    """Any bytes are a map or a RecordError."""
    try:
        assert isinstance(unpack(payload), dict)
    except RecordError as error:
        assert str(error)  # noqa: PT017 - any other exception fails the test


def test_payload_too_large_to_unpack_is_refused() -> None:
    """A record whose part outside its tail is over 16 MiB is neither written nor read."""
    with pytest.raises(RecordError, match="at most"):
        pack({"a": bytes(17 * 2**20)})
    with pytest.raises(RecordError, match="at most"):
        unpack(bytes(17 * 2**20))


# --- bodies -----------------------------------------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=40), st.integers(1, 3000))
def test_body_round_trips_through_its_record(seed: bytes, times: int) -> None:
    """Compressed or not, a body comes back, and its record is never much longer than the body."""
    body = seed * times
    data = b"".join(body_record(address(body), body, compress_max_bytes=BODY_MAX_BYTES))
    found = frame_at(data, 0, len(data))
    assert found is not None
    payload = unmask(found, data[found.start :])
    values = unpack(payload, tail_bytes=found.tail_bytes)
    assert restore(values, payload[len(payload) - found.tail_bytes :]) == body
    assert len(data) < len(body) + 90


def test_writer_never_writes_what_the_reader_refuses() -> None:
    """A body that compresses a thousandfold is stored in a form that is read again."""
    body = bytes(5 * 2**20)
    data = b"".join(body_record(address(body), body, compress_max_bytes=BODY_MAX_BYTES))
    found = frame_at(data, 0, len(data))
    assert found is not None
    values = unpack(data[found.start :], tail_bytes=found.tail_bytes)
    assert restore(values, data[found.end - found.tail_bytes :]) == body


def test_bomb_is_refused_before_it_is_inflated() -> None:
    """What claims to grow more than a hundredfold is refused by its claim, what lies is cut at the claim."""
    packed = zlib.compress(bytes(2**24), 9)
    with pytest.raises(RecordError, match="100 times"):
        restore({"codec": "zlib", "size": 2**24}, packed)
    with pytest.raises(RecordError, match="inflate to the"):
        restore({"codec": "zlib", "size": 1000}, packed)
    with pytest.raises(RecordError, match="at most 4096"):
        restore({"codec": "raw", "size": 5000}, bytes(5000), max_bytes=4096)


# --- index ------------------------------------------------------------------------------------------------------


def summary(number: int, key: bytes, **options: object) -> Summary:
    base = Summary(number, key, "churn", "InvokeEndpoint", 200, 5, 6, 1.5, 100 * number, None, True, False)
    return dataclasses.replace(base, **options)  # type: ignore[arg-type]


digests = st.sampled_from([bytes([n]) * 16 for n in range(3)] + [bytes(8) + bytes([n]) * 8 for n in range(3)])


@given(st.lists(digests, max_size=12), st.integers(0, 12))
def test_digest_table_finds_all_in_order(added: list[bytes], settled: int) -> None:
    """Sorted or fresh, a digest's numbers come in order; a digest that shares a prefix gives candidates to compare."""
    table = DigestTable()
    for number, digest in enumerate(added):
        table.add(digest, number)
        if number == settled:
            table.settle()
    for digest in set(added):
        mine = [number for number, other in enumerate(added) if other == digest]
        found = table.candidates(digest)
        assert [number for number in found if added[number] == digest] == mine
        assert all(added[number][:8] == digest[:8] for number in found)


@given(st.lists(st.tuples(digests, st.text(st.characters(codec="utf-8"), max_size=4), st.booleans()), max_size=8))
def test_index_round_trips(entries: list[tuple[bytes, str, bool]]) -> None:
    """Takes, summaries and bodies are the same after the index went through its record."""
    index = Index()
    for number, (key, name, is_marked) in enumerate(entries):
        mark = SessionMark(name, number, 3.5 if is_marked else None, is_marked) if number % 2 else None
        index.add(summary(number, key, endpoint=name, session=mark, is_complete=is_marked))
        index.bodies.add(key, number * 7)
    data = b"".join(index_record(index, {"format": 1}, offset=77))
    found = frame_at(data, 0, len(data))
    assert found is not None
    assert found.kind == INDEX
    payload = unmask(found, data[found.start : found.end])
    values = unpack(payload, tail_bytes=found.tail_bytes)
    again = index_from(values, payload[len(payload) - found.tail_bytes :])
    assert values["at"] == 77
    assert [again.summary(number) for number in again.numbers()] == [index.summary(n) for n in index.numbers()]
    assert [tuple(again.takes(key)) for key, *_ in entries] == [tuple(index.takes(key)) for key, *_ in entries]
    for number, (key, *_) in enumerate(entries):
        assert number * 7 in again.bodies.candidates(key)


@pytest.mark.parametrize("name", ["count", "bodies", "texts"])
def test_index_with_wrong_counts_is_refused(name: str) -> None:
    """Counts that do not fit the columns are a RecordError, never a wrong index."""
    index = Index()
    index.add(summary(0, bytes(16)))
    data = index_record(index, {}, offset=0)
    values = unpack(data[0][HEADER_BYTES:] + bytes(data[1]), tail_bytes=len(data[1]))
    for wrong in (-1, 2, 2**40):
        with pytest.raises(RecordError):
            index_from({**values, name: wrong}, data[1])


# --- order and sameness -----------------------------------------------------------------------------------------


def test_canonical_order_ignores_who_was_first() -> None:
    """Order is by endpoint, operation, session, step and key; takes of one key keep their order."""
    entries = [
        summary(0, b"b" * 16),
        summary(1, b"a" * 16),
        summary(2, b"a" * 16),
        summary(3, b"z" * 16, endpoint="a"),
        summary(4, b"c" * 16, session=SessionMark("lane", 1)),
        summary(5, b"d" * 16, session=SessionMark("lane", 0)),
    ]
    assert canonical_order(entries) == [3, 1, 2, 0, 5, 4]
    assert canonical_order(reversed(entries)) == [3, 1, 2, 0, 5, 4]


CALL = Call("InvokeEndpoint", "churn", {"Accept": "text/csv"}, b"q", bytes(32))
OLD = Interaction(CALL, whole(200, (("Content-Type", "text/csv"),), b"1,2"), Provenance(1.0, "aws", "1"))
FRAMES = (Head(200, (("Content-Type", EVENT_STREAM),)), Chunk(b"ab"), Pause(1.0), Chunk(b"c"), End())


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({"origin": Provenance(9.0, "aws", "2")}, True),
        ({"origin": Provenance(1.0, "other", "1")}, False),
        ({"origin": Provenance(1.0, "aws", "1", synthetic=True)}, False),
        ({"call": dataclasses.replace(CALL, request_id="x", invocation_id="y")}, True),
        ({"call": dataclasses.replace(CALL, body=b"p")}, False),
        ({"call": dataclasses.replace(CALL, auth="InvalidSignatureException")}, False),
        ({"script": (OLD.script[0], Pause(2.0), Chunk(b"1"), Chunk(b",2"), End())}, True),
        ({"script": (OLD.script[0], Chunk(b"1,3"), End())}, False),
        ({"notes": {"fault": "reset"}}, False),
        ({"session": SessionMark("lane", 0)}, False),
    ],
)
def test_same_recording_ignores_the_volatile(change: dict[str, object], is_same: bool) -> None:
    """When, by which version, how fast and in which network parts is volatile; everything else is not."""
    new = dataclasses.replace(OLD, **change)  # type: ignore[arg-type]
    assert is_same_recording(OLD, new) is is_same


def test_same_stream_has_the_same_frames() -> None:
    """In an event stream the boundaries count, the waits do not."""
    old = dataclasses.replace(OLD, script=FRAMES)
    assert is_same_recording(old, dataclasses.replace(OLD, script=(*FRAMES[:2], Pause(2.0), *FRAMES[3:])))
    assert not is_same_recording(old, dataclasses.replace(OLD, script=(FRAMES[0], Chunk(b"abc"), End())))

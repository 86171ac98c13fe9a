"""Damaged, torn, foreign and hostile files: never silent, never more than the one record lost."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from independent_tape import frames, interactions
from tape_samples import SETTINGS, interaction, key_of, recordings, write_sample

from sagetape.core.errors import CassetteDamaged, CassetteError, CassetteForeign, CassetteMissing
from sagetape.core.framing import BODY, HEADER_KIND, INDEX, INTERACTION, frame
from sagetape.core.wire import Chunk, Head, Interaction
from sagetape.shell.store import Cassette, CassetteSettings, compact, verify


def served(path: Path) -> tuple[list[tuple[bytes, Interaction]], list[str]]:
    """What can be read, and everything that was said to be wrong."""
    try:
        cassette = Cassette.open(path)
    except CassetteError as error:
        return [], [str(error)]
    found, said = [], []
    with cassette:
        for number in cassette.numbers():
            try:
                found.append((cassette.key(number), cassette.read(number)))
            except CassetteDamaged as error:
                said.append(f"{error.offset}: {error}")
        said += cassette.report.lines()
        if cassette.report.has_damaged_header:
            said.append("header")
    return found, said


def put(path: Path, data: bytes | bytearray) -> None:
    """A new file: cutting an old one to nothing makes ext4 write it to the disk each time."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def said_by_verify(path: Path) -> bool:
    try:
        return bool(verify(path).lines())
    except CassetteError:
        return True


def lost(kept: list[tuple[bytes, Interaction]], found: list[tuple[bytes, Interaction]]) -> int:
    """How many are missing; what was found must be what was kept, in order."""
    rest = iter(kept)
    for one in found:
        assert any(one == other for other in rest), one
    return len(kept) - len(found)


@pytest.fixture(scope="module", params=["indexed", "walked"])
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list, Path]:
    """A real cassette of a few kilobytes: closed cleanly, or left by a recorder that died."""
    path = tmp_path_factory.mktemp("damage") / "a.tape"
    kept = write_sample(path)
    data = path.read_bytes()
    if request.param == "walked":
        found, _ = frames(data)
        data = data[: next(one["at"] for one in found if one["kind"] == 7)]
    return data, kept, path


def test_truncation_at_every_byte_keeps_the_whole_records(sample: tuple[bytes, list, Path]) -> None:
    """Cut anywhere, a cassette serves exactly the interactions before the cut and reports the torn rest."""
    data, kept, path = sample
    whole, _ = frames(data)
    for length in _places(data):
        put(path, data[:length])
        found, said = served(path)
        expected = interactions(data[:length]) if length >= whole[0]["end"] else []
        assert [key for key, _ in found] == [key for key, _ in expected], length
        assert said or length in {one["end"] for one in whole}, length
        assert lost(kept[: len(found)], found) == 0


def test_recording_goes_on_after_truncation_at_every_byte(sample: tuple[bytes, list, Path]) -> None:
    """Cut anywhere, a cassette can be recorded into again: the torn tail is removed and nothing else is lost."""
    data, kept, path = sample
    for length in _places(data)[::7]:
        put(path, data[:length])
        before, _ = served(path)
        with Cassette.open(path, writable=True, settings=SETTINGS) as cassette:
            cassette.append(kept[1][1], key_of("new"))
        found, _ = served(path)
        assert found == [*before, (key_of("new"), kept[1][1])], length
        assert verify(path).is_sound, length


def test_bit_flip_in_every_byte_is_found_and_loses_one(sample: tuple[bytes, list, Path]) -> None:
    """A flipped bit is never silent; at most the one record is lost, and what is served is what was kept."""
    data, kept, path = sample
    chance = random.Random(4)
    whole, _ = frames(data)
    users = _users(data)
    for at in _places(data):
        damaged = bytearray(data)
        damaged[at] ^= 1 << chance.randrange(8)
        put(path, damaged)
        found, said = served(path)
        struck = next(one for one in whole if one["at"] <= at < one["end"])
        assert lost(kept, found) <= users(struck), (at, struck["kind"])
        assert said or said_by_verify(path), (at, struck["kind"])


def _places(data: bytes) -> list[int]:
    """Every byte; of a file with an index all of the index and a fifth of the rest, which the other file covers."""
    index_at = next((one["at"] for one in frames(data)[0] if one["kind"] == 7), None)
    return [at for at in range(len(data)) if index_at is None or at >= index_at or at % 5 == 0]


def _users(data: bytes) -> Callable[[dict], int]:
    """How many interactions live in a record: one, or those that share a body."""
    whole, _ = frames(data)
    packed = [msgpack.unpackb(one["payload"]) for one in whole if one["kind"] == 3]

    def count(struck: dict) -> int:
        if struck["kind"] == BODY:
            return sum(struck["tag"] in repr_of_places(one) for one in packed)
        return int(struck["kind"] == INTERACTION)

    return count


def repr_of_places(values: dict) -> list[bytes]:
    places = [values["call"]["body"], *(step[1] for step in values["steps"] if step[0] == "chunk")]
    return [place[0] for place in places if isinstance(place, list)]


def test_flip_in_the_header_still_serves_everything(tmp_path: Path) -> None:
    """With a damaged header all interactions are served, the settings come from the index, and recording is refused."""
    path = tmp_path / "a.tape"
    kept = write_sample(path)
    for at in (0, 10, 33, 60):
        data = bytearray(path.read_bytes())
        data[at] ^= 4
        (tmp_path / "b.tape").write_bytes(data)
        with Cassette.open(tmp_path / "b.tape") as cassette:
            assert cassette.report.has_damaged_header
            assert cassette.settings.match == SETTINGS.match
            assert [cassette.read(number) for number in cassette.numbers()] == [one for _, one in kept]
        with pytest.raises(CassetteDamaged, match="damaged header"):
            Cassette.open(tmp_path / "b.tape", writable=True)


@pytest.mark.parametrize("harm", ["insert", "zero", "delete"])
def test_runs_of_damage_are_never_silent(tmp_path: Path, harm: str) -> None:
    """Bytes inserted, zeroed or deleted anywhere are said, and what is served is what was kept."""
    path = tmp_path / "a.tape"
    kept = write_sample(path)
    data, chance = path.read_bytes(), random.Random(harm)
    for _ in range(150):
        at, length = chance.randrange(len(data)), chance.randrange(1, 900)
        middle = {"insert": chance.randbytes(length) + data[at:], "zero": bytes(length) + data[at + length :]}
        put(path, (data[:at] + middle.get(harm, data[at + length :]))[: None if harm != "zero" else len(data)])
        if path.read_bytes() == data:
            continue
        found, said = served(path)
        lost(kept, found)
        assert said or said_by_verify(path)


def test_damage_is_named_with_its_place(tmp_path: Path) -> None:
    """Reading a damaged record names path and offset and what to do; the others are served; verify lists it."""
    path = tmp_path / "a.tape"
    kept = write_sample(path)
    data = bytearray(path.read_bytes())
    data[data.find(b"second take")] ^= 1
    put(path, data)
    with Cassette.open(path) as cassette:
        [_, broken] = cassette.takes(key_of("small"))
        with pytest.raises(CassetteDamaged, match=r"offset \d+.*sagetape cassette verify") as caught:
            cassette.read(broken)
    assert caught.value.path == str(path)
    [place] = verify(path).damaged
    assert place.offset == caught.value.offset
    with pytest.raises(CassetteDamaged, match="--salvage"):
        compact(path)
    report = compact(path, salvage=True)
    assert (report.kept_count, len(report.lost)) == (5, 1)
    assert verify(path).is_sound
    assert lost(kept, sorted_as(kept, served(path)[0])) == 1


def sorted_as(kept: list, found: list) -> list:
    return sorted(found, key=lambda one: kept.index(one))


def test_recordings_after_a_torn_record_are_found(tmp_path: Path) -> None:
    """A torn record whose length covers records appended later by a careless writer does not swallow them."""
    path = tmp_path / "a.tape"
    with Cassette.open(path, writable=True) as cassette:
        cassette.append(interaction(b"before"), key_of(1))
    cassette = Cassette.open(path, writable=True)
    start = path.stat().st_size
    cassette.append(interaction(os.urandom(3000)), key_of(2))
    cassette.discard()
    whole = path.read_bytes()
    other = tmp_path / "b.tape"
    with Cassette.open(other, writable=True) as cassette:
        for number in range(30):
            cassette.append(interaction(b"after %d" % number), key_of(number))
    found, _ = frames(other.read_bytes())
    after = other.read_bytes()[found[0]["end"] : found[-2]["at"]]
    for cut in (start - 400, start - 200, len(whole) - 1500, len(whole) - 20):
        put(path, whole[:cut] + after)
        got, said = served(path)
        assert sum(one.call.body.startswith(b"after") for _, one in got) == 30
        assert said


def test_cassette_inside_a_cassette_is_a_body(tmp_path: Path) -> None:
    """Recorded bytes that are themselves records are never taken for records, even when their frame breaks."""
    inner = tmp_path / "inner.tape"
    write_sample(inner)
    path = tmp_path / "a.tape"
    for body in (inner.read_bytes(), inner.read_bytes()[:200]):
        path.unlink(missing_ok=True)
        with Cassette.open(path, writable=True) as cassette:
            cassette.append(interaction(b"before"), key_of(0))
            cassette.append(interaction(body, body[::-1]), key_of(1))
        data = path.read_bytes()
        assert [one for _, one in served(path)[0]][1].call.body == body
        for at in range(0, len(data), 3):
            damaged = bytearray(data)
            damaged[at] ^= 1
            put(path, damaged)
            got, _ = served(path)
            assert {one.call.body for _, one in got} <= {b"before", body}


# --- hostile files ----------------------------------------------------------------------------------------------


def header(**changed: object) -> bytes:
    values = {"format": 1, "created_by": "x", "match": {}, "scrub": {}, "seed": None, "initial": {}, "allowed": []}
    return b"".join(frame(HEADER_KIND, msgpack.packb({**values, **changed})))


def good() -> dict:
    return {
        "call": {
            "operation": "InvokeEndpoint",
            "endpoint": "churn",
            "members": {},
            "body": b"",
            "sha256": bytes(32),
            "auth": "valid",
            "position": "",
            "region": "r",
            "account": "a",
        },
        "steps": [["head", 200, []], ["end"]],
        "origin": {"at": 1.0, "source": "aws", "version": "1", "synthetic": False},
    }


def body_record(body: bytes, *, size: int, codec: str = "zlib", tag: bytes = bytes(16)) -> bytes:
    head = msgpack.packb({"codec": codec, "size": size, "data": body})
    return b"".join(frame(BODY, head[: len(head) - len(body)], tail=body, tag=tag))


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


BOMB = zlib.compress(bytes(50 * 2**20), 9)
REFERS = {**good(), "steps": [["chunk", [bytes(16), 2**20]], ["end"]]}

HOSTILE = {
    "deep nesting": b"\x81\xa5steps" + nested(100_000),
    "array of four billion": b"\x81\xa5steps\xdd\xff\xff\xff\xff",
    "map of four billion": b"\xdf\xff\xff\xff\xff",
    "text of four billion": b"\x81\xa5steps\xdb\xff\xff\xff\xff",
    "bin of four billion": b"\x81\xa5steps\xc6\xff\xff\xff\xff",
    "extension": msgpack.packb({**good(), "notes": msgpack.ExtType(5, b"x")}),
    "empty extension": b"\x81\xa5notes\xc7\x00\x05",
    "fixed extension": b"\x81\xa5notes\xd4\x05x",
    "timestamp": msgpack.packb({**good(), "notes": msgpack.Timestamp(1, 1)}),
    "duplicate key": b"\x82\xa5steps\x90\xa5steps\x90",
    "duplicate inner key": b"\x81\xa5notes\x82\xa1a\xa1b\xa1a\xa1c",
    "number as key": b"\x81\x01\x90",
    "bytes as key": b"\x81\xc4\x05steps\x90",
    "nil as key": b"\x81\xc0\x90",
    "bad utf-8": msgpack.packb({**good(), "notes": {}})[:-1] + b"\x81\xa1a\xa2\xff\xfe",
    "trailing bytes": msgpack.packb(good()) + b"\xc0",
    "cut": msgpack.packb(good())[:-3],
    "reserved byte": b"\xc1",
    "nothing": b"",
    "a list": b"\x90",
    "a number": b"\x07",
    "missing call": msgpack.packb({**good(), "call": None}),
    "call of texts": msgpack.packb({**good(), "call": {}}),
    "unknown step": msgpack.packb({**good(), "steps": [["exec", "rm"]]}),
    "step without kind": msgpack.packb({**good(), "steps": [[]]}),
    "step that is text": msgpack.packb({**good(), "steps": ["end"]}),
    "chunk without body": msgpack.packb({**good(), "steps": [["chunk"]]}),
    "boolean status": msgpack.packb({**good(), "steps": [["head", True, []]]}),
    "header of three": msgpack.packb({**good(), "steps": [["head", 200, [["a", "b", "c"]]]]}),
    "text body": msgpack.packb({**good(), "steps": [["chunk", "text"]]}),
    "negative size": msgpack.packb({**good(), "steps": [["chunk", [bytes(16), -1]]]}),
    "short address": msgpack.packb({**good(), "steps": [["chunk", [bytes(15), 1]]]}),
    "missing body": msgpack.packb({**good(), "steps": [["chunk", [bytes(range(16)), 1]]]}),
    "session of list": msgpack.packb({**good(), "session": []}),
    "notes of numbers": msgpack.packb({**good(), "notes": {"a": 1}}),
    "integer time": msgpack.packb({**good(), "origin": {"at": 1, "source": "", "version": "", "synthetic": False}}),
    "many nils": msgpack.packb({**good(), "notes": {"a": [None] * 100_000}}),
}
HOSTILE_BODIES = {
    "bomb": body_record(BOMB, size=50 * 2**20),
    "bomb that lies": body_record(BOMB, size=2**20),
    "too large": body_record(b"", size=2**40),
    "negative": body_record(b"", size=-5),
    "unknown codec": body_record(b"x", size=1, codec="lzma"),
    "not zlib": body_record(b"xxxx", size=2**20),
    "cut zlib": body_record(zlib.compress(bytes(2**20))[:-9], size=2**20),
    "more after zlib": body_record(zlib.compress(bytes(2**20)) + b"x", size=2**20),
    "wrong address": body_record(zlib.compress(bytes(2**20)), size=2**20),
    "wrong size": body_record(b"xx", size=3, codec="raw"),
    "tail not last": b"".join(frame(BODY, msgpack.packb({"size": 4, "codec": "raw"}), tail=b"xxxx")),
    "tail longer than announced": b"".join(
        frame(BODY, b"\x83\xa5codec\xa3raw\xa4size\x04\xa4data\xc4\x03", tail=b"xxxx")
    ),
}


def hostile_file(name: str, tmp_path: Path) -> Path:
    """A hostile record between two good ones, all with right checksums."""
    first, last = (b"".join(frame(INTERACTION, msgpack.packb(good()), tag=key_of(n))) for n in (1, 3))
    if name in HOSTILE:
        middle = b"".join(frame(INTERACTION, HOSTILE[name], tag=key_of(2)))
    else:
        middle = HOSTILE_BODIES[name] + b"".join(frame(INTERACTION, msgpack.packb(REFERS), tag=key_of(2)))
    path = tmp_path / "hostile.tape"
    put(path, header() + first + middle + last)
    return path


@pytest.mark.parametrize("name", [*HOSTILE, *HOSTILE_BODIES])
def test_hostile_record_is_refused_alone(tmp_path: Path, name: str) -> None:
    """A record that no recorder writes is refused by name; the records around it are served."""
    path = hostile_file(name, tmp_path)
    with Cassette.open(path) as cassette:
        assert len(cassette) == 3
        [bad] = cassette.takes(key_of(2))
        with pytest.raises(CassetteDamaged) as caught:
            cassette.read(bad)
        assert caught.value.offset is not None
        assert cassette.read(0) == cassette.read(2)
        assert len(list(cassette.summaries())) in (2, 3)
    assert not verify(path).is_sound


def test_hostile_lengths_allocate_nothing(tmp_path: Path) -> None:
    """Claims of gigabytes are refused without taking memory for them."""
    import tracemalloc

    for name in ("array of four billion", "map of four billion", "bin of four billion", "too large", "bomb that lies"):
        path = hostile_file(name, tmp_path)
        tracemalloc.start()
        served(path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 * 2**20, name


@pytest.mark.parametrize(
    "claim",
    [
        {"payload": 2**32 - 1, "tail": 0},
        {"payload": 10, "tail": 11},
        {"payload": 2**31, "tail": 2**31},
    ],
)
def test_hostile_frame_lengths_are_not_believed(tmp_path: Path, claim: dict[str, int]) -> None:
    """A frame with right checksums and an impossible length is damage, and what follows is found."""
    import struct

    fields = struct.pack("<4sBBBxII16sI", b"\xc1TAP", 3, 0, 0, claim["payload"], claim["tail"], key_of(2), 0)
    last = b"".join(frame(INTERACTION, msgpack.packb(good()), tag=key_of(3)))
    path = tmp_path / "a.tape"
    put(path, header() + fields + struct.pack("<I", zlib.crc32(fields)) + b"0123456789" + last)
    with Cassette.open(path) as cassette:
        assert list(cassette.takes(key_of(3))) == [0]
        assert cassette.report.damaged


def test_hostile_index_is_refused_or_harmless(tmp_path: Path) -> None:
    """An index with right checksums and wrong content raises only CassetteErrors, and serves no wrong answer."""
    kept = dict(enumerate(write_sample(tmp_path / "a.tape")))
    data, chance = (tmp_path / "a.tape").read_bytes(), random.Random(5)
    index = next(one for one in frames(data)[0] if one["kind"] == 7)
    answers = {
        one.call.body + bytes(one.script[1].data) for _, one in kept.values() if isinstance(one.script[1], Chunk)
    }
    for _ in range(300):
        payload = bytearray(index["payload"])
        for _ in range(chance.randrange(1, 4)):
            payload[chance.randrange(len(payload))] = chance.choice([0, 255, chance.randrange(256)])
        tail = len(payload) - index["tail"]
        record = b"".join(frame(INDEX, bytes(payload[:tail]), tail=bytes(payload[tail:])))
        put(tmp_path / "b.tape", data[: index["at"]] + record + data[-40:])
        with Cassette.open(tmp_path / "b.tape") as cassette:
            assert len(list(cassette.summaries())) <= len(cassette)
        for _, one in served(tmp_path / "b.tape")[0]:
            if isinstance(one.script[1], Chunk):
                assert one.call.body + bytes(one.script[1].data) in answers


def test_index_of_another_format_than_the_header_is_not_believed(tmp_path: Path) -> None:
    """The file is walked; where the header is damaged, the index alone says the format, and the file is refused."""
    kept = write_sample(tmp_path / "a.tape")
    data, path = (tmp_path / "a.tape").read_bytes(), tmp_path / "b.tape"
    index = next(one for one in frames(data)[0] if one["kind"] == 7)
    values = msgpack.unpackb(index["payload"])
    values["settings"]["format"] = 2
    payload = msgpack.packb(values)
    cut = len(payload) - index["tail"]
    made = bytearray(data[: index["at"]] + b"".join(frame(INDEX, payload[:cut], tail=payload[cut:])) + data[-40:])
    put(path, made)
    with Cassette.open(path) as cassette:
        assert not cassette.report.has_index
        assert cassette.settings.match == SETTINGS.match
    assert served(path)[0] == kept
    made[60] ^= 4
    put(path, made)
    with pytest.raises(CassetteForeign, match="format 2"):
        Cassette.open(path)


def test_many_false_frames_cost_linear_time(tmp_path: Path) -> None:
    """A megabyte of frames that all claim the rest of the file is walked in one pass, not in one pass each."""
    import struct

    count = 25_000
    pieces = []
    for number in range(count):
        length = (count - number) * 40 + 10
        fields = struct.pack("<4sBBBxII16sI", b"\xc1TAP", 2, 0, 0, length, 0, bytes(16), 0)
        pieces.append(fields + struct.pack("<I", zlib.crc32(fields)))
    path = tmp_path / "a.tape"
    put(path, header() + b"".join(pieces))
    with Cassette.open(path) as cassette:
        assert cassette.report.torn_at is not None


def test_unknown_kinds_are_skipped_and_counted(tmp_path: Path) -> None:
    """Records of a kind from a newer version, or of a reserved kind, are passed over, whatever is in them."""
    path = tmp_path / "a.tape"
    record = b"".join(frame(INTERACTION, msgpack.packb(good()), tag=key_of(1)))
    reserved = b"".join(frame(9, msgpack.packb({"keep": 0}), tag=key_of(1)))
    put(path, header() + b"".join(frame(200, b"\xc1 anything")) * 2 + record + reserved + b"".join(frame(77, b"")))
    with Cassette.open(path) as cassette:
        assert cassette.report.unknown_kinds == {9: 1, 200: 2, 77: 1}
        assert len(cassette) == 1
        assert list(cassette.takes(key_of(1))) == [0]
        assert "unknown to this version" in cassette.report.lines()[0]
    assert verify(path).is_sound


def test_newer_format_is_refused_with_what_to_do(tmp_path: Path) -> None:
    """A cassette of a newer format names both versions and how to upgrade, for reading and for writing."""
    path = tmp_path / "a.tape"
    put(path, header(format=2, created_by="3.1.0", more=[1]))
    before = path.read_bytes()
    for writable in (False, True):
        with pytest.raises(CassetteForeign, match=r"format 2, written by Sagetape 3\.1\.0.*pip install --upgrade"):
            Cassette.open(path, writable=writable)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"interactions:\n- request:\n", b"\x00" * 5000, b"{}", os.urandom(10_000)])
def test_foreign_file_is_refused_and_kept(tmp_path: Path, content: bytes) -> None:
    """A file that is no cassette is refused for reading and writing, and not touched."""
    path = tmp_path / "a.tape"
    put(path, content)
    for writable in (False, True):
        with pytest.raises(CassetteForeign, match="not a cassette"):
            Cassette.open(path, writable=writable)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["a.tape"]


# --- files that are not files -----------------------------------------------------------------------------------


def test_missing_file_says_how_to_record(tmp_path: Path) -> None:
    """Replaying what is not there is CassetteMissing, with the command that makes it."""
    with pytest.raises(CassetteMissing, match="sagetape record"):
        Cassette.open(tmp_path / "none.tape")


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _link(path: Path) -> None:
    write_sample(path.with_name("real.tape"))
    path.symlink_to(path.with_name("real.tape"))


PLACES: dict[str, tuple[Callable[[Path], object], str]] = {
    "directory": (Path.mkdir, "directory|plain file"),
    "fifo": (os.mkfifo, "FIFO|plain file"),
    "loop": (_loop, "symbolic link"),
    "link": (_link, "symbolic link"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("writable", [False, True])
def test_what_is_not_a_plain_file_is_refused(tmp_path: Path, place: str, writable: bool) -> None:
    """Directories, FIFOs and links in a cassette's place are refused at opening, by path and remedy."""
    make, said = PLACES[place]
    path = tmp_path / "a.tape"
    make(path)
    with pytest.raises(CassetteError, match=said) as caught:
        Cassette.open(path, writable=writable)
    assert caught.value.path == str(path)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "a.tape.lock").exists()


def test_device_is_refused() -> None:
    """A device is no cassette."""
    with pytest.raises(CassetteError, match="plain file"):
        Cassette.open("/dev/null")


@pytest.mark.parametrize("name", ["a/b/c.tape", "x" * 300, "nul\0.tape"])
def test_impossible_name_is_refused(tmp_path: Path, name: str) -> None:
    """A path under a file, a name that is too long and one with NUL end in a CassetteError."""
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(CassetteError):
        Cassette.open(f"{tmp_path}/{name}", writable=True)


def test_empty_file_is_begun_anew_or_refused(tmp_path: Path) -> None:
    """A recorder that died before its header left nothing: replay refuses it, recording starts it."""
    path = tmp_path / "a.tape"
    put(path, b"")
    with pytest.raises(CassetteDamaged, match="empty"):
        Cassette.open(path)
    with Cassette.open(path, writable=True, settings=SETTINGS) as cassette:
        cassette.append(interaction(), key_of(1))
    with Cassette.open(path) as cassette:
        assert cassette.settings == SETTINGS


def test_file_cut_while_open_is_an_error(tmp_path: Path) -> None:
    """A cassette that another program cuts while it is served gives an error, not a crash; the rest is served."""
    path = tmp_path / "a.tape"
    with Cassette.open(path, writable=True) as cassette:
        for number in range(8):
            cassette.append(interaction(os.urandom(50_000)), key_of(number))
    with Cassette.open(path) as cassette:
        os.truncate(path, 120_000)
        assert cassette.read(0)
        with pytest.raises(CassetteDamaged):
            cassette.read(7)


# --- the independent reader -------------------------------------------------------------------------------------


def simple(one: Interaction) -> tuple:
    steps = [bytes(step.data) if isinstance(step, Chunk) else step for step in one.script]
    heads = [(step.status, [list(pair) for pair in step.headers]) for step in steps if isinstance(step, Head)]
    return one.call.endpoint, dict(one.call.members), one.call.body, heads, [s for s in steps if isinstance(s, bytes)]


def simple_independent(values: dict) -> tuple:
    call, steps = values["call"], values["steps"]
    heads = [(step[1], step[2]) for step in steps if step[0] == "head"]
    return call["endpoint"], call["members"], call["body"], heads, [step[1] for step in steps if step[0] == "chunk"]


def check_agreement(path: Path, kept: list[tuple[bytes, Interaction]]) -> None:
    path.unlink(missing_ok=True)
    with Cassette.open(path, writable=True, settings=SETTINGS) as cassette:
        for key, one in kept:
            cassette.append(one, key)
    if not kept:
        return
    data = path.read_bytes()
    with Cassette.open(path) as cassette:
        ours = [(cassette.key(number), simple(cassette.read(number))) for number in cassette.numbers()]
    assert ours == [(key, simple_independent(values)) for key, values in interactions(data)]
    assert frames(data)[1] == []


@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(recordings)
def test_independent_reader_agrees(tmp_path: Path, kept: list[tuple[bytes, Interaction]]) -> None:
    """A reader written from cassettes/README.md alone finds the same in random cassettes."""
    check_agreement(tmp_path / "a.tape", kept)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(
    max_examples=10_000,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(recordings)
def test_independent_reader_agrees_on_ten_thousand(tmp_path: Path, kept: list[tuple[bytes, Interaction]]) -> None:
    """The same over 10,000 random cassettes."""
    check_agreement(tmp_path / "a.tape", kept)


def test_independent_reader_agrees_after_damage(sample: tuple[bytes, list, Path]) -> None:
    """Both readers find the same intact interactions in a file with a damaged frame, at every frame."""
    data, _, path = sample
    whole, _ = frames(data)
    last = next((one["at"] for one in whole if one["kind"] == 7), len(data))
    data = data[:last]
    for one in whole:
        if 0 < one["at"] < last and one["kind"] != BODY:
            damaged = bytearray(data)
            damaged[one["at"] + 9] ^= 2
            put(path, damaged)
            with Cassette.open(path) as cassette:
                ours = [(cassette.key(number), simple(cassette.read(number))) for number in cassette.numbers()]
                assert [place.offset for place in cassette.report.damaged] == frames(damaged)[1] or (
                    cassette.report.torn_at in frames(damaged)[1]
                )
            assert ours == [(key, simple_independent(values)) for key, values in interactions(bytes(damaged))]


def test_settings_of_a_damaged_amendment_are_reported(tmp_path: Path) -> None:
    """An amendment whose payload is damaged is named; the header stays in force."""
    path = tmp_path / "a.tape"
    write_sample(path)
    data = bytearray(path.read_bytes())
    data[data.find(b"fingerprint")] ^= 1
    found, _ = frames(bytes(data))
    put(path, data[: next(one["at"] for one in found if one["kind"] == 7)])
    with Cassette.open(path) as cassette:
        assert cassette.settings == CassetteSettings(match=SETTINGS.match, scrub=SETTINGS.scrub, seed=7)
        assert "amendment" in cassette.report.lines()[0]

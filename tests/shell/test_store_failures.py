"""Failing disks, dying recorders, several recorders."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tape_samples import interaction, key_of, streamed, write_sample

from sagetape.core.errors import CassetteError, CassetteLocked, CassetteUnwritten
from sagetape.shell import files as files_module
from sagetape.shell.files import Files
from sagetape.shell.store import Cassette, RewriteCassette, compact, verify

OPERATIONS = (
    "open",
    "writev",
    "pread",
    "sync",
    "truncate",
    "rename",
    "mmap",
    "lock",
    "status",
    "path_status",
    "unlink",
)
FAILURES = ("ENOSPC", "EIO", "EINTR", "short")


class Failing(Files):
    """The real files, but the k-th operation fails, and all that `stays` names fail from then on."""

    def __init__(self, k: int, failure: str, *, stays: bool = False) -> None:
        self.count = 0
        self.failed: str | None = None
        self.log: list[str] = []
        self._k, self._failure, self._stays = k, failure, stays

    def __getattribute__(self, name: str) -> Any:
        real = super().__getattribute__(name)
        return self._watched(name, real) if name in OPERATIONS else real

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **options: Any) -> Any:
            self.count += 1
            self.log.append(name)
            if self.count == self._k or (self._stays and self.failed == name):
                self.failed = name
                return self._fail(name, real, args, options)
            return real(*args, **options)

        return operation

    def _fail(self, name: str, real: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self._failure == "short":
            if name == "writev":
                return real(args[0], [memoryview(b"".join(args[1]))[: max(1, sum(map(len, args[1])) // 2)]])
            return real(args[0], max(1, args[1] // 2), args[2]) if name == "pread" else real(*args, **options)
        if name == "writev" and self._failure == "ENOSPC":
            real(args[0], [memoryview(b"".join(args[1]))[: sum(map(len, args[1])) // 3]])
        raise OSError(getattr(errno, self._failure), os.strerror(getattr(errno, self._failure)))


BODY = bytes(range(256)) * 8


def record(path: Path, files: Files) -> Iterator[tuple[str, bool]]:
    """A recording of everything; says after each step whether it was acknowledged."""
    cassette = Cassette.open(path, writable=True, files=files, durability="disk")
    try:
        for number in range(3):
            yield f"n{number}", _kept(lambda n=number: cassette.append(interaction(BODY, b"%d" % n), key_of(f"n{n}")))
        yield "same", _kept(lambda: cassette.append(interaction(answer=b"new"), key_of("same")))
        yield "stream", _kept(lambda: cassette.append(streamed(b"s", BODY, b"small"), key_of("stream")))
        _kept(cassette.sync)
    finally:
        cassette.close()


def _kept(step: Callable[[], Any]) -> bool:
    try:
        step()
    except CassetteUnwritten:
        return False
    return True


def prepare(path: Path) -> None:
    path.unlink(missing_ok=True)
    with Cassette.open(path, writable=True) as cassette:
        cassette.append(interaction(b"before", BODY), key_of("before"))
        cassette.append(interaction(answer=b"old"), key_of("same"))


def run(path: Path, files: Failing) -> list[str]:
    """Records; returns what was acknowledged. Any error that is not a CassetteError is a bug."""
    kept = ["before"]
    try:
        for name, is_kept in record(path, files):
            kept += [name] if is_kept else []
    except CassetteError as error:
        kept += [] if str(path) in str(error) else ["an error that does not name the file"]
    return kept


def check(path: Path, kept: list[str], where: object) -> None:
    """Everything acknowledged is served, the file is sound but for a torn tail, and recording goes on."""
    with Cassette.open(path) as cassette:
        assert not cassette.report.damaged, where
        for name in kept:
            takes = cassette.takes(key_of(name))
            assert takes, (where, name)
            assert cassette.read(takes[-1]).script[-1].__class__.__name__ == "End"
        if "same" in kept:
            assert b"new" in [bytes(cassette.read(n).script[1].data) for n in cassette.takes(key_of("same"))], where
    with Cassette.open(path, writable=True) as cassette:
        cassette.append(interaction(b"after"), key_of("after"))
    assert verify(path).is_sound, where


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("failure", FAILURES)
def test_failure_of_every_operation_loses_nothing(tmp_path: Path, failure: str, stays: bool) -> None:
    """The k-th file operation of a recording fails, for every k: nothing acknowledged is lost, the file stays valid."""
    path = tmp_path / "a.tape"
    seen = set()
    for k in range(1, 200):
        prepare(path)
        files = Failing(k, failure, stays=stays and failure != "EINTR")
        kept = run(path, files)
        check(path, kept, (k, files.failed))
        if files.failed is None:
            assert kept == ["before", "n0", "n1", "n2", "same", "stream"]
            break
        seen.add(files.failed)
    assert files.failed is None
    assert {"open", "writev", "pread", "sync", "truncate", "mmap", "status"} <= seen


@pytest.mark.parametrize("failure", ["ENOSPC", "EIO", "short", "EINTR"])
def test_failure_of_every_operation_of_a_new_file(tmp_path: Path, failure: str) -> None:
    """Making a cassette fails at every operation: nothing acknowledged is lost, and the next recorder can begin."""
    path = tmp_path / "new.tape"
    for k in range(1, 200):
        path.unlink(missing_ok=True)
        files = Failing(k, failure)
        kept = run(path, files)[1:]
        if kept:
            check(path, kept, (k, files.failed))
        with Cassette.open(path, writable=True) as cassette:
            cassette.append(interaction(b"after"), key_of("after"))
        assert verify(path).is_sound
        if files.failed is None:
            break
    assert files.failed is None


@pytest.mark.parametrize("failure", ["ENOSPC", "EIO", "short", "EINTR"])
@pytest.mark.parametrize("work", ["compact", "rewrite"])
def test_failure_while_replacing_keeps_one_whole_file(tmp_path: Path, failure: str, work: str) -> None:
    """Compacting and rewriting fail at every operation: the old file or the new one is there, whole, never half."""
    path = tmp_path / "a.tape"

    def rewrite(files: Files) -> None:
        with RewriteCassette.begin(path, files=files) as cassette:
            cassette.append(interaction(b"before", BODY), key_of("before"))
            cassette.append(interaction(answer=b"new"), key_of("same"))

    for k in range(1, 200):
        prepare(path)
        files = Failing(k, failure)
        is_done = True
        try:
            compact(path, files=files) if work == "compact" else rewrite(files)
        except CassetteError:
            is_done = False
        assert verify(path).is_sound, (k, files.failed)
        with Cassette.open(path) as cassette:
            assert len(cassette) == 2
            [number] = cassette.takes(key_of("same"))
            answer = bytes(cassette.read(number).script[1].data)
            assert answer in ({b"new"} if is_done and work == "rewrite" else {b"old", b"new"})
        assert is_done or files.failed, k
        if files.failed is None:
            break
    assert files.failed is None
    assert [one.name for one in tmp_path.iterdir() if one.name != "a.tape.lock"] == ["a.tape"]


def test_recording_resumes_when_space_returns(tmp_path: Path) -> None:
    """Real writes beyond a file size limit fail with the reason; the file stays valid, and later appends succeed."""
    path = tmp_path / "a.tape"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        with Cassette.open(path, writable=True) as cassette:
            cassette.append(interaction(), key_of(0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5000, hard))
            size = path.stat().st_size
            for _ in range(3):
                with pytest.raises(CassetteUnwritten, match="recording resumes"):
                    cassette.append(interaction(os.urandom(9000)), key_of(1))
                assert path.stat().st_size == size
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            cassette.append(interaction(os.urandom(9000)), key_of(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    with Cassette.open(path) as cassette:
        assert [bool(cassette.takes(key_of(n))) for n in range(3)] == [True, False, True]
    assert verify(path).is_sound


# --- durability -------------------------------------------------------------------------------------------------


def test_sync_comes_after_the_write_and_once_for_all(tmp_path: Path) -> None:
    """With durability disk: write, write, then one sync for both; nothing new means no sync; cache never syncs."""
    for durability, expected in (("disk", 1), ("cache", 0)):
        files = Failing(0, "EIO")
        with Cassette.open(tmp_path / durability, writable=True, files=files, durability=durability) as cassette:
            cassette.sync()
            files.log.clear()
            cassette.append(interaction(b"1"), key_of(1))
            cassette.append(interaction(b"2"), key_of(2))
            cassette.sync()
            cassette.sync()
            relevant = [one for one in files.log if one in ("writev", "sync")]
            assert relevant == ["writev", "writev", *["sync"] * expected]


def test_failed_sync_is_never_tried_again(tmp_path: Path) -> None:
    """After a failed sync the cassette is suspect: it takes nothing more, and the sync is not repeated."""
    files = Failing(0, "EIO")
    cassette = Cassette.open(tmp_path / "a.tape", writable=True, files=files, durability="disk")
    cassette.append(interaction(), key_of(1))
    files._k = files.count + 1
    with pytest.raises(CassetteUnwritten, match="suspect"):
        cassette.sync()
    assert cassette.is_suspect
    for attempt in (cassette.sync, lambda: cassette.append(interaction(), key_of(2)), cassette.close):
        with pytest.raises(CassetteUnwritten, match="sync to disk failed"):
            attempt()
    assert files.log.count("sync") == 1
    with Cassette.open(tmp_path / "a.tape") as again:
        assert list(again.takes(key_of(1))) == [0]


def test_replaced_file_is_not_recorded_into(tmp_path: Path) -> None:
    """When somebody replaces or removes the file under a recorder, the next append says so instead of vanishing."""
    path = tmp_path / "a.tape"
    cassette = Cassette.open(path, writable=True)
    cassette.append(interaction(), key_of(1))
    other = path.read_bytes()
    path.unlink()
    path.write_bytes(other)
    with pytest.raises(CassetteUnwritten, match="replaced or removed"):
        cassette.append(interaction(), key_of(2))
    cassette.discard()
    assert path.read_bytes() == other


# --- death ------------------------------------------------------------------------------------------------------

WRITER = """
import os, sys
sys.path[:0] = [{here!r}]
from tape_samples import *
from sagetape.shell.store import Cassette
first, shared = int(sys.argv[2]), sys.argv[3] == "shared"
last = first + int(sys.argv[4])
with Cassette.open(sys.argv[1], writable=True, shared=shared) as cassette:
    os.write(1, b"ready\\n")
    for n in range(first, last):
        if n % 7 == 3:
            cassette.append(streamed(b"%d" % n, *(b"%d-%d" % (n, part) * 100 for part in range(5))), key_of(n))
        else:
            cassette.append(interaction(b"%d" % n * 50, b"answer %d" % n * (1 + n % 3000)), key_of(n))
        os.write(1, b"%d\\n" % n)
os.write(1, b"done\\n")
"""


def writer(path: Path, first: int, *, shared: bool = False, count: int = 10**9) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parent)
    code = WRITER.format(here=here)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    mode = "shared" if shared else "alone"
    command = [sys.executable, "-c", code, str(path), str(first), mode, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)


def kill_after(process: subprocess.Popen[bytes], acknowledged: int) -> list[int]:
    """Kills a writer somewhere after that many appends; the numbers that it acknowledged."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(acknowledged + 1)]
    process.kill()
    lines += process.stdout.read().split(b"\n")
    process.wait()
    process.stdout.close()
    return [int(line) for line in lines if line.strip().isdigit()]


def kill_campaign(path: Path, kills: int) -> None:
    chance, kept = random.Random(kills), []
    for kill in range(kills):
        kept += kill_after(writer(path, kill * 10_000), chance.randrange(1, 25))
    with Cassette.open(path) as cassette:
        assert not cassette.report.damaged
        for n in kept:
            [number] = cassette.takes(key_of(n))
            one = cassette.read(number)
            assert one.call.body == (b"%d" % n if n % 7 == 3 else b"%d" % n * 50)
    assert len(kept) >= kills
    with Cassette.open(path, writable=True):
        pass
    assert verify(path).is_sound


def test_killed_recorders_lose_nothing(tmp_path: Path) -> None:
    """Twenty recorders of one file, one after the other, each killed at a random moment: all acknowledged is served."""
    kill_campaign(tmp_path / "a.tape", 20)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_thousand_killed_recorders_lose_nothing(tmp_path: Path) -> None:
    """The same with 1,000 kills, in 20 files."""
    for number in range(20):
        kill_campaign(tmp_path / f"{number}.tape", 50)


# --- several recorders ------------------------------------------------------------------------------------------


def test_second_recorder_is_refused_with_pid(tmp_path: Path) -> None:
    """A second recorder is told who records and what to do; replaying meanwhile works; a shared one is refused too."""
    path = tmp_path / "a.tape"
    with Cassette.open(path, writable=True) as cassette:
        cassette.append(interaction(), key_of(1))
        for shared in (False, True):
            with pytest.raises(CassetteLocked, match=rf"process {os.getpid()}\b.*--shared") as caught:
                Cassette.open(path, writable=True, shared=shared)
            assert caught.value.pid == os.getpid()
        with pytest.raises(CassetteLocked):
            RewriteCassette.begin(path)
        with pytest.raises(CassetteLocked):
            compact(path)
        with Cassette.open(path) as reader:
            assert len(reader) == 1
    Cassette.open(path, writable=True).close()
    assert [one.name for one in tmp_path.iterdir()] == ["a.tape"]


def test_lock_of_a_dead_recorder_is_taken_over(tmp_path: Path) -> None:
    """The lock file of a killed recorder keeps nobody out."""
    path = tmp_path / "a.tape"
    kill_after(writer(path, 0), 2)
    assert (tmp_path / "a.tape.lock").exists()
    with Cassette.open(path, writable=True) as cassette:
        assert len(cassette) >= 2
    assert not (tmp_path / "a.tape.lock").exists()


def test_sharing_recorders_keep_everything(tmp_path: Path) -> None:
    """Four processes record into one cassette at once: all of it is there, nothing interleaved, each take once."""
    path = tmp_path / "a.tape"
    share(path, processes=4, each=60)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_sharing_recorders_keep_eight_thousand(tmp_path: Path) -> None:
    """The same with eight processes and a thousand interactions each."""
    share(tmp_path / "a.tape", processes=8, each=1000)


def share(path: Path, *, processes: int, each: int) -> None:
    running = [writer(path, n * 10_000, shared=True, count=each) for n in range(processes)]
    for process in running:
        out, _ = process.communicate()
        assert out.endswith(b"done\n")
        assert process.returncode == 0
    with Cassette.open(path) as cassette:
        assert len(cassette) == processes * each
        for n in (first * 10_000 + n for first in range(processes) for n in range(each)):
            assert len(cassette.takes(key_of(n))) == 1
    assert verify(path).is_sound
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_sharing_recorder_that_dies_tears_nothing_off(tmp_path: Path) -> None:
    """A sharing recorder that died in the middle of a write is cleaned up by the next append of another."""
    path = tmp_path / "a.tape"
    with Cassette.open(path, writable=True, shared=True) as one:
        one.append(interaction(b"1"), key_of(1))
        with path.open("ab") as torn:
            torn.write(path.read_bytes()[:90])
        with Cassette.open(path, writable=True, shared=True) as two:
            two.append(interaction(b"2"), key_of(2))
        one.append(interaction(b"3"), key_of(3))
        assert [len(one.takes(key_of(n))) for n in (1, 2, 3)] == [1, 1, 1]
    assert verify(path).is_sound


def test_unwritable_places_are_refused_at_opening(tmp_path: Path) -> None:
    """A directory that may not be written is named with the remedy, before anything is recorded."""
    folder = tmp_path / "closed"
    folder.mkdir(0o500)
    path = folder / "a.tape"
    if os.access(folder, os.W_OK):  # root writes everywhere: let the system call say what it says to others
        files: Files = Failing(1, "EACCES")
    else:
        files = files_module.REAL
    with pytest.raises(CassetteError, match="permissions") as caught:
        Cassette.open(path, writable=True, files=files)
    assert str(path) in str(caught.value)


# --- what differs between systems -------------------------------------------------------------------------------


class FakeFcntl:
    LOCK_EX, LOCK_SH, LOCK_NB, LOCK_UN = 2, 1, 4, 8

    def __init__(self) -> None:
        self.calls: list[int] = []

    def flock(self, _fd: int, operation: int) -> None:
        self.calls.append(operation)
        if operation == self.LOCK_EX | self.LOCK_NB:
            raise BlockingIOError


class FakeMsvcrt:
    LK_LOCK, LK_NBLCK, LK_UNLCK = 1, 2, 0

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def locking(self, _fd: int, operation: int, length: int) -> None:
        self.calls.append((operation, length))
        if operation == self.LK_NBLCK:
            raise PermissionError


@pytest.mark.parametrize(
    ("system", "module", "calls"),
    [("posix", FakeFcntl(), [6, 1, 8]), ("nt", FakeMsvcrt(), [(2, 1), (1, 1), (0, 1)])],
)
def test_locks_of_each_system(tmp_path: Path, system: str, module: Any, calls: Sequence[Any]) -> None:
    """The table of locks: an exclusive try that is refused, a wait that succeeds, and unlocking."""
    lock, unlock = files_module.locking(system, module)
    with (tmp_path / "file").open("wb") as file:
        assert lock(file.fileno(), True, False) is False
        assert lock(file.fileno(), False, True) is True
        unlock(file.fileno())
    assert module.calls == calls


def test_fallbacks_read_and_write_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without writev, pread, mmap and directory syncs, a cassette has the same bytes and the same content."""
    kept = write_sample(tmp_path / "a.tape")
    monkeypatch.setattr(files_module, "WRITEV", files_module._write_first)
    monkeypatch.setattr(files_module, "PREAD", files_module._pread_by_seek)
    monkeypatch.setattr(files_module, "SYNC_DIRECTORY", files_module._sync_nothing)

    def no_mmap(_fd: int, _length: int) -> Any:
        raise OSError(errno.ENODEV, "no mmap")

    monkeypatch.setattr(files_module.REAL, "mmap", no_mmap, raising=False)
    write_sample(tmp_path / "b.tape")
    with Cassette.open(tmp_path / "b.tape") as cassette:
        assert [(cassette.key(n), cassette.read(n)) for n in cassette.numbers()] == kept
    assert (tmp_path / "a.tape").read_bytes() == (tmp_path / "b.tape").read_bytes()


# --- what was recorded before -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda path: os.truncate(path, 400), "behind its first 400 bytes is lost"),
        (Path.unlink, "is in the file that was there"),
    ],
    ids=["cut", "removed"],
)
def test_cassette_that_another_program_changed_says_what_is_lost(
    happens: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    """And not that all is well."""
    path = tmp_path / "churn.tape"
    cassette = Cassette.open(path, writable=True)
    cassette.append(interaction(), key_of("one"))
    happens(path)
    for write in (lambda: cassette.append(interaction(b"two"), key_of("two")), cassette.close):
        with pytest.raises(CassetteUnwritten, match=said) as caught:
            write()
        assert "is intact" not in str(caught.value)

"""Where a cassette cannot be, and who else records into it: told at the start, by the command itself."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from recorders import Client, container, environment, recorder
from tape_samples import interaction, key_of

from sagetape.core.wire import body_of
from sagetape.shell.store import Cassette, verify


def command(*words: str, before: Sequence[str] = ()) -> tuple[int, str]:
    """The exit code of a command that should end by itself, and what it said on standard error."""
    ended = subprocess.run(
        [*before, sys.executable, "-m", "sagetape", *words, "--port", "0", "--no-config"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    return ended.returncode, ended.stderr


def as_ordinary() -> list[str]:
    """What runs a command without root's right to write everywhere."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may write everywhere, and setpriv (util-linux) is not here to give that right up")
    return [setpriv, "--bounding-set=-all"]


def a_directory(path: Path) -> None:
    path.mkdir()


def a_fifo(path: Path) -> None:
    os.mkfifo(path)


def a_link(path: Path) -> None:
    target = path.with_name("elsewhere.tape")
    with Cassette.open(target, writable=True) as cassette:
        cassette.append(interaction(), key_of(1))
    path.symlink_to(target)


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_text(path: Path) -> None:
    path.write_text("interactions:\n- request: {}\n")


def a_newer_cassette(path: Path) -> None:
    with Cassette.open(path, writable=True) as cassette:
        cassette.append(interaction(), key_of(1))
    data = path.read_bytes()
    assert data.count(b"\xa6format\x01") >= 1
    from sagetape.core.framing import HEADER_KIND, frame
    from sagetape.core.payload import pack

    path.write_bytes(b"".join(frame(HEADER_KIND, pack({"format": 2, "created_by": "9.9"}))))


PLACES: dict[Callable[[Path], None], str] = {
    a_directory: "is a directory",
    a_fifo: "not a plain file",
    a_link: "symbolic link",
    a_loop: "symbolic link",
    a_text: "not a cassette",
    a_newer_cassette: "Upgrade with",
}


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and links of POSIX")
@pytest.mark.parametrize("make", PLACES, ids=lambda make: make.__name__)
def test_recorder_refuses_a_place_at_its_start(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """Before anything is served: the path, the reason and the remedy, exit code 6, and the place as it was."""
    path = tmp_path / "odd.tape"
    make(path)
    before = sorted(item.name for item in tmp_path.iterdir())
    code, said = command("record", str(path), "--upstream", "http://127.0.0.1:9")
    assert code == 6, said
    assert PLACES[make] in said
    assert "odd.tape" in said
    assert sorted(item.name for item in tmp_path.iterdir() if not item.name.endswith(".lock")) == before


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("closed", ["directory", "file"])
def test_recorder_refuses_what_it_may_not_write_at_its_start(tmp_path: Path, closed: str) -> None:
    """A directory or a file without write permission: exit code 6, with what to change."""
    folder = tmp_path / "closed"
    folder.mkdir()
    path = folder / "a.tape"
    with Cassette.open(path, writable=True) as cassette:
        cassette.append(interaction(), key_of(1))
    path.chmod(0o400)
    folder.chmod(0o500 if closed == "directory" else 0o700)
    code, said = command("record", str(path), "--upstream", "http://127.0.0.1:9", before=as_ordinary())
    folder.chmod(0o700)
    assert code == 6, said
    assert str(path) in said
    assert "permissions" in said


# --- several recorders ------------------------------------------------------------------------------------------


async def ask_all(port: int, bodies: list[bytes]) -> dict[bytes, bytes | None]:
    client = Client(port)
    answers = {body: await client.call(body) for body in bodies}
    client.close()
    return answers


async def share(path: Path, *, processes: int, each: int) -> None:
    """Recorders of one cassette at once; everything that any client saw is in it, once."""
    async with container() as models:
        running = [await recorder(path, models.url, "--shared") for _ in range(processes)]
        await asyncio.gather(*(one.start() for one in running))
        plans = [[b"whole %d %d" % (place, call) for call in range(each)] for place in range(processes)]
        seen = await asyncio.gather(*(ask_all(one.port, plan) for one, plan in zip(running, plans, strict=True)))
        for one in running:
            code, said = await one.stop()
            assert code == 0, said
    with Cassette.open(path) as cassette:
        kept = [cassette.read(number) for number in cassette.numbers()]
    assert len(kept) == processes * each
    found = {one.call.body: body_of(one.script) for one in kept}
    assert found == {body: answer for answers in seen for body, answer in answers.items()}
    assert verify(path).is_sound


async def test_processes_share_a_cassette(tmp_path: Path) -> None:
    """Three recorders with --shared: all that was seen is there, nothing is interleaved."""
    await share(tmp_path / "shared.tape", processes=3, each=60)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_eight_processes_share_a_cassette(tmp_path: Path) -> None:
    """Eight recorders with a thousand calls each."""
    await share(tmp_path / "shared.tape", processes=8, each=1000)


async def test_second_recorder_is_refused_with_the_first_ones_pid(tmp_path: Path) -> None:
    """Without --shared a second recorder ends at once with the pid and the way out; a killed one keeps nobody out."""
    path = tmp_path / "a.tape"
    async with container() as models:
        first, second = await recorder(path, models.url), await recorder(path, models.url)
        await first.start()
        with pytest.raises(RuntimeError, match="ended with 6"):
            await second.start()
        _, said = await second.ended()
        assert f"process {first.process.pid}" in said
        assert "--shared" in said
        await first.kill()
        assert path.with_name("a.tape.lock").exists()
        third = await recorder(path, models.url)
        await third.start()
        assert (await third.stop())[0] == 0
    assert not path.with_name("a.tape.lock").exists()

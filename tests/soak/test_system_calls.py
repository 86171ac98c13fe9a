"""Real system calls of a real recorder fail, by strace's fault injection: the k-th of each kind, for every k."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "shell"))

from recorders import Client, container, recorder

from sagetape.core.wire import body_of
from sagetape.shell.store import Cassette, verify

CALLS = 8


def can_inject() -> bool:
    """Whether strace is here and may trace."""
    strace = shutil.which("strace")
    if strace is None:
        return False
    return subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


async def one_run(folder: Path, call: str, error: str, k: int) -> bool:
    """Records under a failure of the k-th call; whether it was reached."""
    path, trace = folder / f"{call}-{error}-{k}.tape", folder / "trace"
    path.unlink(missing_ok=True)
    with Cassette.open(path, writable=True, shared=True):
        pass  # the file is there, so that strace can tell its descriptors; the failures come after the start
    inject = f"inject={call}:error={error}:when={k}"
    before = ["strace", "-f", "-qq", "-o", str(trace), "-P", str(path), "-e", f"trace={call}", "-e", inject]
    answers = {}
    async with container() as models:
        running = await recorder(path, models.url, "--durability", "sync", before=before)
        try:
            await running.start()
        except RuntimeError:
            _, said = await running.ended()
            assert str(path) in said  # at the start: refused with the reason
            return True
        client = Client(running.port)
        for number in range(CALLS):
            body = b"%b %d" % (b"stream" if number % 2 else b"whole", number)
            answers[body] = await client.call(body, is_stream=bool(number % 2))
            assert answers[body] is not None, (call, error, k)
        client.close()
        code, said = await running.stop()
    was_reached = "INJECTED" in trace.read_text()
    check(path, answers, code, said, is_sync=call == "fdatasync")
    return was_reached


def check(path: Path, answers: dict, code: int, said: str, *, is_sync: bool) -> None:
    """What is in the file is right; what is not was told; the file is sound."""
    with Cassette.open(path) as cassette:
        kept = {one.call.body: body_of(one.script) for one in map(cassette.read, cassette.numbers())}
    assert all(answers[body] == answer for body, answer in kept.items())
    if len(kept) < CALLS:
        assert code == 6
        assert "not recorded" in said
    if is_sync and code == 6:
        assert "suspect" in said
    with Cassette.open(path, writable=True, shared=True):
        pass
    assert verify(path).is_sound


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="strace is Linux's")
@pytest.mark.parametrize(
    ("call", "error"),
    [("writev", "ENOSPC"), ("writev", "EIO"), ("writev", "EINTR"), ("fdatasync", "EIO")],
)
async def test_failing_system_call_reaches_no_client(tmp_path: Path, call: str, error: str) -> None:
    """The client gets the model's answer, log and exit code tell, the file stays valid, for every k."""
    if not can_inject():
        pytest.skip("strace is missing or may not trace here: apt-get install strace")
    reached = 0
    for k in range(1, 40):
        if not await one_run(tmp_path, call, error, k):
            break
        reached += 1
    print(f"{call} {error}: {reached} failures")
    assert reached

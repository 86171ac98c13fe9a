"""Recording the same again: what of the file is the same, to the byte."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from cassette_line import output, read

from sagetape.core.wire import Pause
from sagetape.emulator import Emulator

BODIES = [b'{"n": %d}' % number for number in range(24)]
MODEL = "def echo(invocation):\n    return {'echo': invocation.body.decode()}\n"


def record(tape: Path, bodies: list[bytes], *, mode: str, threads: int) -> bytes:
    """Records the calls over HTTP, and closes; the file."""
    (tape.parent / "echoing.py").write_text(MODEL)
    upstream: dict[str, Any] = {"upstream": "function:echoing:echo", "python_path": tape.parent}
    with Emulator(record_to=tape, mode=mode, **upstream) as emulator:
        client = emulator.client()

        def ask(body: bytes) -> None:
            client.invoke_endpoint(EndpointName="churn", ContentType="application/json", Body=body)["Body"].read()

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(ask, bodies))
    return tape.read_bytes()


def test_rewriting_twice_leaves_the_file_the_same_to_the_byte(tmp_path: Path) -> None:
    """Sixteen threads, three orders of arrival: the same bytes, the times of the first recording included."""
    tape = tmp_path / "a.tape"
    first = record(tape, BODIES, mode="rewrite", threads=16)
    assert record(tape, BODIES[::-1], mode="rewrite", threads=16) == first
    assert record(tape, BODIES[::2] + BODIES[1::2], mode="rewrite", threads=1) == first


def test_recording_in_other_order_and_compacting_differs_in_times_alone(tmp_path: Path) -> None:
    """Recorded into a new file: canonical after `compact`, and everything but when and how fast is the same."""
    found = []
    for name, bodies, threads in (("a", BODIES, 1), ("b", BODIES[::-1], 16)):
        folder = tmp_path / name
        folder.mkdir()
        tape = folder / "a.tape"
        record(tape, bodies, mode="once", threads=threads)
        output("cassette", "compact", tape)
        found.append(
            [
                replace(
                    one,
                    origin=replace(one.origin, recorded_at=0.0),
                    script=tuple(step for step in one.script if not isinstance(step, Pause)),
                )
                for one in read(tape)
            ]
        )
    assert found[0] == found[1]

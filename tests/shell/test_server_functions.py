"""A function that raises, hangs or blocks costs its own call, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.shell.server_wire import GATES, PATH, STREAM_PATH, Wire

from sagetape import Emulator

MODELS = """
from tests.shell.server_wire import GATES

def good(invocation):
    return {"label": 1}

def raises(invocation):
    raise ZeroDivisionError("of the model")

def exits(invocation):
    raise SystemExit(3)

def strange(invocation):
    return object()

async def hangs(invocation):
    await invocation.clock.sleep(10_000)

def blocks(invocation):
    GATES["entered"].set()
    assert GATES["go"].wait(30)
    return b"late"

def breaks(invocation):
    yield b"one"
    raise ZeroDivisionError("of the stream")
"""
NAMES = ("good", "raises", "exits", "strange", "hangs", "blocks", "breaks")


@pytest.fixture
def emulator(tmp_path: Path) -> Emulator:
    (tmp_path / "misbehaving_models.py").write_text(MODELS)
    endpoints = {name: {"upstream": f"function:misbehaving_models:{name}"} for name in NAMES}
    return Emulator(endpoints=endpoints, python_path=tmp_path, auth="off", clock="virtual")


def status(wire: Wire, name: str, path: str = PATH) -> int:
    wire.post(b"{}", path=path.replace("churn", name))
    return wire.answer().status


@pytest.mark.parametrize("name", ["raises", "exits", "strange", "hangs"])
def test_function_that_fails_costs_its_own_call(name: str, emulator: Emulator) -> None:
    """A 424 as from AWS, on a connection that goes on to serve the good one."""
    with emulator, Wire(emulator.url) as wire:
        for _ in range(3):
            assert status(wire, name) == 424
            assert status(wire, "good") == 200


def test_function_that_breaks_its_stream_costs_that_stream(emulator: Emulator) -> None:
    """The part, then the exception frame."""
    with emulator, Wire(emulator.url) as wire:
        wire.post(b"{}", path=STREAM_PATH.replace("churn", "breaks"))
        answer = wire.answer()
        assert b"one" in answer.body
        assert b"ModelStreamError" in answer.body
        assert status(wire, "good") == 200


def test_function_that_blocks_holds_nobody_up(emulator: Emulator) -> None:
    """Twenty calls of another are answered while it sits in its thread; then it is answered, too."""
    with emulator, Wire(emulator.url) as blocked, Wire(emulator.url) as wire:
        blocked.post(b"{}", path=PATH.replace("churn", "blocks"))
        assert [status(wire, "good") for _ in range(20)] == [200] * 20
        assert GATES["entered"].wait(30)
        GATES["go"].set()
        assert blocked.answer().body == b"late"

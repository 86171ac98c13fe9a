"""A forked child of a test has a copy of its deck, and is told so instead of being answered by it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from sagetape import Emulator
from tests.plugin.conftest import Project

pytest_plugins = ["pytester"]
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

IN_A_CHILD = '''
import os, signal

def said_by_child(act):
    """What a forked child says to an act; nothing when it is answered."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that hangs ends by itself
        try:
            act()
            text = ""
        except BaseException as caught:
            text = str(caught)
        os.write(writing, text.encode())
        os._exit(0)
    os.close(writing)
    text = os.read(reading, 10_000).decode()
    os.close(reading)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return text
'''


def test_a_child_is_told_whatever_it_asks_of_the_deck(project: Project) -> None:
    """Reading, changing and asserting act on the parent's deck or say that they cannot; the parent goes on."""
    (project.path / "children.py").write_text(IN_A_CHILD)
    project.write("""
        from children import said_by_child

        ACTS = {
            "advance": lambda deck: deck.advance(5),
            "fault": lambda deck: deck.fault("throttle"),
            "rechunk": lambda deck: deck.rechunk(),
            "clear_faults": lambda deck: deck.clear_faults(),
            "journal": lambda deck: deck.journal,
            "misses": lambda deck: deck.misses,
            "requests": lambda deck: deck.requests,
            "verdict": lambda deck: deck.verdict(),
            "assert_invoked": lambda deck: deck.assert_invoked("churn"),
            "assert_no_misses": lambda deck: deck.assert_no_misses(),
        }

        @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
        @pytest.mark.parametrize("act", ACTS)
        @pytest.mark.sagetape(upstream="function:user_models:echo")
        def test_asks(sagetape, act):
            call()
            said = said_by_child(lambda: ACTS[act](sagetape))
            assert "forked from it" in said
            assert "in the parent" in said
            ACTS[act](sagetape)
    """)
    project.run().assert_outcomes(passed=10)


ACTS: dict[str, Callable[[Emulator], Any]] = {
    "journal": lambda emulator: emulator.journal,
    "advance": lambda emulator: emulator.advance(5),
    "fault": lambda emulator: emulator.fault("throttle"),
}


@pytest.mark.parametrize("act", ACTS)
def test_a_child_of_an_emulator_is_told_and_does_not_hang(act: str) -> None:
    """The server's thread is not there in the child; its URL is named as what works."""
    helpers: dict[str, Any] = {}
    exec(IN_A_CHILD, helpers)
    with Emulator(clock="virtual") as emulator:
        said = helpers["said_by_child"](lambda: ACTS[act](emulator))
        assert "forked from it" in said
        assert "URL" in said
        ACTS[act](emulator)

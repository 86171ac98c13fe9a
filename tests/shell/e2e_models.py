"""Models that the end-to-end tests serve, and what the tests see of them: they run in this very process."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from sagetape import Answer, Invocation, ModelFailure

PATIENCE_S = 20.0  # a gate that a test forgot to open must not hang the suite


class Gate:
    """Where calls of `gated` wait: tests see who has come and let them go."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.opened = threading.Event()

    def pass_through(self) -> None:
        self.arrived.release()
        assert self.opened.wait(PATIENCE_S)

    def await_arrivals(self, count: int) -> None:
        """Returns when so many calls wait here."""
        for _ in range(count):
            assert self.arrived.acquire(timeout=PATIENCE_S)


GATES: dict[str, Gate] = {}
SHADOWED: deque[bytes] = deque(maxlen=100)
SHADOW_SEEN = threading.Semaphore(0)


def echo(invocation: Invocation) -> Any:
    """What was asked, and of whom."""
    return {
        "body": invocation.body.decode("latin-1"),
        "variant": invocation.variant,
        "component": invocation.inference_component,
        "model": invocation.target_model,
        "hostname": invocation.target_container_hostname,
        "session": invocation.session_id,
    }


def first(invocation: Invocation) -> bytes:
    return b"<" + invocation.body + b">"


def second(invocation: Invocation) -> bytes:
    return b"[" + invocation.body + b"]"


def large(invocation: Invocation) -> bytes:
    """One byte more than a pipeline passes on."""
    return b"x" * (5 * 1024 * 1024 + 1)


def shadow(invocation: Invocation) -> bytes:
    """Notes that it was asked; its answer must reach nobody."""
    SHADOWED.append(invocation.body)
    SHADOW_SEEN.release()
    raise ModelFailure(500, b"from the shadow")


def gated(invocation: Invocation) -> Any:
    """Answers when the gate that its body names is open; a body without a gate at once."""
    gate = GATES.get(invocation.body.decode("latin-1"))
    if gate is not None:
        gate.pass_through()
    return {"headers": dict(invocation.headers)}


# --- what goes wrong ----------------------------------------------------------------------------------------------


def raises(invocation: Invocation) -> Any:
    raise ZeroDivisionError("nothing to divide by")


def exits(invocation: Invocation) -> Any:
    raise SystemExit(3)


def nonsense(invocation: Invocation) -> Any:
    return object()


def not_a_number(invocation: Invocation) -> Any:
    return {"score": float("nan")}


def bad_stream(invocation: Invocation) -> Any:
    yield b"one"
    yield 2


async def too_slow(invocation: Invocation) -> Any:
    """A minute of the deck's time."""
    await invocation.clock.sleep(60)
    return {}


async def just_in_time(invocation: Invocation) -> Any:
    await invocation.clock.sleep(59.5)
    return {}


async def long_stream(invocation: Invocation) -> Any:
    """A part every minute, for ten minutes."""
    for minute in range(10):
        yield b"%d" % minute
        await invocation.clock.sleep(60)


# --- sessions -----------------------------------------------------------------------------------------------------

SAID: dict[str, list[str]] = {}


def remembers(invocation: Invocation) -> Any:
    """Keeps what was said in a session; opens and closes them itself."""
    text = invocation.body.decode()
    if invocation.session_id == "NEW_SESSION":
        return opening(text)
    if invocation.session_id is None:
        return {"said": [text]}
    said = SAID[invocation.session_id]
    if text == "CLOSE":
        del SAID[invocation.session_id]
        return Answer({"said": said}, closed_session=invocation.session_id)
    said.append(text)
    return {"said": said, "id": invocation.session_id}


def opening(text: str) -> Any:
    """A session, or what the body says in the place of its header."""
    name = f"s-{len(SAID)}-{id(text):x}"
    SAID[name] = []
    header = text.removeprefix("header:") if text.startswith("header:") else f"{name}; Expires=2099-01-01T00:00:00Z"
    return Answer({"id": name}, new_session=header)

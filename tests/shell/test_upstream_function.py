"""Python functions as models: what they see, what becomes of what they return, and that they harm nobody else."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.shell.upstream_servers import STREAM, FusedClock, ask_of, steps_of

from sagetape.core.errors import ConfigError
from sagetape.core.eventstream import decode
from sagetape.core.wire import Chunk, End, Head, Step, body_of
from sagetape.functions import Invocation
from sagetape.shell.clock import RealClock, VirtualClock
from sagetape.shell.upstreams import NothingHere, Settings, Upstream, parse_upstream

names = (f"users_model_{number}" for number in itertools.count())
Write = Callable[[str], Upstream]


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Writes a module and opens its function `model`; the module is forgotten afterwards."""
    made: list[str] = []

    def make(source: str) -> Upstream:
        made.append(next(names))
        (tmp_path / f"{made[-1]}.py").write_text("from sagetape.functions import *\n" + source)
        return parse_upstream(f"function:{made[-1]}:model", Settings(folder=tmp_path))

    yield make
    for name in made:
        sys.modules.pop(name, None)
    sys.path.remove(str(tmp_path))


def content_of(steps: list[Step]) -> tuple[str | None, bytes]:
    """Content type and body of a whole answer."""
    assert isinstance(steps[0], Head)
    assert (steps[0].status, steps[-1]) == (200, End())
    return steps[0].header("Content-Type"), body_of(tuple(steps))


def error_of(steps: list[Step]) -> dict[str, Any]:
    """The body of a 424."""
    assert isinstance(steps[0], Head)
    assert (steps[0].status, steps[-1]) == (424, End())
    parsed: dict[str, Any] = json.loads(body_of(tuple(steps)))
    return parsed


def frames_of(steps: list[Step]) -> list[bytes]:
    """Payloads of a stream's frames, exceptions included."""
    return [decode(step.data).payload for step in steps if isinstance(step, Chunk)]


# --- what it sees -----------------------------------------------------------------------------------------------


async def test_invocation_carries_the_call(write: Write) -> None:
    """Members by their names, absent ones None, headers as a container would get them."""
    upstream = write(
        "def model(i):\n"
        "    return [i.operation, i.endpoint, i.body.decode(), i.content_type, i.accept, i.custom_attributes,\n"
        "            i.target_model, i.target_variant, i.variant, i.target_container_hostname, i.inference_component,\n"
        "            i.inference_id, i.enable_explanations, i.prefix_aware_id, i.session_id,\n"
        "            i.headers['x-amzn-sagemaker-SESSION-id'], sorted(i.headers), i.clock.now() > 0]\n"
    )
    members = {"ContentType": "text/csv", "SessionId": "NEW_SESSION", "TargetVariant": "blue", "PrefixAwareId": "p"}
    steps = await steps_of(upstream, ask_of(body=b"1,2", members=members, variant="blue"))
    headers = ["Content-Type", "X-Amzn-SageMaker-Forwarded-Api", "X-Amzn-SageMaker-Inference-Id"]
    assert json.loads(content_of(steps)[1]) == [
        *("InvokeEndpoint", "churn", "1,2", "text/csv", None, None, None, "blue", "blue", None, None, None, None, "p"),
        *("NEW_SESSION", "NEW_SESSION", [*headers, "X-Amzn-SageMaker-Session-Id"], True),
    ]


def test_invocation_can_be_made_by_hand() -> None:
    """A user tests a function without an emulator."""
    assert Invocation("InvokeEndpoint", "churn", b"{}").session_id is None


# --- what it returns --------------------------------------------------------------------------------------------

JSON = "application/json"
RETURNS = [
    ("{'label': 'stays'}", JSON, b'{"label":"stays"}'),
    ("[1, 2.5, None, True, 'é']", JSON, '[1,2.5,null,true,"é"]'.encode()),
    ("None", JSON, b"null"),
    ("0", JSON, b"0"),
    ("'héllo'", "text/plain; charset=utf-8", "héllo".encode()),
    ("b'\\x00\\xff'", "application/octet-stream", b"\x00\xff"),
    ("bytearray(b'ab')", "application/octet-stream", b"ab"),
    ("b''", "application/octet-stream", b""),
    ("Answer({'a': 1})", JSON, b'{"a":1}'),
    ("Answer('1,2', content_type='text/csv')", "text/csv", b"1,2"),
    ("iter([b'a', 'b', bytearray(b'c')])", "application/octet-stream", b"abc"),
    ("Answer((c for c in [b'a', b'b']), content_type='text/plain')", "text/plain", b"ab"),
]


@pytest.mark.parametrize(("expression", "content_type", "body"), RETURNS)
@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_value_becomes_an_answer(
    write: Write, kind: str, expression: str, content_type: str, body: bytes
) -> None:
    """Values, text, bytes, answers and iterators, from plain and from async functions."""
    upstream = write(f"{kind} model(i):\n    return {expression}\n")
    assert content_of(await steps_of(upstream, ask_of())) == (content_type, body)


async def test_answer_carries_headers(write: Write) -> None:
    """Custom attributes and session headers go the way of a container's."""
    upstream = write(
        "def model(i):\n"
        "    return Answer(b'', custom_attributes='a=1', new_session='s1; Expires=2030-01-01T00:00:00Z',\n"
        "                  closed_session='s0')\n"
    )
    head = (await steps_of(upstream, ask_of(variant="green")))[0]
    assert isinstance(head, Head)
    assert head.headers == (
        ("X-Amzn-SageMaker-Closed-Session-Id", "s0"),
        ("X-Amzn-SageMaker-New-Session-Id", "s1; Expires=2030-01-01T00:00:00Z"),
        ("x-Amzn-Invoked-Production-Variant", "green"),
        ("X-Amzn-SageMaker-Custom-Attributes", "a=1"),
        ("Content-Type", "application/octet-stream"),
    )


STREAMS = {
    "generator": "def model(i):\n    yield b'one'\n    yield 'two'\n    yield b''\n",
    "async generator": "async def model(i):\n    yield b'one'\n    yield b'two'\n",
    "iterator": "def model(i):\n    return iter([b'one', b'two'])\n",
    "async iterator in an answer": (
        "async def parts():\n    yield b'one'\n    yield b'two'\n"
        "async def model(i):\n    return Answer(parts(), content_type='text/plain')\n"
    ),
}


@pytest.mark.parametrize("kind", STREAMS)
async def test_iterator_becomes_a_stream(write: Write, kind: str) -> None:
    """One part each; empty ones are left out."""
    steps = await steps_of(write(STREAMS[kind]), ask_of(STREAM))
    assert frames_of(steps) == [b"one", b"two"]
    assert isinstance(steps[0], Head)
    assert steps[0].header("Content-Type") == "application/vnd.amazon.eventstream"
    assert steps[-1] == End()


async def test_value_asked_for_as_a_stream_is_one_part(write: Write) -> None:
    """As a container's answer without chunks."""
    steps = await steps_of(write("def model(i):\n    return {'a': 1}\n"), ask_of(STREAM))
    assert frames_of(steps) == [b'{"a":1}']


async def test_first_part_is_there_while_the_function_still_runs(write: Write) -> None:
    """Nothing is held back."""
    upstream = write(
        "import threading\nseen = threading.Event()\n"
        "def model(i):\n    yield b'one'\n    assert seen.wait(30)\n    yield b'two'\n"
    )
    steps: list[Step] = []
    async for step in upstream.ask(ask_of(STREAM), clock=RealClock()):
        steps.append(step)
        if isinstance(step, Chunk):
            sys.modules[upstream.source.split(":")[1]].seen.set()
    await upstream.close()
    assert frames_of(steps) == [b"one", b"two"]


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_not_mine_is_nothing_here(write: Write, kind: str) -> None:
    """The next of a chain is asked; without one it is a miss."""
    with pytest.raises(NothingHere, match="NOT_MINE") as raised:
        await steps_of(write(f"{kind} model(i):\n    return NOT_MINE\n"), ask_of())
    assert raised.value.instead is None


# --- how it fails -----------------------------------------------------------------------------------------------

FAILURES = [
    ("raise ModelFailure(503, b'out of memory')", 503, "out of memory"),
    ("raise ModelFailure(400, 'bad input')", 400, "bad input"),
    ("raise ModelFailure(200, 'no failure')", 500, "no failure"),
    ("raise ModelFailure(99999)", 500, ""),
    ("raise ValueError('wrong')", 500, "ValueError: wrong"),
    ("raise StopIteration('odd')", 500, "StopIteration: odd"),
    ("raise TimeoutError('own')", 500, "TimeoutError: own"),
    ("return {1, 2}", 500, "returned a set that JSON cannot carry"),
    ("return {'a': float('nan')}", 500, "returned a dict that JSON cannot carry"),
    ("return object()", 500, "returned a object that JSON cannot carry"),
    ("a = []; a.append(a); return a", 500, "returned a list that JSON cannot carry"),
    ("return '\\udcff'", 500, "UnicodeEncodeError"),
    ("return iter([1])", 500, "gave a int; a stream is made of bytes"),
    ("return iter([b'a', 1])", 500, "gave a int; a stream is made of bytes"),
    ("raise SystemExit(3)", 0, "could not get a response"),
    ("raise KeyboardInterrupt", 0, "could not get a response"),
]


@pytest.mark.parametrize(("statement", "status", "text"), FAILURES)
async def test_failure_is_the_platforms_424(write: Write, statement: str, status: int, text: str) -> None:
    """Exceptions, nonsense and the end of the world, worded as a container's failures."""
    error = error_of(await steps_of(write(f"def model(i):\n    {statement}\n"), ask_of()))
    assert error["OriginalStatusCode"] == status
    assert text in error["OriginalMessage"]


async def test_failure_is_explained_in_the_log(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    """With the user's own traceback."""
    with caplog.at_level(logging.ERROR, "sagetape.upstreams"):
        await steps_of(write("def model(i):\n    return {'when': object()}\n"), ask_of())
    assert "return dicts, lists, text" in caplog.text
    assert "Traceback" in caplog.text


async def test_answer_over_the_limit_is_not_cut(write: Write, tmp_path: Path) -> None:
    """It fails whole, and an endless one ends."""
    write("def model(i):\n    while True:\n        yield b'a' * 100\n")
    upstream = parse_upstream(
        f"function:{max(tmp_path.glob('*.py')).stem}:model", Settings(folder=tmp_path, answer_max_bytes=999)
    )
    assert "could not load the entire response body" in error_of(await steps_of(upstream, ask_of()))["Message"]


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_failure_before_the_first_part_is_a_424(write: Write, kind: str) -> None:
    """The client has seen nothing yet, so it gets an ordinary error."""
    upstream = write(f"{kind} model(i):\n    raise ModelFailure(507, b'full')\n    yield b''\n")
    assert error_of(await steps_of(upstream, ask_of(STREAM)))["OriginalStatusCode"] == 507


@pytest.mark.parametrize("kind", ["def", "async def"])
async def test_failure_inside_a_stream_breaks_it(write: Write, kind: str) -> None:
    """The parts before it pass; the last frame says that the stream is not whole."""
    upstream = write(f"{kind} model(i):\n    yield b'one'\n    raise ValueError('x')\n")
    steps = await steps_of(upstream, ask_of(STREAM))
    part, error = frames_of(steps)
    assert (part, json.loads(error)["ErrorCode"], steps[-1]) == (b"one", "StreamBroken", End())


# --- that it harms nobody else ----------------------------------------------------------------------------------

HANGS = {
    "blocks": "import threading\nfree = threading.Event()\ndef model(i):\n    free.wait(60)\n",
    "blocks its loop": "import threading\nfree = threading.Event()\nasync def model(i):\n    free.wait(60)\n",
    "awaits for ever": "import asyncio\nasync def model(i):\n    await asyncio.Event().wait()\n",
    "runs in circles": "import threading\nfree = threading.Event()\ndef model(i):\n    while not free.is_set(): pass\n",
    "swallows cancellation": (
        "import asyncio, threading\nfree = threading.Event()\nasync def model(i):\n"
        "    while not free.is_set():\n"
        "        try:\n            await asyncio.Event().wait()\n"
        "        except asyncio.CancelledError:\n            free.wait(60)\n"
    ),
}


@pytest.mark.parametrize("kind", HANGS)
async def test_function_that_hangs_costs_its_own_call_alone(write: Write, kind: str) -> None:
    """While it hangs, the loop runs and other calls are answered; its own call gets template C at the limit."""
    slow, quick, clock = write(HANGS[kind]), write("async def model(i):\n    return 'quick'\n"), FusedClock()
    module = sys.modules[slow.source.split(":")[1]]
    hung = asyncio.create_task(steps_of(slow, ask_of(), clock=clock))
    try:
        assert content_of(await steps_of(quick, ask_of()))[1] == b"quick"
        assert not hung.done()
        clock.blow()
        assert "timed out while waiting" in error_of(await hung)["Message"]
    finally:
        if hasattr(module, "free"):
            module.free.set()


async def test_calls_of_one_function_do_not_wait_for_each_other(write: Write) -> None:
    """Eight calls meet at a barrier, which they can only pass together."""
    upstream = write("import threading\nb = threading.Barrier(8)\nasync def model(i):\n    return b.wait(30)\n")
    answers = await asyncio.gather(*(collect(upstream) for _ in range(8)))
    await upstream.close()
    assert sorted(int(content_of(steps)[1]) for steps in answers) == list(range(8))


async def collect(upstream: Upstream) -> list[Step]:
    """All steps of one call."""
    return [step async for step in upstream.ask(ask_of(), clock=RealClock())]


async def test_calls_in_turn_share_a_thread_and_a_loop(write: Write) -> None:
    """What a function keeps in its loop (a connection pool) is there for the next call."""
    upstream = write(
        "import asyncio, threading\nasync def model(i):\n"
        "    return [id(asyncio.get_running_loop()), threading.get_ident()]\n"
    )
    seen = set()
    for _ in range(5):
        seen.add(content_of(await collect(upstream))[1])
        # The thread is parked after the call; the next piece of work waits for that.
        await asyncio.to_thread(join_parking, upstream)
    await upstream.close()
    assert len(seen) == 1


def join_parking(upstream: Any) -> None:
    """Wait until the worker of the last call is idle again."""
    while not upstream._workers._idle:
        pass


async def test_function_runs_outside_of_the_emulators_thread(write: Write) -> None:
    """And a plain one may run a loop of its own."""
    upstream = write(
        "import asyncio, threading\nasync def inner():\n    return threading.get_ident()\n"
        "def model(i):\n    return asyncio.run(inner())\n"
    )
    assert int(content_of(await steps_of(upstream, ask_of()))[1]) != threading.get_ident()


async def test_stream_that_is_left_runs_its_finally(write: Write) -> None:
    """A generator is closed when the client leaves."""
    upstream = write(
        "import threading\nclosed = threading.Event()\ndef model(i):\n"
        "    try:\n        while True: yield b'x'\n    finally: closed.set()\n"
    )
    module = sys.modules[upstream.source.split(":")[1]]
    steps = upstream.ask(ask_of(STREAM), clock=RealClock())
    await anext(steps)
    await steps.aclose()  # type: ignore[attr-defined]
    assert await asyncio.to_thread(module.closed.wait, 30)
    await upstream.close()


# --- time -------------------------------------------------------------------------------------------------------

WAITS = {
    "plain": "def model(i):\n    i.clock.sleep({s})\n    return i.clock.now()\n",
    "async": "async def model(i):\n    await i.clock.sleep({s})\n    return i.clock.now()\n",
}


@pytest.mark.parametrize("kind", WAITS)
async def test_waits_on_a_virtual_clock_take_no_time(write: Write, kind: str) -> None:
    """Half a minute passes for the call, and for nobody else."""
    clock = VirtualClock(1000.0)
    with clock.timeline():
        steps = await steps_of(write(WAITS[kind].format(s=30)), ask_of(), clock=clock)
    assert content_of(steps)[1] == b"1030.0"
    assert clock.now() == 1000.0


@pytest.mark.parametrize("kind", WAITS)
async def test_model_that_is_too_slow_on_a_virtual_clock_fails_at_once(write: Write, kind: str) -> None:
    """61 seconds are more than the platform's 60."""
    clock = VirtualClock(1000.0)
    with clock.timeline():
        steps = await steps_of(write(WAITS[kind].format(s=61)), ask_of(), clock=clock)
    assert "timed out while waiting" in error_of(steps)["Message"]


async def test_stream_is_cut_at_eight_minutes(write: Write) -> None:
    """47 parts of ten seconds pass, the limit cuts the rest."""
    upstream = write("def model(i):\n    while True:\n        i.clock.sleep(10)\n        yield b'x'\n")
    clock = VirtualClock(1000.0)
    with clock.timeline():
        steps = await steps_of(upstream, ask_of(STREAM, timeout_s=480.0), clock=clock)
    *parts, error = frames_of(steps)
    assert parts == [b"x"] * 47
    assert json.loads(error)["ErrorCode"] == "ModelInvocationTimeExceeded"


# --- modules ----------------------------------------------------------------------------------------------------


async def test_module_is_reloaded_when_its_file_changes(tmp_path: Path, write: Write) -> None:
    """The next call runs the new code, also when size and second are the same; a broken file is a 424."""
    upstream = write("def model(i):\n    return 'one'\n")
    path = tmp_path / f"{upstream.source.split(':')[1]}.py"
    answers = [content_of(await collect(upstream))[1]]
    path.write_text("def model(i):\n    return 'two'\n")
    answers.append(content_of(await collect(upstream))[1])
    path.write_text("def model(i):\n    return 'un\n")
    error = error_of(await collect(upstream))
    path.write_text("def model(i):\n    return 'three'\n")
    answers.append(content_of(await collect(upstream))[1])
    await upstream.close()
    assert answers == [b"one", b"two", b"three"]
    assert "SyntaxError" in error["OriginalMessage"]


async def test_module_that_vanishes_keeps_serving(tmp_path: Path, write: Write) -> None:
    """An editor that replaces the file by renaming must not cost a call."""
    upstream = write("def model(i):\n    return 'one'\n")
    (tmp_path / f"{upstream.source.split(':')[1]}.py").unlink()
    assert content_of(await steps_of(upstream, ask_of()))[1] == b"one"


async def test_own_folder_wins_over_the_standard_library(tmp_path: Path) -> None:
    """A user's `code.py` is the user's, and the library's stays what it is."""
    import code

    (tmp_path / "code.py").write_text("def model(i):\n    return 'mine'\n")
    upstream = parse_upstream("function:code:model", Settings(folder=tmp_path))
    sys.path.remove(str(tmp_path))
    assert content_of(await steps_of(upstream, ask_of()))[1] == b"mine"
    assert sys.modules["code"] is code


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("function:modles:churn", "no module modles .* Did you mean models"),
        ("function:models:chrun", "chrun in module models does not exist. Did you mean churn"),
        ("function:models:number", "number in module models is not a function"),
        ("function:models", "Write function:<module>:<name>"),
        ("function::churn", "Write function:<module>:<name>"),
        ("function:models:a:b", "Write function:<module>:<name>"),
        ("function:raising:churn", "module raising fails when it is imported: ZeroDivisionError"),
        ("function:typo:churn", "module typo fails when it is imported: SyntaxError"),
        ("function:needy:churn", "module needy cannot be imported: No module named 'nowhere_to_be_found'"),
    ],
)
def test_missing_function_names_the_nearest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, text: str
) -> None:
    """Found at start, with what would have worked."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "models.py").write_text("number = 1\ndef churn(i): return 1\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    (tmp_path / "typo.py").write_text("def\n")
    (tmp_path / "needy.py").write_text("import nowhere_to_be_found\n")
    with pytest.raises(ConfigError, match=text):
        parse_upstream(spec, Settings(folder=tmp_path))


def test_function_is_local_and_synthetic(write: Write) -> None:
    """It answers in every mode that asks a declared upstream, and its answers are marked."""
    upstream = write("def model(i): return 1\n")
    assert (upstream.is_remote, upstream.is_synthetic) == (False, True)
    assert upstream.source.startswith("function:users_model_")

"""An interaction as lines for a person and as plain data for a machine.

The data loses nothing; the lines cut long bodies and say so. Text from a cassette is hostile: no control character of
it reaches the terminal.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final

from ...core.eventstream import FrameError, decode
from ...core.wire import EVENT_STREAM, Abort, Chunk, Head, Interaction, Pause, Step, head_of
from ..terminal import harmless

CHARS_SHOWN: Final = 2000
BYTES_SHOWN: Final = 48


def plain(body: bytes | memoryview) -> dict[str, Any]:
    """Bytes as `{"text": ...}` when they are text, else as `{"base64": ...}`."""
    data = bytes(body)
    try:
        return {"text": data.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode("ascii")}


def plain_step(step: Step, *, is_stream: bool) -> dict[str, Any]:
    """A step of an answer."""
    if isinstance(step, Head):
        return {"head": step.status, "headers": [list(pair) for pair in step.headers]}
    if isinstance(step, Pause):
        return {"pause_s": step.seconds}
    if isinstance(step, Abort):
        return {"abort": step.reason}
    if isinstance(step, Chunk):
        return plain_frame(step) if is_stream else {"chunk": plain(step.data)}
    return {"end": True}


def plain_frame(step: Chunk) -> dict[str, Any]:
    """A frame of an event stream, opened; one that cannot be opened as it is."""
    try:
        frame = decode(step.data)
    except FrameError as error:
        return {"chunk": plain(step.data), "problem": str(error)}
    if frame.is_part:
        return {"part": plain(frame.payload)}
    return {"frame": {name: str(value) for name, value in frame.headers}, "payload": plain(frame.payload)}


def is_stream(interaction: Interaction) -> bool:
    """Whether the answer is an event stream."""
    head = head_of(interaction.script)
    return head is not None and head.header("content-type") == EVENT_STREAM


def plain_interaction(number: int, interaction: Interaction) -> dict[str, Any]:
    """The whole interaction as plain data."""
    call, origin, mark = interaction.call, interaction.origin, interaction.session
    streams = is_stream(interaction)
    return {
        "number": number,
        "operation": call.operation,
        "endpoint": call.endpoint,
        "members": dict(call.members),
        "auth": call.auth,
        "body": plain(call.body),
        "answer": [plain_step(step, is_stream=streams) for step in interaction.script],
        "origin": {
            "recorded_at": origin.recorded_at,
            "source": origin.source,
            "version": origin.version,
            "synthetic": origin.synthetic,
        },
        "session": None if mark is None else {"lane": mark.lane, "step": mark.step, "closes": mark.closes},
        "notes": dict(interaction.notes),
    }


# --- for a person -----------------------------------------------------------------------------------------------


def body_lines(body: bytes | memoryview, *, whole: bool) -> Iterator[str]:
    """A body as lines: its text, or the beginning of its bytes."""
    data = bytes(body)
    if not data:
        yield "(empty)"
        return
    limit = len(data) if whole else CHARS_SHOWN
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        shown = data if whole else data[:BYTES_SHOWN]
        yield f"{len(data)} bytes: {shown.hex(' ', 4)}{'' if len(shown) == len(data) else ' ...'}"
        return
    yield from map(harmless, text[:limit].splitlines() or [""])
    if len(text) > limit:
        yield f"... {len(text) - limit} characters more; --whole shows them"


def answer_lines(interaction: Interaction, *, whole: bool) -> Iterator[str]:
    """An answer as lines, one paragraph per step."""
    streams = is_stream(interaction)
    for step in interaction.script:
        if isinstance(step, Head):
            yield f"status {step.status}"
            yield from (f"{name}: {harmless(value)}" for name, value in step.headers)
        elif isinstance(step, Pause):
            yield f"(after {step.seconds:.3f} s)"
        elif isinstance(step, Abort):
            yield f"(the connection breaks: {harmless(step.reason) or 'no reason recorded'})"
        elif isinstance(step, Chunk):
            yield from chunk_lines(step, whole=whole, streams=streams)


def chunk_lines(step: Chunk, *, whole: bool, streams: bool) -> Iterator[str]:
    """A chunk as lines; a frame of a stream is opened."""
    try:
        frame = decode(step.data) if streams else None
    except FrameError as error:
        yield f"(damaged frame: {error})"
        frame = None
    if frame is not None:
        kind = str(frame.header(":exception-type") or frame.header(":event-type"))
        yield "part:" if frame.is_part else f"{harmless(kind)}:"
    lines = body_lines(step.data if frame is None else frame.payload, whole=whole)
    yield from (f"  {line}" for line in lines)


def interaction_lines(number: int, interaction: Interaction, *, whole: bool) -> Iterator[str]:
    """The whole interaction as lines."""
    call, origin = interaction.call, interaction.origin
    yield f"#{number} {call.operation} {harmless(call.endpoint)}"
    yield f"  from {harmless(origin.source)}, Sagetape {harmless(origin.version)}"
    if call.auth != "valid":
        yield f"  authentication: {harmless(call.auth)}"
    if interaction.session is not None:
        yield f"  session {harmless(interaction.session.lane)}, step {interaction.session.step}"
    yield from (f"  {name}: {harmless(value)}" for name, value in call.members.items())
    yield "  request"
    yield from (f"    {line}" for line in body_lines(call.body, whole=whole))
    yield "  answer"
    yield from (f"    {line}" for line in answer_lines(interaction, whole=whole))

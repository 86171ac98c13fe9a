"""An interaction as lines for a person and as plain data for a machine.

The data loses nothing; the lines cut long bodies and say so. Text from a cassette is hostile: no control character of
it reaches the terminal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from ...core.editing import document_of
from ...core.eventstream import FrameError, decode
from ...core.wire import Abort, Chunk, Head, Interaction, Pause, has_frames, is_complete
from ..terminal import harmless

CHARS_SHOWN: Final = 2000
BYTES_SHOWN: Final = 48


def plain_interaction(number: int, key: bytes, interaction: Interaction) -> dict[str, Any]:
    """The whole interaction as plain data: what `cassette edit` reads back, and whether the answer is whole."""
    return {**document_of(interaction, number=number, key=key), "is_complete": is_complete(interaction.script)}


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
        shown = data if whole and len(data) <= CHARS_SHOWN else data[:BYTES_SHOWN]
        rest = "" if len(shown) == len(data) else f" ... sha256 {hashlib.sha256(data).hexdigest()}"
        yield f"{len(data)} bytes: {shown.hex(' ', 4)}{rest}"
        return
    yield from map(harmless, (indented(text) if whole else text[:limit]).splitlines() or [""])
    if len(text) > limit:
        yield f"... {len(text) - limit} characters more; --whole shows them"


def indented(text: str) -> str:
    """JSON with a line for every value, so that a comparison of lines shows what changed; any other text as it is."""
    if text[:1] not in ("{", "["):
        return text
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text  # no JSON, or deeper than anybody reads


def moment(unix_s: float) -> str:
    """A time in UTC, to the second; the bare number when no calendar has it."""
    try:
        return datetime.fromtimestamp(unix_s, UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    except (OverflowError, ValueError, OSError):
        return f"{unix_s:g} s"


def answer_lines(interaction: Interaction, *, whole: bool) -> Iterator[str]:
    """An answer as lines, one paragraph per step."""
    streams = has_frames(interaction.script)
    for step in interaction.script:
        if isinstance(step, Head):
            yield f"status {step.status}"
            yield from (f"{harmless(name)}: {harmless(value)}" for name, value in step.headers)
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
    yield f"#{number} {harmless(call.operation)} {harmless(call.endpoint)}"
    made = ", not from a model" if origin.synthetic else ""
    source, version = harmless(origin.source), harmless(origin.version)
    yield f"  recorded {moment(origin.recorded_at)} from {source} by Sagetape {version}{made}"
    if not is_complete(interaction.script):
        yield "  the answer breaks off"
    yield from (f"  note {harmless(name)}: {harmless(value)}" for name, value in interaction.notes.items())
    if call.auth != "valid":
        yield f"  authentication: {harmless(call.auth)}"
    if interaction.session is not None:
        yield f"  session {harmless(interaction.session.lane)}, step {interaction.session.step}"
    yield from (f"  {harmless(name)}: {harmless(value)}" for name, value in call.members.items())
    yield "  request"
    yield from (f"    {line}" for line in body_lines(call.body, whole=whole))
    yield "  answer"
    yield from (f"    {line}" for line in answer_lines(interaction, whole=whole))

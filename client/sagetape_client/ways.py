"""The ways a command can go: one call, a stream, an asynchronous inference, a pipeline, a batch, a rehearsal.

Each takes a client and the options and gives an exit code. Standard output carries answers and nothing else.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, BinaryIO

from . import inputs, printing
from .answers import InvokeResult
from .cli import say
from .errors import ParameterError, StreamBroken
from .inputs import Options
from .invoker import Client
from .parameters import ASYNC, INVOKE, STREAM, canonical
from .request import Outgoing, pipeline_parameters
from .select import PASS_THRU

Way = Callable[[Client, Options], int]

CMDLETS = {
    INVOKE: "Invoke-SMREndpoint (InvokeEndpoint)",
    STREAM: "Invoke-SMREndpointWithResponseStream (InvokeEndpointWithResponseStream)",
    ASYNC: "Invoke-SMREndpointAsync (InvokeEndpointAsync)",
}


def go(options: Options) -> int:
    """Choose the way and go it; the exit code."""
    inputs.check_combinations(options)
    inputs.check_output(options["output"])
    with ExitStack() as stack:
        client = stack.enter_context(inputs.make_client(options, stack))
        return choose(options)(client, options)


def choose(options: Options) -> Way:
    """The way that the options ask for."""
    if options["batch"]:
        from .batches import ask_batch

        return ask_batch
    if options["name"] == "-":
        return ask_pipeline
    if options["stream"]:
        return ask_stream
    return ask_async if options["is_async"] else ask_once


def ask_once(client: Client, options: Options) -> int:
    """InvokeEndpoint, once."""
    if not _may_send(client, options, operation := INVOKE):
        return 0
    select = PASS_THRU if options["pass_thru"] else options["select"]
    result = client.invoke(body=_body(options, operation), select=select, **inputs.members_of(options))
    _tell(client, options, result)
    _write(options, lambda is_terminal: _shape(result, options, is_terminal=is_terminal))
    return 0


def ask_async(client: Client, options: Options) -> int:
    """InvokeEndpointAsync; with `--wait`, the output object's bytes."""
    if not _may_send(client, options, operation := ASYNC):
        return 0
    select = options["select"]
    result = client.invoke_async(body=_body(options, operation), select=select, **inputs.members_of(options))
    _tell(client, options, result)
    if options["wait_s"] and hasattr(result, "wait"):
        output = result.wait(timeout_s=options["wait_s"])
        _write(
            options,
            lambda is_terminal: printing.pretty(output.body, output.content_type) if is_terminal else output.body,
        )
        return 0
    if hasattr(result, "properties"):
        shaped = _query(printing.response_object(result), options)
        _write(options, lambda is_terminal: printing.json_bytes(shaped, is_terminal=is_terminal))
    else:
        _write(options, lambda is_terminal: printing.selected_bytes(result, is_terminal=is_terminal))
    return 0


def ask_stream(client: Client, options: Options) -> int:
    """InvokeEndpointWithResponseStream, printed as it arrives."""
    if not _may_send(client, options, operation := STREAM):
        return 0
    if options["query"] or options["as_json"] or options["select"] not in (None, "*", "Body"):
        raise ParameterError(
            "A stream is printed as it arrives: --select, --query and --json need the whole. Leave --stream out."
        )
    with (
        client.invoke_stream(body=_body(options, operation), **inputs.members_of(options)) as stream,
        _output(options) as (out, is_terminal),
    ):
        _tell(client, options, stream)
        reading = options["reading"] or ("text" if is_terminal else "parts")
        try:
            for piece in getattr(stream, reading)():
                out.write(_piece(piece, is_terminal=is_terminal, end=b"\n" if reading == "lines" else b""))
                out.flush()
        except StreamBroken:
            if is_terminal:
                out.write(b"\n")  # the error begins on a line of its own
            raise
    return 0


def ask_pipeline(client: Client, options: Options) -> int:
    """Endpoint names or parameter objects from standard input, one call each in order; the first error ends it."""
    defaults = inputs.members_of(options)
    if options["body"]:
        defaults["body"] = inputs.body_of(options)
    if options["what_if"]:
        for number, item in enumerate(_pipeline_items(inputs.input_lines()), start=1):
            given = {"Body": b""} | canonical(defaults) | pipeline_parameters(item, number)
            _rehearse(client, client.prepare(INVOKE, given))
        return 0
    select = PASS_THRU if options["pass_thru"] else options["select"]
    with _output(options) as (out, _):
        for result in client.invoke_each(_pipeline_items(inputs.input_lines()), select=select, **defaults):
            _tell(client, options, result)
            shaped = _query(printing.response_object(result), options) if isinstance(result, InvokeResult) else result
            if isinstance(shaped, bytes):
                shaped = printing.body_members(shaped)["Body"]
            if shaped is not None:
                out.write(printing.json_bytes(shaped, is_terminal=False))
                out.flush()
    return 0


def _pipeline_items(lines: Iterator[str]) -> Iterator[Any]:
    """A line that begins like an object is one; a JSON string or a bare word is a name."""
    from .batch import read_line

    for number, line in enumerate(lines, start=1):
        if line.startswith("{"):
            yield read_line(number, line)
        else:
            yield json.loads(line) if line.startswith('"') else line


# --- what the ways share ------------------------------------------------------------------------------------------


def _body(options: Options, operation: str) -> Any:
    body = inputs.body_of(options)
    if body is None and operation != ASYNC:
        say("warning: Body is null; an empty body is sent. Give --body '' to say that this is meant.")
        return b""
    return body


def _may_send(client: Client, options: Options, operation: str) -> bool:
    """False after a rehearsal. WhatIf wins over Force, Force over Confirm, as in PowerShell."""
    members = inputs.members_of(options)
    if options["what_if"]:
        body = inputs.body_of(options)
        _rehearse(
            client, client.prepare(operation, {**members, "body": b"" if body is None and operation != ASYNC else body})
        )
        return False
    if options["confirm"] and not options["force"]:
        target = members.get("endpoint_name", "")
        inputs.confirm(f'Performing the operation "{CMDLETS[operation]}" on target "{target}". Go on?')
    return True


def _rehearse(client: Client, outgoing: Outgoing) -> None:
    url, headers = client.describe(outgoing)
    lines = [f'What if: Performing the operation "{CMDLETS[outgoing.operation]}" on target "{outgoing.endpoint}".']
    lines += [f"POST {url}", *(f"{name}: {value}" for name, value in headers)]
    lines.append(f"({len(outgoing.body)} bytes of body; nothing was sent)")
    printing.standard_output().write(("\n".join(lines) + "\n").encode("utf-8"))


def _tell(client: Client, options: Options, result: Any) -> None:
    if options["verbose"]:
        told = f"request id {result.request_id}, status {result.status}" if hasattr(result, "facts") else "selected"
        say(f"asked {inputs.where(client)}: {told}")


def _shape(result: Any, options: Options, *, is_terminal: bool) -> bytes:
    """What is printed of a whole answer."""
    if not isinstance(result, InvokeResult):
        return printing.selected_bytes(result, is_terminal=is_terminal)
    if options["query"] or options["as_json"] or options["select"] == "*":
        return printing.json_bytes(_query(printing.response_object(result), options), is_terminal=is_terminal)
    return printing.pretty(result.body, result.content_type) if is_terminal else result.body


def _query(content: dict[str, Any], options: Options) -> Any:
    return printing.queried(options["query"], content) if options["query"] else content


def _piece(piece: Any, *, is_terminal: bool, end: bytes) -> bytes:
    """One piece of a stream as it is printed: bytes and text as they are, everything else one line."""
    if isinstance(piece, bytes):
        return printing.harmless(piece.decode("utf-8", "replace")).encode() if is_terminal else piece
    if hasattr(piece, "data"):  # a server-sent event
        return (printing.harmless(piece.data) if is_terminal else piece.data).encode("utf-8") + b"\n"
    if isinstance(piece, str):
        return (printing.harmless(piece) if is_terminal else piece).encode("utf-8") + end
    return printing.json_bytes(piece, is_terminal=False)


class _output:
    """Where the answer goes: a file, opened only when there is one, or standard output."""

    def __init__(self, options: Options) -> None:
        self._path = options["output"]
        self._file: BinaryIO | None = None

    def __enter__(self) -> tuple[BinaryIO, bool]:
        if self._path:
            self._file = open(self._path, "wb")
            return self._file, False
        return printing.standard_output(), sys.stdout.isatty()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._file is None:
            sys.stdout.flush()
            return
        with inputs.naming(self._path):
            try:
                if error is not None:
                    raise error
            finally:
                self._file.close()


def _write(options: Options, shape: Callable[[bool], bytes]) -> None:
    with _output(options) as (out, is_terminal):
        out.write(shape(is_terminal))
        out.flush()

"""Many calls from JSON Lines: concurrent, answered in the input's order, each line's failure its own.

A line is an object of parameters in any spelling; its `Body` may be text, base64 (with `BodyEncoding`), or any JSON
value, which then travels as JSON. A line that is not JSON, or names no parameter, fails by itself with its number. The
first Ctrl-C stops beginning new lines and waits for those on their way, so that nothing is asked twice after
`--resume`; a second one leaves at once.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from .codecs import encode
from .errors import AnswerLost, InvokeError, ParameterError, ServiceError
from .invoker import Client
from .journal import Journal, Progressed, digest, digest_defaults, dump
from .parameters import INVOKE, canonical
from .printing import response_object
from .progress import Bar, Summary
from .request import Outgoing

PATIENCE_S = 0.2  # how long the collecting thread sleeps before it looks at `stop` again


@dataclass(slots=True)
class Plan:
    """A batch to run. `progressed` says what an earlier run did; `journal` is None when nothing is kept."""

    lines: Iterable[tuple[int, str]]
    """Line numbers of the input and their texts, without the empty lines."""
    output: BinaryIO
    defaults: Mapping[str, object]
    concurrency: int = 8
    journal: Journal | None = None
    progressed: Progressed = field(default_factory=Progressed)
    repeats_lost: bool = True
    bar: Bar | None = None
    monotonic: Callable[[], float] = time.perf_counter


@dataclass(frozen=True, slots=True)
class _Outcome:
    place: int
    answer: dict[str, Any]
    exit_code: int = 0
    seconds: float | None = None
    """None when an earlier run has asked it."""
    is_asked: bool = False
    is_repeat: bool = False


def run(client: Client, plan: Plan, stop: threading.Event) -> Summary:
    """Ask every line; give the summary. Answers reach `plan.output` in order, as soon as their turn comes."""
    started_s = plan.monotonic()
    work = _Work(client, plan, stop)
    threads = [threading.Thread(target=work.drain, daemon=True) for _ in range(plan.concurrency)]
    for thread in threads:
        thread.start()
    summary = Summary(resumed=plan.progressed.written, exit_code=plan.progressed.exit_code)
    collector = _Collector(plan, summary, started_s)
    try:
        while any(thread.is_alive() for thread in threads) or not work.outcomes.empty():
            _collect(work, collector)
    except BaseException:
        stop.set()  # nobody takes answers any more: an output that cannot be written, above all
        raise
    if work.failure is not None:
        raise work.failure
    summary.elapsed_s = plan.monotonic() - started_s
    summary.is_interrupted = stop.is_set()
    return summary


def _collect(work: _Work, collector: _Collector) -> None:
    try:
        collector.take(work.outcomes.get(timeout=PATIENCE_S))
    except queue.Empty:
        collector.draw()


class _Work:
    """The lines to ask, taken by several threads."""

    def __init__(self, client: Client, plan: Plan, stop: threading.Event) -> None:
        self._client, self._plan, self._stop = client, plan, stop
        self._lock = threading.Lock()
        self._lines = enumerate(plan.lines, start=1)
        self._taken = 0
        self._defaults = digest_defaults(plan.defaults)
        self.outcomes: queue.SimpleQueue[_Outcome] = queue.SimpleQueue()
        self.failure: Exception | None = None

    def drain(self) -> None:
        """Take and ask lines until there are none, or the run is stopped. Runs in a thread."""
        try:
            while (taken := self._take()) is not None:
                self.outcomes.put(self._ask(*taken))
        except Exception as error:  # carried to the thread that called run(), which raises it
            self.failure = error
            self._stop.set()

    def _take(self) -> tuple[int, int, str] | None:
        before = self._plan.progressed
        with self._lock:
            for place, (line, text) in self._lines:
                self._taken = place
                if self._stop.is_set():
                    return None
                before.check(place, digest(text, self._defaults), line=line)
                if place > before.written:
                    return place, line, text
            if not self._stop.is_set():
                before.check_end(self._taken)
        return None

    def _ask(self, place: int, line: int, text: str) -> _Outcome:
        before = self._plan.progressed
        if place in before.done:
            answer = before.done[place]
            return _Outcome(place, answer, answer.get("error", {}).get("exit_code", 0))
        started_s = self._plan.monotonic()
        known = before.sent.get(place)
        asked, told = False, digest(text, self._defaults)
        try:
            outgoing = self._client.prepare(INVOKE, dict(self._plan.defaults) | read_line(line, text))
            if known is not None:
                self._check_repeat(outgoing)
            asked = True
            answer, code = self._call(place, outgoing, asked=told, known_id=known[0] if known else None), 0
        except InvokeError as error:
            answer, code = error_object(error), error.exit_code
        seconds = self._plan.monotonic() - started_s
        outcome = _Outcome(
            place, {"line": line, "input": told, **answer}, code, seconds, asked, asked and known is not None
        )
        if self._plan.journal is not None:
            self._plan.journal.done(place, outcome.answer)
        return outcome

    def _check_repeat(self, outgoing: Outgoing) -> None:
        if outgoing.opens_session or not self._plan.repeats_lost:
            raise AnswerLost(
                "The line was asked before the run was killed, and its answer was lost. It is not asked twice:"
                " look at what it did, and ask it in a batch of its own."
            )

    def _call(self, place: int, outgoing: Outgoing, *, asked: str, known_id: str | None) -> dict[str, Any]:
        call_id = known_id or self._client.chances.new_id()
        if self._plan.journal is not None:
            self._plan.journal.sent(place, invocation_id=call_id, asked=asked)
        result = self._client.answer(outgoing, invocation_id=call_id)
        return {"EndpointName": outgoing.endpoint, **response_object(result)}


class _Collector:
    """Puts outcomes back in order, writes them, counts them."""

    def __init__(self, plan: Plan, summary: Summary, started_s: float) -> None:
        self._plan, self._summary, self._started_s = plan, summary, started_s
        self._waiting: dict[int, dict[str, Any]] = {}
        self._next = plan.progressed.written + 1
        self._first_failure: float = 0 if plan.progressed.exit_code else math.inf

    def take(self, outcome: _Outcome) -> None:
        """One outcome, in whatever order they come."""
        self._count(outcome)
        self._waiting[outcome.place] = outcome.answer
        lines = list(self._ready())
        if lines:
            self._plan.output.write(b"".join(lines))
            self._plan.output.flush()
        self.draw()

    def draw(self) -> None:
        """The bar, if there is one."""
        if self._plan.bar is not None:
            s = self._summary
            done = s.resumed + s.answered + s.errors
            self._plan.bar.update(done, errors=s.errors, now_s=self._plan.monotonic(), resumed=s.resumed)

    def _ready(self) -> Iterator[bytes]:
        while (answer := self._waiting.pop(self._next, None)) is not None:
            yield dump(answer)
            self._next += 1

    def _count(self, outcome: _Outcome) -> None:
        summary = self._summary
        error = outcome.answer.get("error")
        if error is not None and outcome.place < self._first_failure:
            self._first_failure, summary.exit_code = outcome.place, outcome.exit_code
        if outcome.seconds is None:
            summary.resumed += 1
            return
        if outcome.is_asked:
            summary.latencies_s.append(outcome.seconds)
        summary.repeated += outcome.is_repeat
        if error is None:
            summary.answered += 1
            summary.retries += int(outcome.answer.get("Retries", 0))
            return
        summary.failed[error["code"]] = summary.failed.get(error["code"], 0) + 1


def error_object(error: InvokeError) -> dict[str, Any]:
    """A failure inside a batch's answers."""
    told: dict[str, Any] = {"code": getattr(error, "code", type(error).__name__), "message": error.message}
    if isinstance(error, ServiceError):
        told |= {"status": error.status, "request_id": error.request_id, "members": error.members}
    return {"error": told | {"exit_code": error.exit_code}}


def read_line(number: int, text: str) -> dict[str, object]:
    """A line's parameters. Raises ParameterError naming the line."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise ParameterError(
            f"Line {number} of the batch is not JSON ({error}): {text.strip()[:60]!r}."
            ' Write one object per line, as {"EndpointName": "churn", "Body": "..."}.'
        ) from error
    if not isinstance(content, dict):
        raise ParameterError(
            f"Line {number} of the batch is a {type(content).__name__}, not an object."
            ' Write it as {"EndpointName": "churn", "Body": ...}.'
        )
    encoding = content.pop("BodyEncoding", None)
    try:
        given = canonical(content)
        return _with_body(given, encoding)
    except ParameterError as error:
        raise ParameterError(f"Line {number} of the batch: {error}") from error


def _with_body(given: dict[str, object], encoding: object) -> dict[str, object]:
    body = given.get("Body")
    if encoding == "base64" and isinstance(body, str):
        try:
            given["Body"] = base64.b64decode(body, validate=True)
        except binascii.Error as error:
            raise ParameterError(f"the Body is not base64 ({error}). Encode it, or leave BodyEncoding out.") from error
    elif encoding is not None:
        raise ParameterError(f"BodyEncoding is {encoding!r}. Only base64 is known; text needs none.")
    elif "Body" in given and not isinstance(body, str):
        content_type = str(given.get("ContentType") or "application/json")
        given |= {"Body": encode(body, content_type), "ContentType": content_type}
    return given

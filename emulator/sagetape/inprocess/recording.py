"""A call that botocore itself makes, kept on its way back.

The client's own credentials, endpoint, retries and timeouts apply: the deck lets the request pass, and takes the answer
in botocore's `before-parse` event, before any code of the user can see it. What is kept is what the service said;
faults edit what the client gets.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

from botocore.response import StreamingBody

from ..core.deck import Forward
from ..core.eventstream import Framer
from ..core.wire import Abort, Chunk, End, Head, Headers, Pause, Script, Step, body_of, head_of, is_event_stream, whole
from ..shell.forwarding import Stopwatch
from ..shell.upstreams.aws import DROPPED
from .answers import announced, closed, count_part
from .bodies import SteppedBody
from .opened import OpenDeck
from .patience import Patience
from .streams import OpenStream

SOURCE = "aws"


@dataclass(slots=True)
class Pending:
    """A call that is with the service now."""

    opened: OpenDeck
    forward: Forward
    watch: Stopwatch
    patience: Patience
    """What the client bears of the waits that a fault adds; for the service's own it has botocore."""
    is_done: bool = False

    def keep(self, script: Script) -> Script:
        """Reports and writes the answer, once."""
        self.is_done = True
        return self.opened.player.keep(self.forward, script, source=SOURCE, synthetic=False)

    def fail(self, error: BaseException) -> None:
        """No answer came: recorded as a break where the deck records failures."""
        if not self.is_done:
            self.keep((Abort(f"the upstream gave no answer: {type(error).__name__}: {error}"),))

    def waited(self) -> tuple[Pause, ...]:
        """The wait since the last look, as a step."""
        waited_s = self.watch.lap()
        return (Pause(waited_s),) if waited_s else ()


def begin(opened: OpenDeck, forward: Forward, *, patience: Patience) -> Pending:
    """The request leaves now: it counts as live, whatever becomes of its answer."""
    forward.entry.upstream = SOURCE
    return Pending(opened, forward, Stopwatch(opened.player.clock), patience)


def service_head(response: dict[str, Any]) -> Head:
    """The service's status and headers without those of the moment; `Date` stays on a 403 (skew is told by it)."""
    status = int(response["status_code"])
    dropped = DROPPED - {"date"} if status == 403 else DROPPED
    headers: Headers = tuple((str(k), str(v)) for k, v in response["headers"].items() if k.lower() not in dropped)
    return Head(status, headers)


# --- answers that are whole -------------------------------------------------------------------------------------------


def keep_whole(pending: Pending, response: dict[str, Any]) -> None:
    """Reads a whole answer, keeps it, and puts what the client gets in its place."""
    waited, body = pending.waited(), response["body"]
    try:
        data = body if isinstance(body, bytes) else body.read()
    except Exception as error:
        keep_cut(pending, response, waited, error)
        raise
    settle_whole(pending, response, data, waited=waited, wrap=wrapped)


def keep_cut(pending: Pending, response: dict[str, Any], waited: tuple[Pause, ...], error: Exception) -> None:
    """Keeps an answer that broke off as one."""
    pending.keep((*waited, service_head(response), Abort(f"the answer did not arrive whole: {error}")))


def settle_whole(
    pending: Pending,
    response: dict[str, Any],
    data: bytes,
    *,
    waited: tuple[Pause, ...],
    wrap: Callable[[Pending, Head, Script], Any],
) -> None:
    """Keeps a whole answer and gives the client its edition of it; `wrap` makes the body that botocore would."""
    head = service_head(response)
    kept = pending.keep((*waited, *pending.waited(), *whole(head.status, head.headers, data)))
    edited = pending.opened.deck.edited(pending.forward, tuple(s for s in kept if not isinstance(s, Pause)))
    first = head_of(edited)
    if first is None:
        raise closed("", next((step for step in edited if isinstance(step, Abort)), Abort("closed")))
    for name, value in first.headers:  # what the deck renamed (sessions) or edited
        response["headers"][name] = value
    if isinstance(response["body"], bytes):
        response["body"] = body_of(edited)
    else:
        response["body"] = wrap(pending, first, edited[edited.index(first) + 1 :])


def wrapped(pending: Pending, head: Head, rest: Script) -> Any:
    """botocore's body over the steps of a whole answer."""
    raw: Any = SteppedBody(
        iter(rest), wait=pending.opened.wait, patience=pending.patience, announced_bytes=announced(head)
    )
    length = announced(head)
    return StreamingBody(raw, len(body_of(rest)) if length is None else length)


# --- streams ----------------------------------------------------------------------------------------------------------


class StreamRecorder:
    """The frames of one stream under way. Everything is in the file before its end is passed on."""

    def __init__(self, pending: Pending, response: dict[str, Any]) -> None:
        self.pending = pending
        self.entry = pending.forward.entry
        self.entry.parts_total = 0
        self.is_cut = False
        """Nobody waits for it any longer, and nothing may be written any more."""
        head = service_head(response)
        self._recorded: list[Step] = [*pending.waited(), head]
        self._framer = Framer()
        struck = pending.forward.case.struck
        self._line = None if struck is None else struck.line()
        self.opening = self._edited(head)

    def feed(self, data: bytes) -> list[Step]:
        """What the client gets for bytes that came."""
        self._recorded += self.pending.waited()
        passed: list[Step] = []
        for frame in self._framer.feed(data):
            self.entry.parts_total += 1
            self._recorded.append(Chunk(frame))
            passed += self._edited(Chunk(frame))
        return passed

    def passed(self) -> None:
        """What was given is with the client: its time does not count as the service's."""
        self.pending.watch.lap()

    def end(self) -> list[Step]:
        """The end of the stream: kept, then what the client gets for it."""
        is_whole = not self._framer.pending_bytes and not self._framer.is_lost
        last: Step = End() if is_whole else Abort("the upstream ended its stream inside a frame")
        self._keep(last)
        return self._edited(last)

    def broke(self, error: Exception) -> None:
        """The service broke its stream: kept as broken."""
        self._keep(Abort(f"the upstream broke its stream: {error}"))

    def cut(self) -> None:
        """It took too long for a client that has left."""
        self.is_cut = True

    def _keep(self, last: Step) -> None:
        if not self.is_cut:
            self.pending.keep((*self._recorded, last))

    def _edited(self, step: Step) -> list[Step]:
        if self._line is None:
            return [step]
        return [] if self._line.is_over else list(self._line.feed(step))


def recorded_steps(recorder: StreamRecorder, raw: Any) -> Generator[Step, None, None]:
    """The steps of a stream as they come; what reads bodies passes over its head."""
    yield from recorder.opening
    try:
        for data in raw.stream():
            yield from recorder.feed(data)
            recorder.passed()
    except Exception as error:
        recorder.broke(error)
        raise
    yield from recorder.end()


def keep_stream(pending: Pending, response: dict[str, Any]) -> None:
    """Puts a body in the place of an event stream that keeps every part on its way to the client."""
    recorder = StreamRecorder(pending, response)
    steps = recorded_steps(recorder, response["body"])
    entry = recorder.entry
    response["body"] = SteppedBody(
        OpenStream(steps, pending.opened, reads_out=True, cut=recorder.cut),
        wait=pending.opened.wait,
        patience=pending.patience,
        passed=lambda: count_part(entry),
    )


def keep_answer(pending: Pending, response: dict[str, Any], *, has_events: bool) -> None:
    """One answer of the service, whole or a stream."""
    if has_stream(response, has_events=has_events):
        keep_stream(pending, response)
    else:
        keep_whole(pending, response)


def has_stream(response: dict[str, Any], *, has_events: bool) -> bool:
    """Whether the answer is an event stream; an error never is."""
    return has_events and int(response["status_code"]) < 300 and is_event_stream(service_head(response))

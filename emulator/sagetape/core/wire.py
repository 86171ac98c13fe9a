"""The values that travel between the rooms: what came in, what goes out, what is kept.

Nothing here does anything. A reply is data, a *script* of steps: a recorded answer, a canned error, a live stream
and a broken stream are all scripts, and one loop performs them (`shell/player.py` over a socket,
`inprocess/answers.py` inside the process).

The body of a script is the body as it is on the wire. In an event stream (`application/vnd.amazon.eventstream`) one
`Chunk` is exactly one whole, encoded frame (`core/eventstream.py` opens and closes them), so that what was recorded
is what is stored, byte for byte. In any other answer the chunks are the parts in which the body arrived.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import TypeAlias

from .values import valueclass

RawHeaders: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""Headers as received: order, case and duplicates kept, values without surrounding white space."""

HeaderPairs: TypeAlias = Collection[tuple[bytes, bytes]]
"""The same, or the view of a dict by lower-case names when no name came twice."""

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Headers of an answer, in the order and case in which they are sent."""


@valueclass(frozen=True, slots=True)
class Request:
    """One HTTP request, raw. What a signature covers is here unchanged."""

    method: str
    target: bytes
    """The request target as on the request line: path and query, or the absolute form, never decoded."""
    headers: RawHeaders
    body: bytes
    body_sha256: bytes
    """The 32 bytes of the body's SHA-256, computed while it arrived."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, by its lower-case name; None when it was not sent."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None


@valueclass(frozen=True, slots=True)
class Call:
    """A request that was understood: an operation on an endpoint, in the members of botocore's service model."""

    operation: str
    """`InvokeEndpoint`, `InvokeEndpointWithResponseStream` or `InvokeEndpointAsync`."""
    endpoint: str
    members: Mapping[str, str]
    """Members that travel in headers, by their name in the service model (`ContentType`, `Accept`, `TargetModel`,
    `SessionId`, ...). A member that was not sent is absent; one sent empty is the empty string."""
    body: bytes
    body_sha256: bytes
    auth: str = "valid"
    """Outcome of authentication: `valid`, or the error code AWS would send (a bad key replays as a 403)."""
    invocation_id: str | None = None
    """`amz-sdk-invocation-id`: equal for all attempts of one SDK call."""
    position: str = ""
    """Place in a session: empty outside one, else `<lane's history digest>/<step>`; set by `core/sessions.py`."""
    region: str = "us-east-1"
    account: str = "123456789012"
    request_id: str = ""

    @property
    def is_stream(self) -> bool:
        return self.operation == "InvokeEndpointWithResponseStream"


# --- steps ------------------------------------------------------------------------------------------------------


@valueclass(frozen=True, slots=True)
class Head:
    """Status and headers, without those of the moment (request id, Date, lengths, connection): the player adds them."""

    status: int
    headers: Headers = ()
    failure: str = ""
    """Why no upstream gave this answer: it is the platform's word for one that could not be asked. Empty: an answer."""

    def header(self, name: str) -> str | None:
        """The first value of a header, whatever its case."""
        wanted = name.lower()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value
        return None


@valueclass(frozen=True, slots=True)
class Chunk:
    """Bytes of the body; one encoded frame in an event stream."""

    data: bytes | memoryview


@valueclass(frozen=True, slots=True)
class Pause:
    """A wait as recorded or declared, before the step that follows. Scaled by the deck's speed."""

    seconds: float


@valueclass(frozen=True, slots=True)
class End:
    """The answer is whole."""


@valueclass(frozen=True, slots=True)
class Abort:
    """The connection breaks here; what came before is not a whole answer."""

    reason: str = ""


Step: TypeAlias = Head | Chunk | Pause | End | Abort
Script: TypeAlias = tuple[Step, ...]

INSTANT_MAX = 253_402_300_799.0  # Unix time of 9999-12-31T23:59:59Z, the last second that ISO 8601 names in four digits
EVENT_STREAM = "application/vnd.amazon.eventstream"  # protocol of InvokeEndpointWithResponseStream's output


def whole(status: int, headers: Headers, body: bytes | memoryview) -> Script:
    """The script of an answer that is known entirely."""
    return (Head(status, headers), Chunk(body), End()) if len(body) else (Head(status, headers), End())


def is_complete(script: Script) -> bool:
    """Whether the script ends as a whole answer does."""
    return bool(script) and isinstance(script[-1], End)


def head_of(script: Script) -> Head | None:
    """The script's status and headers; None when it breaks before them."""
    for step in script:
        if isinstance(step, Head):
            return step
    return None


def is_event_stream(head: Head) -> bool:
    """Whether the chunks that follow are frames: the media type says so, in any case and with any parameters."""
    content_type = head.header("Content-Type")
    if content_type is None or content_type == EVENT_STREAM:
        return content_type is not None
    return content_type.partition(";")[0].strip().lower() == EVENT_STREAM


def has_frames(script: Script) -> bool:
    """Whether the script's chunks are the frames of an event stream."""
    head = head_of(script)
    return head is not None and is_event_stream(head)


def body_of(script: Script) -> bytes:
    """All chunks joined."""
    return b"".join(bytes(step.data) for step in script if isinstance(step, Chunk))


# --- what is kept -----------------------------------------------------------------------------------------------


@valueclass(frozen=True, slots=True)
class SessionMark:
    """Where an interaction stands in a recorded stateful session."""

    lane: str
    """The session's stable name in the cassette (the recorded id after scrubbing)."""
    step: int
    """0 opens, then 1, 2, ... in the order in which the session was used."""
    lifetime_s: float | None = None
    """On step 0: seconds left until `Expires` when the answer was recorded."""
    closes: bool = False


@valueclass(frozen=True, slots=True)
class Provenance:
    """Where an answer came from."""

    recorded_at: float
    """Unix time in seconds."""
    source: str
    """The upstream as configured, without secrets: `aws`, `http://127.0.0.1:8080`, `function:models:churn`, or
    `import:vcrpy` and its kin."""
    version: str
    """Of Sagetape, when it was recorded."""
    synthetic: bool = False
    """True when no model produced it (a function, the built-in default, an import by hand)."""


@valueclass(frozen=True, slots=True)
class Interaction:
    """One recorded request and its answer, scrubbed: what a cassette keeps."""

    call: Call
    script: Script
    origin: Provenance
    session: SessionMark | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    """Free, small facts a reader should see (`fault`, `retried`); never part of the key."""

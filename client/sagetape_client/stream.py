"""The answer of InvokeEndpointWithResponseStream: payload parts as they arrive, or what they mean.

It opens the event stream's frames, remembers what arrived, and turns every way a stream can break into one error,
StreamBroken. `views` names the readings; the asyncio face uses the same splitters.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Self

from .answers import Facts
from .codecs import media_type_of
from .errors import CallTimeout, ConnectError, ContentError, StreamBroken
from .eventstream import Frame, FrameError, FrameReader
from .splitters import Characters, Documents, ServerEvent, ServerEvents, Splitter, TextLines
from .transport import Incoming

EVENT_STREAM = "application/vnd.amazon.eventstream"  # botocore sagemaker-runtime 2017-05-13, eventstream output


class Parts:
    """Payload parts of one stream, from the network's chunks. Iterate once; `received` holds what came."""

    def __init__(self, chunks: Iterable[bytes], *, request_id: str | None = None) -> None:
        self._chunks = chunks
        self._request_id = request_id
        self._received: list[bytes] = []
        self.is_whole = False
        """Whether the stream came to its proper end."""

    @property
    def received(self) -> bytes:
        return b"".join(self._received)

    def __iter__(self) -> Iterator[bytes]:
        reader = FrameReader()
        try:
            for chunk in self._chunks:
                for frame in reader.feed(chunk):
                    if (part := self._payload(frame)) is not None:
                        self._received.append(part)
                        yield part
        except FrameError as error:
            raise self._broken(error.code, str(error)) from error
        except CallTimeout as error:
            raise self._broken("ReadTimeout", str(error)) from error
        except ConnectError as error:
            raise self._broken("ConnectionBroken", str(error)) from error
        if reader.pending_bytes:
            raise self._broken("Truncated", f"the last frame stopped after {reader.pending_bytes} bytes.")
        self.is_whole = True

    def _payload(self, frame: Frame) -> bytes | None:
        kind = frame.headers.get(":message-type", "event")
        if kind == "exception":
            text, error_code = _read_exception(frame.payload)
            raise self._broken(frame.headers.get(":exception-type", "UnknownException"), text, error_code=error_code)
        if kind == "error":
            headers = frame.headers
            raise self._broken(headers.get(":error-code", "UnknownError"), headers.get(":error-message", "no message"))
        # Another event type would be a newer service's; its bytes are not the model's answer.
        return frame.payload if frame.headers.get(":event-type", "PayloadPart") == "PayloadPart" else None

    def _broken(self, code: str, text: str, *, error_code: str | None = None) -> StreamBroken:
        return StreamBroken(code, text, received=self.received, error_code=error_code, request_id=self._request_id)


def _read_exception(payload: bytes) -> tuple[str, str | None]:
    try:
        content = json.loads(payload)
        return str(content.get("Message") or content.get("message") or "no message"), content.get("ErrorCode")
    except (ValueError, AttributeError):  # the error itself must not hide behind an unreadable text
        return payload.decode("utf-8", "replace") or "no message", None


def check_event_stream(incoming: Incoming, facts: Facts) -> None:
    """Raises ContentError when the answer is not an event stream, giving its connection up."""
    content_type = facts.headers.get("content-type")
    if media_type_of(content_type) != EVENT_STREAM:
        incoming.close()
        raise ContentError(
            f"The answer says {content_type!r} and a stream comes as {EVENT_STREAM}. Is that URL SageMaker Runtime's?"
            " Use invoke() for an endpoint that does not stream.",
            content_type=content_type,
        )


class StreamResult:
    """A stream and its headers. Read it once: parts, text, lines, documents or events. Close it, or use `with`."""

    def __init__(self, chunks: Iterable[bytes], facts: Facts, *, close: Callable[[], None]) -> None:
        headers = facts.headers
        self.content_type = headers.get("x-amzn-sagemaker-content-type")
        self.invoked_production_variant = headers.get("x-amzn-invoked-production-variant")
        self.custom_attributes = headers.get("x-amzn-sagemaker-custom-attributes")
        self.facts = facts
        self._parts = Parts(chunks, request_id=facts.request_id)
        self._iterator = iter(self._parts)
        self._close = close

    @property
    def request_id(self) -> str | None:
        return self.facts.request_id

    @property
    def status(self) -> int:
        return self.facts.status

    @property
    def retries(self) -> int:
        return self.facts.retries

    @property
    def received(self) -> bytes:
        """Every payload byte so far."""
        return self._parts.received

    @property
    def is_whole(self) -> bool:
        """Whether the stream came to its proper end."""
        return self._parts.is_whole

    def parts(self) -> Iterator[bytes]:
        """Payload parts as the service cut them."""
        while (part := self.next_part()) is not None:
            yield part

    __iter__ = parts

    def text(self, encoding: str = "utf-8") -> Iterator[str]:
        """Text, never half a character."""
        return self.split(Characters(encoding))

    def lines(self, encoding: str = "utf-8") -> Iterator[str]:
        """Lines without their ends."""
        return self.split(TextLines(encoding))

    def documents(self) -> Iterator[Any]:
        """JSON documents, decoded."""
        return self.split(Documents())

    def events(self) -> Iterator[ServerEvent]:
        """Server-sent events."""
        return self.split(ServerEvents())

    def split(self, splitter: Splitter[Any]) -> Iterator[Any]:
        """What a splitter of your own makes of the parts."""
        try:
            for part in self.parts():
                yield from splitter.feed(part)
            yield from splitter.finish()
        except Exception:
            self.close()  # the reading is over: what follows cannot be understood
            raise

    def read(self) -> bytes:
        """Everything; StreamBroken when the stream breaks."""
        for _ in self.parts():
            pass
        return self.received

    def properties(self) -> dict[str, Any]:
        """As `Select` sees them; reading `Body` is left to the caller."""
        return {
            "Body": self,
            "ContentType": self.content_type,
            "CustomAttributes": self.custom_attributes,
            "InvokedProductionVariant": self.invoked_production_variant,
        }

    def next_part(self) -> bytes | None:
        """One part; None at the end."""
        try:
            part = next(self._iterator, None)
        except Exception:
            self.close()  # nothing more can come over a connection that broke
            raise
        if part is None:
            self.close()
        return part

    def close(self) -> None:
        """Give the connection up. Reading a stream to its end closes it too."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

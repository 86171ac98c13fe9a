"""A deck attached to a boto3 client or session by botocore's public events, and taken off again.

    choose-signer      nothing is signed when nothing can be forwarded: works without credentials; tells the time-out
    before-send        the deck decides; a response given here is the answer, and no socket is opened
    before-parse       what botocore itself was sent for is kept
    response-received  a call that failed on the way is reported

Events: botocore's `endpoint.py` and `signers.py`. Handlers go first, so that others see what a socket would have given.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import botocore

from ..core.deck import Forward
from ..core.errors import CallerError, ConfigError
from . import answering
from .opened import OpenDeck
from .patience import Patience, limit_of
from .streams import LEFT_LIMIT_S

if TYPE_CHECKING:
    from .recording import Pending

SERVICE: Final = "sagemaker-runtime"  # botocore sagemaker-runtime 2017-05-13, serviceId, as its events spell it
EVENTS: Final = ("choose-signer", "before-send", "before-parse", "response-received")

_attached: weakref.WeakKeyDictionary[Any, Attachment] = weakref.WeakKeyDictionary()
_lock = threading.Lock()


class Attachment:
    """A deck that answers a client, or every client that a session makes from now on, until `detach`.

    A context manager; what is known of the deck (`journal`, `misses`, `requests`, `advance`, `fault`, `verdict`, ...)
    is reached through it.
    """

    def __init__(self, target: Any, opened: OpenDeck, *, closes: bool = True) -> None:
        self._target = Target(target)
        self.opened = opened
        self._closes = closes
        self._pending: ContextVar[Pending | None] = ContextVar("sagetape-pending", default=None)
        self._limit_s: ContextVar[float | None] = ContextVar("sagetape-read-timeout", default=None)
        self._is_attached = False
        self._handlers = {
            "choose-signer": self._choose_signer,
            "before-send": self._before_send,
            "before-parse": self._before_parse,
            "response-received": self._response_received,
        }
        if self._target.is_async:
            from .asynchronous import AsyncAnswering

            self._handlers |= AsyncAnswering(self).handlers
        self._attach()

    # --- on and off ---

    def _attach(self) -> None:
        events = self._target.events
        with _lock:
            other = _attached.get(events)
            if other is not None:
                whose = f" (by {other.opened.owner})" if other.opened.owner else ""
                raise ConfigError(
                    f"This {self._target.kind} has a deck attached already{whose}. "
                    "Detach that one first: it is a context manager, and has detach()."
                )
            _attached[events] = self
        for name in EVENTS:
            self._target.register(f"{name}.{SERVICE}", self._handlers[name])
        self._is_attached = True

    def detach(self) -> None:
        """The client is as before; the deck is closed. Clients that a session made meanwhile are let go too."""
        if not self._is_attached:
            return
        self._is_attached = False
        for name in EVENTS:
            self._target.unregister(f"{name}.{SERVICE}", self._handlers[name])
        with _lock:
            _attached.pop(self._target.events, None)
        if self._closes:
            self.opened.close()

    def __enter__(self) -> Attachment:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None and self._closes:
            self.opened.assembly.is_abandoned = True
        self.detach()

    async def __aenter__(self) -> Attachment:
        return self

    async def __aexit__(self, *found: object) -> None:
        # Streams that were left are read out by this very loop, which the end of the deck would hold up.
        if self.opened.streams.left():
            await asyncio.to_thread(self.opened.streams.end, within_s=LEFT_LIMIT_S)
        self.__exit__(*found)

    def __getattr__(self, name: str) -> Any:
        """What the deck knows."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.opened, name)

    # --- the events ---

    @property
    def is_attached(self) -> bool:
        """Whether calls are answered here. A session's clients keep their handlers, which then do nothing."""
        return self._is_attached

    @property
    def pending(self) -> ContextVar[Pending | None]:
        """The call of this thread or task that is with the service now."""
        return self._pending

    @property
    def region(self) -> str | None:
        """The client's region; None for a session, whose clients may have several."""
        return self._target.region

    def patience(self, url: str) -> Patience:
        """What the client that is calling now bears."""
        return Patience(self._limit_s.get(), url=url)

    def _choose_signer(self, context: Mapping[str, Any], **_: Any) -> Any:
        self._limit_s.set(limit_of(context))
        if self.is_attached and not answering.may_leave(self.opened):
            return botocore.UNSIGNED
        return None

    def _before_send(self, request: Any, **_: Any) -> Any:
        if not self.is_attached:
            return None
        self._pending.set(None)
        decided = answering.decide(self.opened, request, region=self.region)
        if isinstance(decided, CallerError):
            return answering.refuse(self.opened, decided, request.url)
        decision = decided[1]
        if isinstance(decision, Forward) and answering.is_for_botocore(self.opened, decision, request.url):
            self.let_pass(decision, request.url)
            return None
        return answering.answer(self.opened, decision, patience=self.patience(request.url))

    def let_pass(self, forward: Forward, url: str) -> None:
        """botocore makes the call itself; its answer is kept on the way back."""
        from .recording import begin

        self._pending.set(begin(self.opened, forward, patience=self.patience(url)))

    def _before_parse(self, response_dict: dict[str, Any], operation_model: Any, **_: Any) -> None:
        pending = self._pending.get()
        if pending is not None:
            from .recording import keep_answer

            self._pending.set(None)
            keep_answer(pending, response_dict, has_events=operation_model.has_event_stream_output)

    def _response_received(self, exception: BaseException | None = None, **_: Any) -> None:
        pending = self._pending.get()
        if pending is not None and exception is not None:
            self._pending.set(None)
            pending.fail(exception)


class Target:
    """A client or a session, as far as events go."""

    def __init__(self, target: Any) -> None:
        self.region: str | None = None
        self.kind = "session"
        self.is_async = any(kind.__module__.partition(".")[0] == "aiobotocore" for kind in type(target).__mro__)
        meta = getattr(target, "meta", None)
        if meta is not None and hasattr(meta, "service_model"):
            self._take_client(meta)
        elif hasattr(target, "get_component"):
            self.events = target.get_component("event_emitter")
        elif hasattr(target, "events"):
            self.events = target.events
        else:
            raise ConfigError(
                f"sagetape.attach answers boto3 and botocore clients and sessions, not {type(target).__name__}. "
                'Give it the client: sagetape.attach(boto3.client("sagemaker-runtime"), cassette=...).'
            )

    def _take_client(self, meta: Any) -> None:
        service = meta.service_model.service_id.hyphenize()
        if service != SERVICE:
            raise ConfigError(
                f"sagetape.attach answers SageMaker Runtime, and this is a client of {service}. "
                f'Give it boto3.client("{SERVICE}"), or the session that makes it.'
            )
        self.kind, self.events, self.region = "client", meta.events, meta.region_name

    def register(self, event: str, handler: Any) -> None:
        """Puts a handler before all others."""
        self.events.register_first(event, handler)

    def unregister(self, event: str, handler: Any) -> None:
        """Takes a handler off."""
        self.events.unregister(event, handler)

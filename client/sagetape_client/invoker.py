"""The client: every operation, with the cmdlet's parameters, repeating as `retry` says, answering typed results.

It puts the rooms together: parameters to a request, a transport, the retry table, answers, the selection, the history.
Waiting, clocks and chance are arguments, so that no test waits. One client may be used from several threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, Unpack, overload

from . import select as selection
from .answers import Facts, InvokeResult, Timing, fold_headers, read_error, read_result
from .body import BodyInput
from .chances import Chances
from .errors import InvokeError
from .history import History
from .members import Members
from .parameters import ASYNC, INVOKE, STREAM, canonical
from .request import Outgoing, gather, pipeline_parameters, prepare
from .retry import Failure, RetryRules, wait_before_retry
from .surroundings import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Settings, is_light, retry_mode_of
from .transport import Attempt, Incoming, Transport

if TYPE_CHECKING:
    from .outputs import PendingOutput
    from .session import Session
    from .stream import StreamResult


class Client:
    """A client of SageMaker Runtime. Parameters are the cmdlet's (see the documentation's table).

    `retries` (a mode, a number, botocore's mapping) restores botocore's own repeating, read time-outs included.
    `ready_timeout_s` keeps asking a model that is loading. `read_timeout_s` is how long the socket may be silent.
    """

    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        access_key: str | None = None,
        secret_key: str | None = None,
        session_token: str | None = None,
        credential: Any = None,
        profile_name: str | None = None,
        profile_location: str | os.PathLike[str] | None = None,
        client_config: Any = None,
        network_credential: Any = None,
        retries: Any = None,
        ready_timeout_s: float = 0.0,
        read_timeout_s: float = READ_TIMEOUT_S,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
        connections: int = 10,
        max_body_bytes: int | None = None,
        history: bool = False,
        chances: Chances | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = Settings(
            region=region,
            endpoint_url=endpoint_url,
            access_key=access_key,
            secret_key=secret_key,
            session_token=session_token,
            credential=credential,
            profile_name=profile_name,
            profile_location=profile_location,
            client_config=client_config,
            network_credential=network_credential,
            retries=retries,
            read_timeout_s=read_timeout_s,
            connect_timeout_s=connect_timeout_s,
            connections=connections,
            environ=os.environ if environ is None else environ,
        )
        self.settings.check()
        mode, attempts = retry_mode_of(self.settings)
        self.rules = RetryRules(mode, attempts, ready_timeout_s)
        self.history = History()
        if history:
            self.history.start()
        self.chances = chances or Chances()
        self._max_body_bytes = max_body_bytes
        self._transports: dict[bool, Transport] = {}
        self._lock = threading.Lock()

    # --- operations -----------------------------------------------------------------------------------------------

    @overload
    def invoke(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: None = None,
        pass_thru: Literal[False] = False,
        **members: Unpack[Members],
    ) -> InvokeResult: ...

    @overload
    def invoke(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: str | None = None,
        pass_thru: bool = False,
        **members: Unpack[Members],
    ) -> Any: ...

    def invoke(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: str | None = None,
        pass_thru: bool = False,
        **members: Unpack[Members],
    ) -> Any:
        """InvokeEndpoint. Gives an InvokeResult, or what `select` names of it."""
        wanted = selection.wanted(INVOKE, select, pass_thru=pass_thru)
        outgoing = self.prepare(INVOKE, gather(endpoint_name, body, members))
        return selection.selected(self.answer(outgoing), wanted, outgoing)

    @overload
    def invoke_stream(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: None = None,
        **members: Unpack[Members],
    ) -> StreamResult: ...

    @overload
    def invoke_stream(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: str | None = None,
        **members: Unpack[Members],
    ) -> Any: ...

    def invoke_stream(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: str | None = None,
        **members: Unpack[Members],
    ) -> Any:
        """InvokeEndpointWithResponseStream. Gives a StreamResult; close it, or read it to its end."""
        from .stream import StreamResult, check_event_stream

        wanted = selection.wanted(STREAM, select)
        outgoing = self.prepare(STREAM, gather(endpoint_name, body, members))
        _, (incoming, facts) = self._repeat(outgoing, read_body=False)
        check_event_stream(incoming, facts)
        result = StreamResult(incoming.chunks, facts, close=incoming.close)
        self._remember(outgoing, facts, {**result.properties(), "Body": None})
        selected = selection.selected(result, wanted, outgoing)
        if selected is not result:
            result.close()  # a selected header leaves nobody to read the stream
        return selected

    @overload
    def invoke_async(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: None = None,
        **members: Unpack[Members],
    ) -> PendingOutput: ...

    @overload
    def invoke_async(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: str | None = None,
        **members: Unpack[Members],
    ) -> Any: ...

    def invoke_async(
        self,
        endpoint_name: str | None = None,
        body: BodyInput = None,
        *,
        select: str | None = None,
        **members: Unpack[Members],
    ) -> Any:
        """InvokeEndpointAsync. Gives a PendingOutput: where the output will be, and a way to wait for it."""
        from .outputs import PendingOutput, read_submission

        wanted = selection.wanted(ASYNC, select)
        outgoing = self.prepare(ASYNC, gather(endpoint_name, body, members))
        body_bytes, facts = self._ask(outgoing)
        submission = read_submission(body_bytes, facts)
        self._remember(outgoing, facts, submission.properties())
        return selection.selected(PendingOutput(self, submission), wanted, outgoing)

    def invoke_each(self, inputs: Iterable[Any], *, select: str | None = None, **defaults: Any) -> Iterator[Any]:
        """Pipeline input: names (by value) or mappings of parameters (by property name); one call each, in order."""
        given: dict[str, Any] = canonical(defaults)
        for number, item in enumerate(inputs, start=1):
            yield self.invoke(select=select, **(given | pipeline_parameters(item, number)))

    def session(self, endpoint_name: str, **options: Any) -> Session:
        """A stateful session as a context manager: see `session.Session`."""
        from .session import Session

        return Session(self, endpoint_name, **options)

    # --- what the operations are made of --------------------------------------------------------------------------

    def prepare(self, operation: str, given: Mapping[str, object]) -> Outgoing:
        """The request that a call would send."""
        return prepare(operation, given, max_body_bytes=self._max_body_bytes)

    def answer(self, outgoing: Outgoing, *, invocation_id: str | None = None) -> InvokeResult:
        """Send a prepared InvokeEndpoint. Under an id that was used before, a server may know it for the same call."""
        body_bytes, facts = self._ask(outgoing, invocation_id)
        result = read_result(body_bytes, facts)
        self._remember(outgoing, facts, result.properties())
        return result

    def describe(self, outgoing: Outgoing) -> tuple[str, list[tuple[str, str]]]:
        """URL and headers of a request, signature and token masked; nothing is sent."""
        return self._transport(outgoing).describe(outgoing)

    @property
    def is_light(self) -> bool:
        """Whether calls go without botocore."""
        return is_light(self.settings)

    def close(self) -> None:
        """Close the connections."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _ask(self, outgoing: Outgoing, invocation_id: str | None = None) -> tuple[bytes, Facts]:
        started = self.chances.monotonic()
        body, (_, facts) = self._repeat(outgoing, invocation_id, read_body=True)
        timing = Timing(facts.timing.first_byte_s, self.chances.monotonic() - started)
        return body, Facts(facts.status, facts.request_id, facts.headers, facts.retries, timing)

    def _repeat(
        self, outgoing: Outgoing, invocation_id: str | None = None, *, read_body: bool
    ) -> tuple[bytes, tuple[Incoming, Facts]]:
        """Attempts under one id until one is answered well or the rules say stop."""
        started, waited_s, number = self.chances.monotonic(), 0.0, 0
        started_at, invocation_id = self.chances.now(), invocation_id or self.chances.new_id()
        while True:
            number += 1
            try:
                incoming, facts = self._once(
                    outgoing, Attempt(invocation_id, number, max(number, self.rules.max_attempts)), started
                )
                return (incoming.read() if read_body else b""), (incoming, facts)
            except InvokeError as error:
                failure = Failure(error, number, waited_s, outgoing.opens_session)
                wait_s = None if self._is_handed_over else wait_before_retry(self.rules, failure, self.chances.random())
                if wait_s is None:
                    self._remember_failure(outgoing, started_at, error)
                    raise
                self.chances.sleep(wait_s)
                waited_s += wait_s

    def _once(self, outgoing: Outgoing, attempt: Attempt, started: float) -> tuple[Incoming, Facts]:
        sent = self.chances.monotonic()
        incoming = self._transport(outgoing).send(outgoing, attempt)
        headers = fold_headers(incoming.headers)
        retries = max(attempt.number - 1, incoming.retries)
        if not 200 <= incoming.status < 300:
            body = incoming.read()
            raise read_error(outgoing.operation, incoming.status, headers=headers, body=body, attempts=retries + 1)
        now = self.chances.monotonic()
        facts = Facts(
            incoming.status, headers.get("x-amzn-requestid"), headers, retries, Timing(now - sent, now - started)
        )
        return incoming, facts

    @property
    def _is_handed_over(self) -> bool:
        """Whether botocore repeats on its own."""
        if self.is_light:
            return False
        from .boto import has_botocore_retries

        return has_botocore_retries(self.settings)

    def _transport(self, outgoing: Outgoing) -> Transport:
        """The transport; a call that opens a session gets one that never repeats."""
        once = outgoing.opens_session and self._is_handed_over
        with self._lock:  # making a boto3 client is not safe from several threads
            if once not in self._transports:
                self._transports[once] = self._make_transport(once=once)
            return self._transports[once]

    def _make_transport(self, *, once: bool) -> Transport:
        if not self.is_light:
            from .boto import BotoTransport

            return BotoTransport(self.settings, repeats=False if once else None)
        from .light import LightTransport, Limits
        from .surroundings import endpoint_url_of, keys_of, region_of

        url, keys, region = endpoint_url_of(self.settings), keys_of(self.settings), region_of(self.settings)
        assert url is not None  # is_light says so, as of the next two
        assert keys is not None
        assert region is not None
        limits = Limits(self.settings.connect_timeout_s, self.settings.read_timeout_s)
        return LightTransport(url, keys=keys, region=region, limits=limits, now=self.chances.now)

    def _remember(self, outgoing: Outgoing, facts: Facts, properties: Mapping[str, Any]) -> None:
        if self.history.is_on:
            response = {**properties, "RequestId": facts.request_id, "HttpStatusCode": facts.status}
            self.history.record(
                outgoing.operation, started_at=self.chances.now(), request=outgoing.keywords(), response=response
            )

    def _remember_failure(self, outgoing: Outgoing, started_at: float, error: InvokeError) -> None:
        if self.history.is_on:
            self.history.record(
                outgoing.operation, started_at=started_at, request=outgoing.keywords(), response=None, error=error
            )

"""The client: every operation, with the cmdlet's parameters, repeating as `retry` says, answering typed results.

It puts the rooms together: parameters to a request, a transport, the retry table, answers, the selection, the history.
Waiting, clocks and chance are arguments, so that no test waits. One client may be used from several threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from . import select as selection
from .answers import InvokeResult, read_result
from .attempts import Caller
from .chances import Chances
from .parameters import ASYNC, INVOKE, STREAM, canonical
from .request import Outgoing, gather, pipeline_parameters, prepare
from .surroundings import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Settings

if TYPE_CHECKING:
    from .body import BodyInput
    from .members import Members
    from .outputs import PendingOutput
    from .session import Session
    from .stream import StreamResult


class Client(Caller):
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
        settings = Settings(
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
        super().__init__(settings, ready_timeout_s=ready_timeout_s, chances=chances)
        if history:
            self.history.start()
        self._max_body_bytes = max_body_bytes

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

    def prepare(self, operation: str, given: Mapping[str, object]) -> Outgoing:
        """The request that a call would send."""
        return prepare(operation, given, max_body_bytes=self._max_body_bytes)

    def answer(self, outgoing: Outgoing, *, invocation_id: str | None = None) -> InvokeResult:
        """Send a prepared InvokeEndpoint. Under an id that was used before, a server may know it for the same call."""
        body_bytes, facts = self._ask(outgoing, invocation_id)
        result = read_result(body_bytes, facts)
        self._remember(outgoing, facts, result.properties())
        return result

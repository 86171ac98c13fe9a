"""What a user's function is given: the invocation, its headers, and the deck's clock seen from another thread."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Iterator, Mapping

from ...core import platform
from ...core.platform import Ask
from ...core.wire import Headers
from ...functions import Invocation
from .upstream import Clock


class HeaderMap(Mapping[str, str]):
    """Headers whose names are looked up whatever their case."""

    def __init__(self, headers: Headers) -> None:
        self._headers = {name.lower(): (name, value) for name, value in headers}

    def __getitem__(self, name: str) -> str:
        return self._headers[name.lower()][1]

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._headers.values())

    def __len__(self) -> int:
        return len(self._headers)


class WorkerClock:
    """The deck's clock, used from a worker's thread, in the time of the call that made it."""

    def __init__(self, clock: Clock) -> None:
        """To be made inside the call, on the emulator's loop."""
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()  # a virtual clock keeps the call's own time there

    def now(self) -> float:
        """Unix time in seconds on the deck's clock."""
        return self._context.copy().run(self._clock.now)

    def sleep(self, seconds: float) -> Awaitable[None] | None:
        """Wait in the deck's time: an awaitable in async code, a wait of this thread alone in plain code."""
        wait = self._context.copy().run(asyncio.run_coroutine_threadsafe, self._clock.sleep(seconds), self._loop)
        try:
            asyncio.get_running_loop()
        except RuntimeError:  # plain code: there is no loop to give the wait to
            return wait.result()
        return asyncio.wrap_future(wait)


def invocation_of(ask: Ask, clock: WorkerClock) -> Invocation:
    """The call as a function sees it."""
    call, get = ask.call, ask.call.members.get
    return Invocation(
        operation=call.operation,
        endpoint=call.endpoint,
        body=call.body,
        content_type=get("ContentType"),
        accept=get("Accept"),
        custom_attributes=get("CustomAttributes"),
        target_model=get("TargetModel"),
        target_variant=get("TargetVariant"),
        variant=ask.variant,
        target_container_hostname=get("TargetContainerHostname"),
        inference_component=get("InferenceComponentName"),
        inference_id=get("InferenceId"),
        enable_explanations=get("EnableExplanations"),
        prefix_aware_id=get("PrefixAwareId"),
        session_id=get("SessionId"),
        headers=HeaderMap(platform.to_container(ask)),
        clock=clock,
    )

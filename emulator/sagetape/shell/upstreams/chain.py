"""Several upstreams in order: the next is asked only when the earlier has nothing. An error answer is an answer."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack

from ...core.platform import Ask
from ...core.wire import Step
from .upstream import Clock, NothingHere, Upstream, log


class Chain:
    """Upstreams asked in order. What `ask` returns also says whose answer it is (`Answering`)."""

    def __init__(self, members: Sequence[Upstream]) -> None:
        self.members = tuple(members)

    @property
    def source(self) -> str:
        return ", ".join(member.source for member in self.members)

    @property
    def is_remote(self) -> bool:
        return any(member.is_remote for member in self.members)

    @property
    def is_synthetic(self) -> bool:
        return all(member.is_synthetic for member in self.members)

    def ask(self, ask: Ask, *, clock: Clock) -> Answering:
        """The first answer that there is; NothingHere when no member has one."""
        return Answering(self, ask, clock=clock)

    async def close(self) -> None:
        """Close every member."""
        for member in self.members:
            await member.close()


class Answering:
    """The steps of a chain's answer. `by` is the member that gives it, once the first step is there."""

    def __init__(self, chain: Chain, ask: Ask, *, clock: Clock) -> None:
        self.by: Upstream = chain
        self._steps = self._ask(chain.members, ask, clock=clock)

    def __aiter__(self) -> Answering:
        return self

    async def __anext__(self) -> Step:
        return await anext(self._steps)

    async def aclose(self) -> None:
        """Stop early and give the member's resources back."""
        await self._steps.aclose()

    async def _ask(self, members: Sequence[Upstream], ask: Ask, *, clock: Clock) -> AsyncGenerator[Step, None]:
        nothing = NothingHere("the chain has no member that may be asked")
        for member in members:
            steps = member.ask(ask, clock=clock)
            async with AsyncExitStack() as stack:
                stack.push_async_callback(close_steps, steps)
                try:
                    first = await anext(steps)
                except NothingHere as error:
                    log.info("%s has nothing for %s: %s", member.source, ask.call.endpoint, error.reason)
                    nothing = NothingHere(error.reason, instead=error.instead or nothing.instead)
                    continue
                self.by = answerer(steps, member)
                yield first
                async for step in steps:
                    yield step
                return
        raise nothing


async def close_steps(steps: AsyncIterator[Step]) -> None:
    """Stop an answer, so that its upstream's connection or thread is free at once and not when memory is collected."""
    close = getattr(steps, "aclose", None)
    if close is not None:
        await close()


def answerer(steps: AsyncIterator[Step], asked: Upstream) -> Upstream:
    """Whose steps these are: the chain's member once its first step is there, else the upstream that was asked."""
    return steps.by if isinstance(steps, Answering) else asked


def local_part(upstream: Upstream) -> Upstream | None:
    """The part of an upstream that is on this machine, for modes that may ask no remote one; None without one."""
    if not isinstance(upstream, Chain):
        return None if upstream.is_remote else upstream
    members = [part for part in map(local_part, upstream.members) if part is not None]
    return Chain(members) if members else None

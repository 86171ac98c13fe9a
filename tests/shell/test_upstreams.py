"""Specifications of upstreams, and chains of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.shell.upstream_servers import ask_of, steps_of

from sagetape.core.errors import ConfigError
from sagetape.core.platform import Ask
from sagetape.core.wire import Chunk, End, Head, Script, Step, whole
from sagetape.shell.clock import RealClock
from sagetape.shell.upstreams import NothingHere, Settings, Upstream, parse_upstream
from sagetape.shell.upstreams.aws import Aws
from sagetape.shell.upstreams.chain import Chain, answerer, local_part
from sagetape.shell.upstreams.container import Container
from sagetape.shell.upstreams.upstream import Clock

SPECS = [
    ("aws", Aws, True),
    ("aws:staging", Aws, True),
    ("aws+http://127.0.0.1:7243", Aws, False),
    ("aws+http://localhost:7243/deck/a", Aws, False),
    ("aws+https://sagetape.example", Aws, True),
    ("http://127.0.0.1:8080", Container, False),
    ("http://[::1]:8080", Container, False),
    ("http://model:8080", Container, True),
    ("https://model.example/base", Container, True),
]


@pytest.mark.parametrize(("spec", "kind", "is_remote"), SPECS)
def test_specification_opens_its_kind(spec: str, kind: type, is_remote: bool) -> None:
    """Nothing is connected to; provenance is the specification."""
    upstream = parse_upstream(spec)
    assert isinstance(upstream, kind)
    assert (upstream.source, upstream.is_remote, upstream.is_synthetic) == (spec, is_remote, False)


WRONG = [
    ("", "Is the kind missing"),
    ("awss", "Did you mean aws"),
    ("fucntion:models:churn", "Did you mean function"),
    ("127.0.0.1:8080", "Is the kind missing"),
    ("ftp://127.0.0.1", "unknown upstream"),
    ("aws:", "names no profile"),
    ("http://", "no URL of a server"),
    ("http://127.0.0.1:99999", "no URL of a server"),
    ("http://model:8080?x=1", "more than a server's address"),
    ("http://model:8080/#a", "more than a server's address"),
    ("http://169.254.169.254/latest", "link-local or metadata"),
    ("aws+http://[fd00:ec2::254]", "link-local or metadata"),
    ("aws+http://other.example:80", "--allow-upstream other.example"),
]


@pytest.mark.parametrize(("spec", "text"), WRONG)
def test_wrong_specification_says_what_would_have_worked(spec: str, text: str) -> None:
    """Found at start."""
    with pytest.raises(ConfigError, match=text):
        parse_upstream(spec)


@pytest.mark.parametrize("spec", ["http://user:hunter2@model:8080", "aws+https://hunter2@host", "htp://a:hunter2@b"])
def test_password_in_a_specification_is_refused_and_not_repeated(spec: str) -> None:
    """It would end in cassettes and logs."""
    with pytest.raises(ConfigError) as raised:
        parse_upstream(spec)
    assert "hunter2" not in str(raised.value)


def test_host_without_tls_can_be_allowed() -> None:
    """For networks of containers."""
    settings = Settings(allowed_hosts=frozenset({"sagetape"}))
    assert parse_upstream("aws+http://sagetape:7243", settings).is_remote


def test_empty_chain_is_refused() -> None:
    """It could answer nothing."""
    with pytest.raises(ConfigError, match="upstream list is empty"):
        parse_upstream([])


# --- chains -----------------------------------------------------------------------------------------------------


class Fixed:
    """An upstream that answers a script, or has nothing."""

    is_synthetic = False

    def __init__(self, source: str, answer: Script | NothingHere, *, is_remote: bool = False) -> None:
        self.source = source
        self.is_remote = is_remote
        self.is_closed = False
        self.asked = 0
        self.left_early = False
        self._answer = answer

    async def ask(self, ask: Ask, *, clock: Clock) -> AsyncIterator[Step]:
        self.asked += 1
        if isinstance(self._answer, NothingHere):
            raise self._answer
        try:
            for step in self._answer:
                yield step
        except GeneratorExit:
            self.left_early = True
            raise

    async def close(self) -> None:
        self.is_closed = True


NOTHING = NothingHere("nothing")
GOOD, BAD = whole(200, (), b"good"), whole(424, (), b"bad")


async def test_chain_asks_in_order_until_one_answers() -> None:
    """The rest is not asked; whose answer it is can be told once the first step is there."""
    members = [Fixed("a", NOTHING), Fixed("b", GOOD), Fixed("c", GOOD)]
    steps = Chain(members).ask(ask_of(), clock=RealClock())
    assert await anext(steps) == Head(200)
    assert answerer(steps, members[0]) is members[1]
    assert [step async for step in steps] == [Chunk(b"good"), End()]
    assert [member.asked for member in members] == [1, 1, 0]


async def test_error_answer_is_an_answer() -> None:
    """A 424 is not passed over."""
    members = [Fixed("a", BAD), Fixed("b", GOOD)]
    assert await steps_of(Chain(members), ask_of()) == list(BAD)
    assert [member.is_closed for member in members] == [True, True]


async def test_chain_of_nothing_has_nothing() -> None:
    """What the last member that has something to say instead would answer is what the client gets."""
    members = [Fixed("a", NothingHere("refused", instead=BAD)), Fixed("b", NOTHING)]
    with pytest.raises(NothingHere) as raised:
        await steps_of(Chain(members), ask_of())
    assert (raised.value.reason, raised.value.instead) == ("nothing", BAD)


async def test_chain_in_a_chain_names_the_one_that_answers() -> None:
    """Provenance goes to the innermost."""
    inner = Fixed("inner", GOOD)
    chain = Chain([Fixed("a", NOTHING), Chain([Fixed("b", NOTHING), inner])])
    steps = chain.ask(ask_of(), clock=RealClock())
    await anext(steps)
    assert answerer(steps, chain) is inner


async def test_leaving_a_chain_leaves_its_member() -> None:
    """The member's connection or thread is free at once."""
    member = Fixed("a", GOOD)
    steps = Chain([member]).ask(ask_of(), clock=RealClock())
    await anext(steps)
    await steps.aclose()
    assert member.left_early


def test_local_part_of_a_chain() -> None:
    """What a mode may ask that asks no remote upstream."""
    near, far = Fixed("near", GOOD), Fixed("far", GOOD, is_remote=True)
    chain = Chain([far, near])
    part = local_part(chain)
    assert isinstance(part, Chain)
    assert (chain.is_remote, chain.source, part.members) == (True, "far, near", (near,))
    assert local_part(far) is None
    assert local_part(near) is near
    assert local_part(Chain([far])) is None


def test_answerer_of_a_plain_upstream_is_itself() -> None:
    """Only chains choose."""
    upstream: Upstream = Fixed("a", GOOD)
    assert answerer(upstream.ask(ask_of(), clock=RealClock()), upstream) is upstream

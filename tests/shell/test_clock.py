"""The deck's clock: what passes, for whom, and what meets a limit."""

from __future__ import annotations

import asyncio
import time

import pytest

from sagetape.shell.clock import RealClock, VirtualClock

START = 1_700_000_000.0


async def test_virtual_sleep_moves_the_calls_own_time():
    """An hour inside one call passes at once, and nobody else sees it."""
    clock = VirtualClock(START)
    with clock.timeline():
        await clock.sleep(3600)
        assert clock.now() == START + 3600
    assert clock.now() == START


async def test_virtual_sleep_outside_a_call_moves_nothing():
    """A wait that belongs to no call leaves the deck's time alone."""
    clock = VirtualClock(START)
    await clock.sleep(5)
    assert clock.now() == START


async def test_calls_at_once_have_their_own_timelines():
    """Two calls that wait side by side do not add up."""
    clock = VirtualClock(START)

    async def call(seconds: float) -> float:
        with clock.timeline():
            for _ in range(3):
                await clock.sleep(seconds)
            return clock.now()

    assert await asyncio.gather(call(1), call(10)) == [START + 3, START + 30]


async def test_tasks_of_one_call_wait_in_parallel():
    """Waits that run side by side take as long as the longest; one after the other, they add up."""
    clock = VirtualClock(START)
    with clock.timeline():
        await asyncio.gather(clock.sleep(30), clock.sleep(10), clock.sleep(30))
        assert clock.now() == START + 30
        await asyncio.create_task(clock.sleep(5))
        await asyncio.create_task(clock.sleep(5))
        assert clock.now() == START + 40


async def test_waits_end_in_the_order_of_their_due_times():
    """The task that is due first goes on first, whichever began first."""
    clock = VirtualClock(START)
    seen: list[float] = []

    async def note(*seconds: float) -> None:
        for one in seconds:
            await clock.sleep(one)
            seen.append(clock.now() - START)

    with clock.timeline():
        await asyncio.gather(note(30), note(10, 5, 20), note(12))
    assert seen == [10, 12, 15, 30, 35]


@pytest.mark.parametrize("seconds", [60, 60.5, 3600])
async def test_virtual_limit_is_met_at_once(seconds: float):
    """A model that takes the limit or longer is stopped, without real time passing."""
    clock = VirtualClock(START)
    began = time.monotonic()
    with clock.timeline(), pytest.raises(TimeoutError):
        async with clock.limit(60):
            await clock.sleep(seconds)
    assert time.monotonic() - began < 10


async def test_virtual_limit_counts_all_waits():
    """Three waits of 25 s meet a limit of 60 s in the third, at the limit's own time."""
    clock = VirtualClock(START)
    waits: list[float] = []

    async def model() -> None:
        async with clock.limit(60):
            for _ in range(3):
                await clock.sleep(25)
                waits.append(clock.now() - START)

    with clock.timeline():
        with pytest.raises(TimeoutError):
            await model()
        assert clock.now() == START + 60
    assert waits == [25, 50]


async def test_task_that_outlives_a_limit_goes_on():
    """A load in the background is not stopped by the limit of the call that began it."""
    clock = VirtualClock(START)

    async def wait_for(task: asyncio.Task[None]) -> None:
        async with clock.limit(60):
            await asyncio.shield(task)

    with clock.timeline():
        load = asyncio.create_task(clock.sleep(100))
        with pytest.raises(TimeoutError):
            await wait_for(load)
        await load
        assert clock.now() == START + 100


async def test_virtual_limit_not_met_leaves_no_trace():
    """After a limit that was kept, later waits are free."""
    clock = VirtualClock(START)
    with clock.timeline():
        async with clock.limit(60):
            await clock.sleep(59)
        await clock.sleep(100)
        assert clock.now() == START + 159


async def test_inner_limit_is_met_before_the_outer():
    """The nearer of two limits is the one that is met."""
    clock = VirtualClock(START)
    with clock.timeline():
        async with clock.limit(60):
            with pytest.raises(TimeoutError):
                async with clock.limit(5):
                    await clock.sleep(30)
            await clock.sleep(50)
        assert clock.now() == START + 55


async def test_virtual_limit_stops_tasks_below_it():
    """A wait in a task that the call awaits meets the call's limit."""
    clock = VirtualClock(START)
    with clock.timeline(), pytest.raises(TimeoutError):
        async with clock.limit(60):
            await asyncio.gather(clock.sleep(10), clock.sleep(90))


@pytest.mark.parametrize("clock", [RealClock(), VirtualClock(START)], ids=["real", "virtual"])
async def test_real_wait_meets_the_limit(clock: RealClock | VirtualClock):
    """What never answers is stopped in real time, on either clock."""
    with clock.timeline(), pytest.raises(TimeoutError):
        async with clock.limit(0.01):
            await asyncio.Event().wait()


async def test_advance_moves_everybody():
    """`advance` is seen by the deck and by a call in flight."""
    clock = VirtualClock(START)
    with clock.timeline():
        await clock.sleep(7)
        assert clock.advance(100) == START + 100
        assert clock.now() == START + 107
    assert clock.now() == START + 100


def test_set_goes_to_any_instant():
    """An instant may be earlier, an advance may not be negative."""
    clock = VirtualClock(START)
    clock.set(START - 50)
    assert clock.now() == START - 50
    with pytest.raises(ValueError, match="moves forward"):
        clock.advance(-1)


async def test_frozen_wait_passes_when_advance_reaches_it():
    """On a frozen clock a wait is over when the deck's time has come, not before."""
    clock = VirtualClock(START)
    clock.freeze()
    task = asyncio.create_task(clock.sleep(10))
    await asyncio.sleep(0)
    clock.advance(9)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    await asyncio.to_thread(clock.advance, 1)
    await task


async def test_frozen_wait_meets_its_limit_as_time_advances():
    """On a frozen clock a limit is met when `advance` reaches it, while the wait goes on beyond it."""
    clock = VirtualClock(START)
    clock.freeze()

    async def model() -> None:
        with clock.timeline():
            async with clock.limit(60):
                await clock.sleep(100)

    task = asyncio.create_task(model())
    await asyncio.sleep(0)
    clock.advance(59)
    for _ in range(5):
        await asyncio.sleep(0)
    assert not task.done()
    clock.advance(1)
    with pytest.raises(TimeoutError):
        await task


async def test_thaw_lets_waits_pass():
    """A thawed clock releases who waits."""
    clock = VirtualClock(START)
    clock.freeze()
    task = asyncio.create_task(clock.sleep(1e6))
    await asyncio.sleep(0)
    clock.thaw()
    await task
    assert not clock.is_frozen


async def test_cancelled_wait_holds_up_nobody():
    """A wait that was given up is no longer in the way of the others."""
    clock = VirtualClock(START)
    with clock.timeline():
        task = asyncio.create_task(clock.sleep(1))
        await asyncio.sleep(0)
        task.cancel()
        await clock.sleep(50)
        assert clock.now() == START + 50


async def test_real_clock_is_wall_time():
    """The real clock reads wall time, and a wait of nothing returns at once."""
    clock = RealClock()
    await clock.sleep(0)
    await clock.sleep(-1)
    assert abs(clock.now() - time.time()) < 5


def test_virtual_clock_starts_now_unless_told():
    """Without an instant a virtual clock starts at wall time."""
    assert abs(VirtualClock().now() - time.time()) < 5

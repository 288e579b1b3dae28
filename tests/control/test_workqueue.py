"""The queue: each key once, never twice at a time, later after a failure, and none is lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.control.conftest import until

from roost.control import workqueue
from roost.control.workqueue import LONGEST_DELAY_S, WorkQueue, backoff_s
from roost.model.errors import Unavailable


@contextlib.asynccontextmanager
async def working(handle: Callable[[str], Awaitable[None]], workers: int = 4) -> AsyncIterator[WorkQueue]:
    queue = WorkQueue(handle, workers=workers, jitter=lambda: 0.0)
    task = asyncio.create_task(queue.run())
    try:
        yield queue
    finally:
        queue.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_at_rest(queue: WorkQueue, *keys: str) -> None:
    await until(lambda: not any(queue.holds(key) for key in keys), "rest")


async def test_a_key_added_often_before_its_turn_is_handled_once() -> None:
    handled: list[str] = []

    async def handle(key: str) -> None:
        handled.append(key)

    async with working(handle) as queue:
        for key in "aabab":
            queue.add(key)
        await until_at_rest(queue, "a", "b")
    assert sorted(handled) == ["a", "b"]


async def test_a_key_added_while_it_is_handled_is_handled_once_more_afterwards() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    running = most = handled = 0

    async def handle(key: str) -> None:
        nonlocal running, most, handled
        running += 1
        most = max(most, running)
        handled += 1
        begun.set()
        await go_on.wait()
        running -= 1

    async with working(handle) as queue:
        queue.add("a")
        await begun.wait()
        for _ in range(5):
            queue.add("a")
        assert queue.holds("a")
        go_on.set()
        await until_at_rest(queue, "a")
    assert (handled, most) == (2, 1)


async def test_different_keys_are_handled_at_the_same_time_up_to_the_number_of_workers() -> None:
    running = most = 0
    go_on = asyncio.Event()

    async def handle(key: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await go_on.wait()
        running -= 1

    async with working(handle, workers=3) as queue:
        for key in "abcdef":
            queue.add(key)
        await until(lambda: running == 3, "all workers at work")
        go_on.set()
        await until_at_rest(queue, *"abcdef")
    assert most == 3


@pytest.mark.parametrize("error", [Unavailable("not now"), ValueError("a defect")])
async def test_a_failure_is_tried_again_later_and_success_forgets_it(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workqueue, "FIRST_DELAY_S", 0.01)
    failures: list[int] = []

    async def handle(key: str) -> None:
        failures.append(queue.failures(key))
        if len(failures) < 4:
            raise error

    async with working(handle) as queue:
        queue.add("a")
        await until_at_rest(queue, "a")
        assert failures == [0, 1, 2, 3]
        assert queue.failures("a") == 0


async def test_adding_a_key_cuts_its_delay_short() -> None:
    handled = asyncio.Event()

    async def handle(key: str) -> None:
        handled.set()

    async with working(handle) as queue:
        queue.add_later("a", 3600)
        queue.add_later("a", 7200)
        assert queue.holds("a")
        assert not handled.is_set()
        queue.add("a")
        async with asyncio.timeout(5):
            await handled.wait()


async def test_a_delay_runs_out_by_itself() -> None:
    handled = asyncio.Event()

    async def handle(key: str) -> None:
        handled.set()

    async with working(handle) as queue:
        queue.add_later("a", 0.01)
        async with asyncio.timeout(5):
            await handled.wait()


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_the_delay_grows_to_a_limit_and_never_past_it(failures: int, fraction: float) -> None:
    delay_s = backoff_s(failures, fraction)
    assert workqueue.FIRST_DELAY_S / 2 <= delay_s <= LONGEST_DELAY_S
    assert delay_s <= backoff_s(failures + 1, 1.0)


STEP = st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "later", "turn"]))


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=30), st.sets(st.integers(0, 40)), st.integers(1, 4))
def test_after_any_order_of_adds_and_failures_the_last_state_of_every_key_was_seen(
    steps: list[tuple[str, str]], failing: set[int], workers: int
) -> None:
    """The state of a key is a number that grows before each add; in the end the handler has seen the newest."""

    async def play() -> None:
        state: Counter[str] = Counter()
        seen: dict[str, int] = {}
        at_work: set[str] = set()
        calls = 0

        async def handle(key: str) -> None:
            nonlocal calls
            calls += 1
            assert key not in at_work, "twice at a time"
            at_work.add(key)
            looked = state[key]
            await asyncio.sleep(0)
            at_work.remove(key)
            if calls in failing:
                raise Unavailable("not now")
            seen[key] = looked

        async with working(handle, workers) as queue:
            for key, what in steps:
                if what == "turn":
                    await asyncio.sleep(0)
                    continue
                state[key] += 1
                queue.add(key) if what == "add" else queue.add_later(key, 0.0)
            await until_at_rest(queue, "a", "b", "c")
        assert seen == dict(state)

    before = workqueue.FIRST_DELAY_S
    workqueue.FIRST_DELAY_S = 0.0005
    try:
        asyncio.run(play())
    finally:
        workqueue.FIRST_DELAY_S = before

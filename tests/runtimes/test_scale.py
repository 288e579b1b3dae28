"""Many workloads at once, and many that have ended."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.runtimes.conftest import Stopwatch, ended, job, settled, started

from roost.runtimes.local.runtime import LocalRuntime

pytestmark = pytest.mark.image
MANY, ENDED = 200, 5000


@pytest.fixture
async def runtime(short_home: Path) -> AsyncIterator[LocalRuntime]:
    made = await started(short_home)
    yield made
    await ended(made)


async def test_two_hundred_at_once_start_and_none_fails(runtime: LocalRuntime, stopwatch: Stopwatch) -> None:
    jobs = [job("sleep", "600") for _ in range(MANY)]
    await asyncio.gather(*(runtime.apply(made) for made in jobs))
    assert all([(await settled(runtime, made.id)).instances[0].ready for made in jobs])
    assert stopwatch.seconds < MANY / 50, "a hundred per second on a quiet machine"
    stopwatch.reset()
    assert len(await runtime.usage()) == MANY
    assert stopwatch.seconds < 1
    stopwatch.reset()
    await asyncio.gather(*(runtime.delete(made.id) for made in jobs))
    assert stopwatch.seconds < 10


async def test_thousands_of_ended_ones_cost_nothing(runtime: LocalRuntime, stopwatch: Stopwatch) -> None:
    made = job("true")
    await runtime.apply(made)
    await settled(runtime, made.id)
    async with asyncio.timeout(10):
        while not (await runtime.observe())[made.id].instances[0].exit:
            await runtime.wait_change(0.5)
    await runtime.close()
    record = runtime.settings.workloads / made.id / "main"
    content = json.loads((record / "instance.json").read_text())
    for _ in range(ENDED):
        id = job("true").id
        place = runtime.settings.workloads / id / "main"
        place.mkdir(parents=True)
        (place / "instance.json").write_text(json.dumps({**content, "id": id}))
        shutil.copy(record / "exit.json", place / "exit.json")
    other = LocalRuntime(runtime.settings, fork=False)
    stopwatch.reset()
    await other.start()
    assert stopwatch.seconds < 2.0
    for _ in range(3):
        stopwatch.reset()
        assert len(await other.observe()) == ENDED + 1
        assert stopwatch.seconds < 0.2
    await other.close()

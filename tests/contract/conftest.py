"""The runtimes that the contract suite runs against. A new runtime adds itself here and changes no test."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.harness import sweep

from roost.runtimes.base import Runtime
from roost.runtimes.local.runtime import LocalRuntime
from roost.settings import Settings

RuntimeFactory = Callable[[], Awaitable[Runtime]]
LEVELS = ["fork", "exec", "sandbox", "bubblewrap"] if os.geteuid() == 0 else ["sandbox", "process", "exec"]


@pytest.fixture(params=LEVELS)
async def make_runtime(request: pytest.FixtureRequest, short_home: Path) -> AsyncIterator[RuntimeFactory]:
    """Makes started runtimes on one home: a second one is a new control plane after a crash of the first."""
    levels = {"sandbox": "bubblewrap", "bubblewrap": "bubblewrap", "process": "process"}
    isolation = levels.get(request.param, "auto")
    settings = Settings(home=short_home, isolation=isolation)
    made: list[Runtime] = []

    async def make() -> Runtime:
        sandboxed = None if request.param != "bubblewrap" else False
        runtime = LocalRuntime(settings, fork=request.param != "exec", own_sandbox=sandboxed)
        await runtime.start()
        made.append(runtime)
        return runtime

    yield make
    for runtime in made[-1:]:
        for id in await runtime.observe():
            await runtime.delete(id, grace_s=0.2)
            await runtime.forget(id)
    for runtime in made:
        await runtime.close()
    sweep(short_home)
    shutil.rmtree(settings.sockets, ignore_errors=True)


@pytest.fixture
async def runtime(make_runtime: RuntimeFactory) -> Runtime:
    """One started runtime."""
    return await make_runtime()

"""One running data plane per test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop
from tests.dataplane.world import QUICK, World, world


@pytest.fixture
async def plane() -> AsyncIterator[World]:
    """Limits as people get them."""
    async with world() as running:
        yield running


@pytest.fixture
async def hasty() -> AsyncIterator[World]:
    """Limits so short that a test can wait for them."""
    async with world(QUICK) as running:
        yield running


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Every test on both loops: transports differ in what they do at the end of a stream. A process chooses itself."""
    if "process" in getattr(item, "fixturenames", ()):
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}

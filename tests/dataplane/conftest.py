"""One running data plane per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
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

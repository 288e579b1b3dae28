from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.world import Browser, World, world_at

from roost.model.access import Role


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = world_at(tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def ada(world: World) -> Browser:
    return world.browser("Ada", Role.ADMINISTRATOR)

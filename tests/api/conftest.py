from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.api.world import World, world_at


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = world_at(tmp_path)
    yield made
    made.close()

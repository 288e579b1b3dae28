"""The platform as the README starts it: `make up`, then the command `roost` and curl, nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import home_with
from tests.harness import sweep
from tests.journey.made import MadePlatform


@pytest.fixture(scope="session")
def made(default_image: Any) -> Iterator[MadePlatform]:
    """`make up`, for all tests of the journey."""
    with home_with(default_image) as home:
        running = MadePlatform(home=home)
        try:
            yield running.start()
        finally:
            with contextlib.suppress(Exception):
                running.interrupt()
            sweep(home)

"""The platform as the README starts it: `make up`, then the command `roost` and curl, nothing else."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import sweep
from tests.journey.made import MadePlatform


@pytest.fixture(scope="session")
def made(default_image: Any) -> Iterator[MadePlatform]:
    """`make up`, for all tests of the journey."""
    base = Path(tempfile.mkdtemp(prefix="rj-", dir="/tmp"))
    base.chmod(0o711)
    home = base / "home"
    home.mkdir(mode=0o711)
    (home / "images").symlink_to(default_image.images)
    running = MadePlatform(home=home)
    try:
        yield running.start()
    finally:
        with contextlib.suppress(Exception):
            running.interrupt()
        sweep(home)
        shutil.rmtree(base, ignore_errors=True)

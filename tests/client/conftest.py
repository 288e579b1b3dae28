"""Fixtures for the SDK and Dask: a scheduler with two workers, and a place with short paths for sockets."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.client.dask_parts import DaskParts, write_certificates
from tests.client.notebook import Notebook
from tests.conftest import home_with
from tests.harness import Platform, platform


@pytest.fixture(scope="session")
def image_python(default_image: Any) -> Path:
    """The Python of the default image."""
    return Path(default_image.python)


@pytest.fixture(scope="module")
def short_directory() -> Iterator[Path]:
    """A directory whose path leaves room for the name of a socket."""
    directory = Path(tempfile.mkdtemp(prefix="rd-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def dask_parts(image_python: Path, short_directory: Path) -> Iterator[DaskParts]:
    """A scheduler and two workers."""
    parts = DaskParts(image_python, short_directory, write_certificates(short_directory / "files"))
    try:
        parts.start_scheduler()
        for index in range(2):
            parts.start_worker(index)
        yield parts
    finally:
        parts.close()


@pytest.fixture(scope="package")
def running(default_image: Any) -> Iterator[Platform]:
    """One platform for the tests of this folder."""
    with home_with(default_image) as home, platform(home) as started:
        yield started


@pytest.fixture(scope="package")
def notebook(running: Platform, image_python: Path) -> Notebook:
    """Code that believes it runs in a workspace of the platform."""
    return Notebook(running, image_python)

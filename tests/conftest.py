"""Fixtures that many tests share: the default image, built once, and homes that any user may pass through."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from roost.runtimes.local.images import LocalBuilder
from roost.settings import Settings


@dataclass(frozen=True)
class BuiltImage:
    """The default image: `images` is the directory that holds it, `path` the environment."""

    images: Path
    path: Path

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"


@pytest.fixture(scope="session")
def default_image() -> BuiltImage:
    """The default image as `roost up` builds it, kept for later runs; made from nothing where it is missing."""
    root = Path(os.environ.get("ROOST_TEST_CACHE", "/tmp/roost-test-cache"))
    root.mkdir(parents=True, exist_ok=True)
    root.chmod(0o755)
    builder = LocalBuilder(Settings(home=root))

    async def build() -> None:
        async for step in builder.build("default"):
            print(step.message)

    asyncio.run(build())
    _remove_old_builds(root / "images")
    return BuiltImage(root / "images", builder.path("default"))


def _remove_old_builds(images: Path) -> None:
    """Each change of Roost leaves a build behind; young ones may be in use by another session."""
    current = os.readlink(images / "default")
    for manifest in images.glob("default-*/roost-image.json"):
        if manifest.parent.name != current and time.time() - manifest.stat().st_mtime > 2 * 3600:
            shutil.rmtree(manifest.parent, ignore_errors=True)


@contextlib.contextmanager
def home_with(image: BuiltImage) -> Iterator[Path]:
    """A home with the default image, a short path, and gone at the end. Other users may pass through."""
    base = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp"))
    base.chmod(0o711)
    home = base / "home"
    home.mkdir(mode=0o711)
    (home / "images").symlink_to(image.images)
    try:
        yield home
    finally:
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def short_home(default_image: BuiltImage) -> Iterator[Path]:
    """A home of `home_with` for one test."""
    with home_with(default_image) as home:
        yield home

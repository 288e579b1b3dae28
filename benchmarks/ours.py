"""The Roost under measure: a real `roost up` with a home of its own, and the default image built once."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.harness import Platform, sweep

from benchmarks.asking import Address
from benchmarks.peers import cache
from roost.runtimes.local.images import LocalBuilder
from roost.settings import Settings

STUB = Path(__file__).resolve().parent / "stubs" / "lab.py"


def images(stub: bool = False) -> Path:
    """The folder with the default image as `roost up` builds it; `stub` has a program in place of JupyterLab."""
    root = cache() / ("stub" if stub else "image")
    root.mkdir(parents=True, exist_ok=True)
    builder = LocalBuilder(Settings(home=root))

    async def build() -> None:
        async for step in builder.build("default"):
            print(f"  {step.message}", file=sys.stderr)

    asyncio.run(build())
    if stub:
        site = next((builder.path("default") / "lib").glob("python3.*/site-packages"))
        lab = site / "roost/runtimes/image/lab.py"
        lab.unlink()  # it may share its bytes with another build
        shutil.copy(STUB, lab)
    return root / "images"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that every user may pass through, with a short path, gone at the end."""
    path = Path(tempfile.mkdtemp(prefix="rb-", dir="/tmp"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def home(stub: bool = False) -> Iterator[Path]:
    """A fresh home with the image in it."""
    with folder() as base:
        path = base / "home"
        path.mkdir(mode=0o711)
        (path / "images").symlink_to(images(stub))
        yield path
        sweep(path)


@contextlib.contextmanager
def roost(stub: bool = False) -> Iterator[Platform]:
    """A platform that is healthy; gone at the end."""
    with home(stub) as path:
        platform = Platform(home=path)
        try:
            yield platform.start()
        finally:
            with contextlib.suppress(Exception):
                platform.stop()


def door(platform: Platform) -> Address:
    """The platform's own address, with the administrator's token."""
    return Address(platform.port, token=platform.token)


def workload_door(platform: Platform, id: str) -> Address:
    """The address of a workload, with the same token."""
    return Address(platform.port, host=f"{id}.roost.localhost", token=platform.token)

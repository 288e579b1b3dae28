"""Sockets of workloads are reached without following links."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.dataplane.sockets import pinned


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


async def test_a_socket_is_connected_to_by_its_pinned_name(folder: Path) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_unix_server(greet, folder / "s")
    with pinned(str(folder / "s")) as name:
        reader, writer = await asyncio.open_unix_connection(name)
        assert await reader.read() == b"hello"
        writer.close()
    server.close()
    await server.wait_closed()


async def test_a_link_to_a_socket_is_refused(folder: Path) -> None:
    server = await asyncio.start_unix_server(lambda _r, writer: writer.close(), folder / "theirs")
    (folder / "mine").symlink_to(folder / "theirs")
    with pytest.raises(OSError, match="not a socket"), pinned(str(folder / "mine")):
        pass
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("kind", ["file", "directory", "nothing", "pipe"])
def test_anything_else_is_refused_at_once(folder: Path, kind: str) -> None:
    path = folder / "s"
    if kind == "file":
        path.write_text("")
    if kind == "directory":
        path.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(OSError), pinned(str(path)):  # noqa: PT011
        pass


def test_no_descriptor_stays(folder: Path) -> None:
    (folder / "f").write_text("")
    before = os.listdir("/proc/self/fd")
    for _ in range(3):
        with pytest.raises(OSError, match="not a socket"), pinned(str(folder / "f")):
            pass
    assert len(os.listdir("/proc/self/fd")) == len(before)

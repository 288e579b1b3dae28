"""Volumes on one machine: a directory each, named by its id and owned by its owner's user id."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path

from roost.model.errors import InvalidInput
from roost.model.names import is_id
from roost.runtimes.local.owners import Owners

_FRESH_S = 30.0


class LocalDisks:
    """Implements `Disks` below a directory. There is no quota: limits of a disk are the machine's."""

    def __init__(self, root: Path, owners: Owners) -> None:
        self._root = root
        self._owners = owners
        self._measured: dict[str, tuple[float, int]] = {}

    def path(self, volume: str) -> Path:
        """The directory of a volume."""
        if not is_id(volume):
            raise InvalidInput("That is not the id of a volume.", subject=volume, field="volume")
        return self._root / volume

    async def ensure(self, volume: str, owner: str) -> None:
        """Create the volume where it does not exist."""
        path = self.path(volume)
        if not path.is_dir():
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.chmod(0o700)
            self._owners.own(path, owner)

    async def destroy(self, volume: str) -> None:
        """Remove the volume and all in it, for ever; what an earlier try left, too. Raises where files stay."""
        path = self.path(volume)
        doomed = path.with_name(f".{path.name}.destroyed")
        if doomed.is_dir():
            await asyncio.to_thread(shutil.rmtree, doomed)
        if path.is_dir():
            path.rename(doomed)
            await asyncio.to_thread(shutil.rmtree, doomed)
        self._measured.pop(volume, None)

    async def exists(self, volume: str) -> bool:
        """Whether the volume is there."""
        return self.path(volume).is_dir()

    async def usage_bytes(self, volume: str) -> int:
        """Bytes that the files of the volume occupy, measured at most every half minute."""
        at, size = self._measured.get(volume, (-_FRESH_S, 0))
        if time.monotonic() - at >= _FRESH_S:
            size = await asyncio.to_thread(_occupied, self.path(volume))
            self._measured[volume] = (time.monotonic(), size)
        return size


def _occupied(path: Path) -> int:
    total = 0
    for folder, _folders, files in os.walk(path):
        for name in files:
            try:
                total += os.lstat(os.path.join(folder, name)).st_blocks * 512
            except OSError:
                continue
    return total

"""Destroys the volumes that somebody asked to be destroyed, and measures the others. Time alone destroys nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from roost.model.errors import RoostError
from roost.runtimes.base import Disks
from roost.services import volumes
from roost.store.database import Store

log = logging.getLogger(__name__)

EVERY_S = 5.0


class VolumeLoop:
    """Carries out destructions; safe to repeat after a crash at any line."""

    def __init__(self, store: Store, disks: Disks, now_us: Callable[[], int]) -> None:
        self._store = store
        self._disks = disks
        self._now_us = now_us

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            for row in await self._store.run(volumes.to_destroy, self._store):
                try:
                    await self._disks.destroy(row.id)
                    await self._store.run(volumes.destroyed, self._store, row.id, now_us=self._now_us())
                except (RoostError, OSError) as error:
                    log.warning("the volume %s could not be destroyed yet: %s", row.id, error)
            await asyncio.sleep(EVERY_S)

"""Looks at what workloads use, every two seconds; keeps the recent past in memory and an hour in the store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from roost.control.changes import Changes, News
from roost.control.live import Live, Sample
from roost.model.errors import RoostError
from roost.runtimes.base import Capability, Disks, Runtime, Usage
from roost.services import volumes
from roost.store import usage as table
from roost.store import workloads
from roost.store.database import Store
from roost.store.rows import UsageRow

EVERY_S = 2.0
DISK_EVERY_S = 30.0


class UsageLoop:
    """Samples the runtime for charts, bars and the idle rule."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        live: Live,
        changes: Changes,
        now_us: Callable[[], int],
        disks: Disks | None = None,
    ) -> None:
        self._store = store
        self._runtime = runtime
        self._live = live
        self._changes = changes
        self._now_us = now_us
        self._disks = disks
        self._cpu: dict[str, tuple[float, float]] = {}  # id -> monotonic time, CPU seconds
        self._owners: dict[str, tuple[str, str | None]] = {}  # id -> owner, volume
        self._disk: dict[str, int] = {}
        self._disk_at = self._written_at = -1e9

    async def run(self) -> None:
        """Sample until cancelled."""
        if Capability.USAGE not in self._runtime.capabilities:
            return
        while True:
            await self.sample()
            await asyncio.sleep(EVERY_S)

    async def sample(self) -> None:
        """One look at everything that runs."""
        found, taken_at = await self._runtime.usage(), time.monotonic()
        if unknown := found.keys() - self._owners.keys():
            self._owners.update(await self._store.run(_owners, self._store, unknown))
        await self._measure_disks(found)
        at_us = self._now_us()
        for id, used in found.items():
            self._live.sampled(id, self._sample(id, used, at_us, taken_at))
            owner = self._owners.get(id, ("", None))[0]
            if owner and self._changes.watched:
                self._changes.publish(News(0, id, owner, usage=True))
        for id in self._cpu.keys() - found.keys():
            del self._cpu[id]
            self._owners.pop(id, None)
            self._disk.pop(id, None)
            self._live.ended(id)
        if found and time.monotonic() - self._written_at >= table.INTERVAL_S:
            self._written_at = time.monotonic()
            rows = [_row(id, sample) for id in found if (sample := self._live.used(id)) is not None]
            await self._store.run(_write, self._store, rows)

    def _sample(self, id: str, used: Usage, at_us: int, now: float) -> Sample:
        before, cpu_seconds = self._cpu.get(id, (now, used.cpu_seconds))
        self._cpu[id] = (now, used.cpu_seconds)
        passed = now - before
        share = max(0.0, used.cpu_seconds - cpu_seconds) / passed if passed > 0 else 0.0
        return Sample(at_us, used.memory_bytes, used.memory_limit_bytes, share * 100, self._disk.get(id))

    async def _measure_disks(self, running: Mapping[str, Usage]) -> None:
        if self._disks is None or time.monotonic() - self._disk_at < DISK_EVERY_S:
            return
        self._disk_at = time.monotonic()
        changed: dict[str, int] = {}
        for id in running:
            volume = self._owners.get(id, ("", None))[1]
            if volume:
                before, self._disk[id] = self._disk.get(id), await self._disks.usage_bytes(volume)
                if before != self._disk[id]:
                    changed[volume] = self._disk[id]
        if changed:
            await self._store.run(_write_disks, self._store, changed)


def _owners(store: Store, ids: set[str]) -> dict[str, tuple[str, str | None]]:
    with store.read() as tx:
        return {id: (row.owner, row.volume) for id, row in workloads.by_ids(tx, ids).items()}


def _row(id: str, sample: Sample) -> UsageRow:
    return UsageRow(
        workload=id,
        at_us=sample.at_us,
        memory_bytes=sample.memory_bytes,
        memory_limit_bytes=sample.memory_limit_bytes,
        cpu_millis=round(sample.cpu_percent * 10),
        disk_bytes=sample.disk_bytes,
    )


def _write_disks(store: Store, sizes: dict[str, int]) -> None:
    try:
        volumes.measured(store, sizes)
    except RoostError:
        pass  # measured again soon


def _write(store: Store, rows: list[UsageRow]) -> None:
    try:
        with store.write() as tx:
            table.put(tx, rows)
    except RoostError:
        pass  # a chart with a gap; the reason is told by everything else that writes

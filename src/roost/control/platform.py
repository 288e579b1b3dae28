"""The running control plane put together: store, runtime, the loops, and what the API needs of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

from roost.control.activity import Activities
from roost.control.changes import Changes
from roost.control.idle import IdleLoop
from roost.control.live import Live
from roost.control.reconcile import Reconciler
from roost.control.rotation import Rotation
from roost.control.usage import UsageLoop
from roost.control.volumes import VolumeLoop
from roost.model.workload import Workload
from roost.runtimes.base import Builder, Disks, Runtime
from roost.services import keys
from roost.services.machine import Machine, read_machine
from roost.services.render import Renderer
from roost.services.sizes import Catalog, local_catalog
from roost.settings import Settings
from roost.store import people
from roost.store.database import Store

log = logging.getLogger(__name__)
Piece = TypeVar("Piece")

_RESTART_LOOP_S = 1.0


def now_us() -> int:
    """The time, in UTC microseconds."""
    return time.time_ns() // 1000


async def _next(pieces: AsyncIterator[Piece]) -> Piece:
    return await anext(pieces)


class Platform:
    """Everything that lives as long as the control plane. Make it, `start` it in an event loop, `stop` it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        runtime: Runtime,
        *,
        disks: Disks | None = None,
        builder: Builder | None = None,
        machine: Machine | None = None,
        clock: Callable[[], int] = now_us,
    ) -> None:
        self.settings = settings
        self.store = store
        self.runtime = runtime
        self.disks = disks
        self.builder = builder
        self.now_us = clock
        self.machine = machine or read_machine(settings.home)
        self.catalog: Catalog = local_catalog(self.machine)
        self.vault = keys.Vault(settings)
        self.ticket_key = keys.load_ticket_key(settings)
        self.live = Live()
        self.changes = Changes(store)
        self.renderer = Renderer(settings, store, self.vault, self.catalog, clock)
        self.reconciler = Reconciler(
            store, runtime, self.renderer.render, self.live, prepare=self._prepare, now_us=clock
        )
        self.activities = Activities(store, self.live, clock)
        self.stopping = asyncio.Event()
        self._names: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._unlisten = store.listen(self._committed)

    async def start(self) -> None:
        """Start the loops. Returns at once: pages and API answer while the runtime gets ready."""
        usage = UsageLoop(self.store, self.runtime, self.live, self.changes, self.now_us, self.disks)
        idle = IdleLoop(self.settings, self.store, self.live, self.reconciler, self.now_us)
        rotation = Rotation(self.settings, self.store, self.runtime, self.reconciler, self.now_us)
        self._begin("changes", self.changes.run)
        self._begin("activity", self.activities.run)
        self._begin("runtime", self._run_runtime)
        for name, loop in (("usage", usage.run), ("idle", idle.run), ("tokens", rotation.run)):
            self._begin(name, self._after_first_look(loop))
        if self.disks is not None:
            self._begin("volumes", self._after_first_look(VolumeLoop(self.store, self.disks, self.now_us).run))

    async def stop(self) -> None:
        """End the loops and let go of the runtime; workloads run on unless the settings say otherwise."""
        self.stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        if self.settings.stop_workloads:
            await self._stop_workloads()
        await self.runtime.close()
        self._unlisten()

    async def while_serving(self, pieces: AsyncIterator[Piece]) -> AsyncIterator[Piece]:
        """The pieces of a long answer, which ends when the platform stops: nobody waits for a quiet stream."""
        stopping = asyncio.create_task(self.stopping.wait())
        following: asyncio.Task[Piece] | None = None
        try:
            while not self.stopping.is_set():
                following = asyncio.create_task(_next(pieces))
                await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if not following.done():
                    return
                try:
                    piece = following.result()
                except StopAsyncIteration:
                    return
                yield piece
        finally:
            stopping.cancel()
            if following is not None and not following.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            if isinstance(pieces, AsyncGenerator):
                await pieces.aclose()

    async def name_of(self, person: str) -> str:
        """A person's name, remembered until it changes."""
        name = self._names.get(person)
        if name is None:
            name = self._names[person] = await self.store.run(self._read_name, person)
        return name

    def _read_name(self, person: str) -> str:
        with self.store.read() as tx:
            row = people.by_id(tx, person)
        return row.name if row is not None else ""

    def _committed(self, changed: frozenset[str]) -> None:
        for id in changed:
            self._names.pop(id, None)

    async def _run_runtime(self) -> None:
        await self.runtime.start()
        await self.reconciler.run()

    async def _prepare(self, workload: Workload) -> None:
        """What must be there before a workload starts: its volumes."""
        if self.disks is not None:
            for mount in workload.volumes:
                await self.disks.ensure(mount.volume, workload.owner)

    def _after_first_look(
        self, loop: Callable[[], Coroutine[Any, Any, None]]
    ) -> Callable[[], Coroutine[Any, Any, None]]:
        async def later() -> None:
            await self.reconciler.ready.wait()
            await loop()

        return later

    def _begin(self, name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._tasks.append(asyncio.create_task(self._keep(name, loop), name=name))

    async def _keep(self, name: str, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop; one that fails is started again, because the others do not depend on it."""
        while True:
            try:
                await loop()
            except Exception:
                log.exception("the %s loop failed; it is started again", name)
            await asyncio.sleep(_RESTART_LOOP_S)

    async def _stop_workloads(self) -> None:
        """End what runs without touching what is wanted: at the next start it runs again."""
        seen = await self.runtime.observe()
        running = [id for id, observed in seen.items() if observed.alive]
        await asyncio.gather(*(self.runtime.delete(id) for id in running), return_exceptions=True)

"""Renews the tokens of running workspaces every hour, tells them where the platform is after a restart, and forgets
sessions and tokens that are long over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from roost.control.reconcile import Reconciler
from roost.model.errors import RoostError
from roost.model.lifecycle import Phase
from roost.model.workload import Kind
from roost.runtimes.base import Runtime
from roost.services import sessions
from roost.services.render import rotated_files
from roost.services.workloads import LAB
from roost.settings import Settings
from roost.store import workloads
from roost.store.database import Store
from roost.store.rows import WorkloadRow

log = logging.getLogger(__name__)

EVERY_S = 3600.0


class Rotation:
    """Renews all at its start, then every hour."""

    def __init__(
        self, settings: Settings, store: Store, runtime: Runtime, reconciler: Reconciler, now_us: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._store = store
        self._runtime = runtime
        self._reconciler = reconciler
        self._now_us = now_us

    async def run(self) -> None:
        """Renew until cancelled."""
        while True:
            for row in await self._store.run(_running_workspaces, self._store):
                await self.renew(row)
            await self._forget()
            await asyncio.sleep(EVERY_S)

    async def _forget(self) -> None:
        """Remove sessions, tokens and attempts that are long over."""
        try:
            await self._store.run(_prune, self._store, self._now_us())
        except RoostError as error:
            log.warning("what is over was not removed: %s", error)

    async def renew(self, row: WorkloadRow) -> None:
        """Give one workspace a fresh token; the one it holds lasts ten minutes more."""
        try:
            files = await self._store.run(rotated_files, self._store, self._settings, row, self._now_us())
            await self._runtime.write_files(row.id, LAB, files)
        except (RoostError, OSError) as error:
            log.warning("the token of %s was not renewed: %s", row.id, error)


def _prune(store: Store, now_us: int) -> None:
    sessions.prune(store, now_us=now_us)


def _running_workspaces(store: Store) -> list[WorkloadRow]:
    with store.read() as tx:
        rows = workloads.wanted_running(tx)
    return [row for row in rows if row.kind is Kind.WORKSPACE and row.phase is Phase.RUNNING]

"""Use by people, as the data plane reports it: kept in memory, written to the store now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from roost.control.live import Live
from roost.model.errors import RoostError
from roost.services import sessions
from roost.store import workloads
from roost.store.database import Store

WRITE_EVERY_S = 60.0


class Activities:
    """Takes in reports and writes when each workload was last used."""

    def __init__(self, store: Store, live: Live, now_us: Callable[[], int]) -> None:
        self._store = store
        self._live = live
        self._now_us = now_us
        self._written: dict[str, int] = {}
        self._sessions: dict[str, int] = {}

    def take(self, report: Mapping[str, Any]) -> None:
        """A report: last use and open connections by workload, last use by session key."""
        now_us = self._now_us()
        found = report.get("workloads") or {}
        self._live.seen_active(
            {id: (min(int(said["last_us"]), now_us), int(said["connections"])) for id, said in found.items()}
        )
        for key, last_us in (report.get("sessions") or {}).items():
            self._sessions[key] = max(self._sessions.get(key, 0), min(int(last_us), now_us))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY_S)
            await self.write()

    async def write(self) -> None:
        """Write what is new; a store that is away loses nothing, the next write has it."""
        due = {
            id: activity.last_us
            for id, activity in self._live.activity.items()
            if activity.last_us > self._written.get(id, 0)
        }
        seen, self._sessions = self._sessions, {}
        try:
            if due:
                await self._store.run(_write, self._store, due)
                self._written.update(due)
            if seen:
                await self._store.run(sessions.touch, self._store, seen, now_us=self._now_us())
        except RoostError:
            self._sessions = {**seen, **self._sessions}


def _write(store: Store, due: Mapping[str, int]) -> None:
    with store.write() as tx:
        for id, last_us in due.items():
            workloads.change(tx, id, {"active_us": last_us})
        tx.changes.clear()  # no news for anybody

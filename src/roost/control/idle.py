"""Stops what nobody uses, by the rule and the evidence; says beforehand when that will be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from roost.control.live import Forecast, Live
from roost.control.reconcile import Reconciler
from roost.model.idle import Evidence, IdleDecision, IdleRule, decide_idle
from roost.model.lifecycle import Instance, Phase
from roost.model.workload import Kind
from roost.services import workloads as services
from roost.services.workloads import By
from roost.settings import Settings
from roost.store import workloads
from roost.store.database import Store
from roost.store.rows import WorkloadRow, micros, moment

log = logging.getLogger(__name__)

EVERY_S = 5.0
_AFTER_RESTART = timedelta(seconds=60)  # what nobody reported yet is not idle


class IdleLoop:
    """Decides for every running workload, every few seconds."""

    def __init__(
        self, settings: Settings, store: Store, live: Live, reconciler: Reconciler, now_us: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._store = store
        self._live = live
        self._reconciler = reconciler
        self._now_us = now_us
        self._began_us = now_us()

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_S)

    async def look(self) -> None:
        """Decide once."""
        rows = await self._store.run(_running, self._store)
        now = moment(self._now_us())
        for row in rows:
            decision = decide_idle(self._rule(row), self._evidence(row), now)
            self._live.forecasts[row.id] = _forecast(decision)
            if decision.stop and now > moment(self._began_us) + _AFTER_RESTART:
                log.info("%s is stopped: %s", row.id, decision.why)
                by = By(person="", now_us=self._now_us())
                await self._store.run(services.stop, self._store, by, row.id, reason=decision.why)
        for id in self._live.forecasts.keys() - {row.id for row in rows}:
            self._live.forecasts.pop(id, None)

    def _rule(self, row: WorkloadRow) -> IdleRule:
        usual = self._settings.cluster_idle_s if row.kind is Kind.CLUSTER else self._settings.workspace_idle_s
        asked = row.spec.get("idle_timeout_s")
        return IdleRule(timeout_s=usual if asked is None else int(asked))

    def _evidence(self, row: WorkloadRow) -> Evidence:
        activity = self._live.activity.get(row.id)
        sample = self._live.used(row.id)
        leading = self._leading(row)
        clients = leading.evidence.get("clients") if leading else None
        last_client_us = leading.evidence.get("last_client_us", 0) if leading else 0
        last_us = max(activity.last_us if activity else 0, row.active_us or 0, self._began_us, last_client_us)
        return Evidence(
            started_at=moment(row.started_us or row.changed_us),
            seen_at=moment(sample.at_us if sample else self._now_us()),
            last_activity_at=moment(min(last_us, self._now_us())),
            connections=activity.connections if activity else 0,
            busy_kernels=leading.evidence.get("busy_kernels") if leading else None,
            clients=clients,
            cpu_millis=round(sample.cpu_percent * 10) if sample else None,
            keep_until=moment(row.keep_running_until_us) if row.keep_running_until_us else None,
        )

    def _leading(self, row: WorkloadRow) -> Instance | None:
        seen = self._reconciler.seen.get(row.id)
        return next((i for i in seen.alive if i.index == 0 and i.part != "worker"), None) if seen else None


def _running(store: Store) -> list[WorkloadRow]:
    with store.read() as tx:
        return [row for row in workloads.wanted_running(tx) if row.phase is Phase.RUNNING]


def _forecast(decision: IdleDecision) -> Forecast:
    return Forecast(micros(decision.stops_at) if decision.stops_at else None, decision.why)

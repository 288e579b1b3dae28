"""What the reconciler reads and writes in the store: rows to look at, and what people are told about them.

Writing a status also leads the data plane (routes), keeps the history, the bill, and ends the tokens of what
no longer runs; all in the transaction of the status.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from roost.control.status import Status, route_of
from roost.model.lifecycle import Observed, Phase
from roost.services.workloads import billed
from roost.store import billing, routes, sessions, workloads
from roost.store.database import Store, Transaction
from roost.store.gate import GateRoute
from roost.store.rows import WorkloadRow


class Ledger:
    """The reconciler's side of the store; every method runs in a thread of the store."""

    def __init__(self, store: Store, now_us: Callable[[], int]) -> None:
        self._store = store
        self._now_us = now_us
        self._led: dict[str, GateRoute] | None = None
        self._writer = 0

    @property
    def writing_here(self) -> bool:
        """Whether the commit being announced in this thread is one of ours: no news to the reconciler."""
        return self._writer == threading.get_ident()

    def row(self, id: str) -> WorkloadRow | None:
        """One row."""
        with self._store.read() as tx:
            return workloads.by_id(tx, id)

    def rows(self, seen: Mapping[str, Observed], also: Iterable[str], *, full: bool) -> dict[str, WorkloadRow]:
        """Those that should run, those that do, those named; `full`: all that are not at rest or left a trace."""
        with self._store.read() as tx:
            rows = {row.id: row for row in workloads.wanted_running(tx)}
            others = set(seen) if full else {id for id, observed in seen.items() if observed.alive}
            rows.update(workloads.by_ids(tx, (others | set(also)) - rows.keys()))
            if full:
                rows.update((row.id, row) for row in workloads.unsettled(tx))
            if self._led is None:
                self._led = {route.host: route for route in routes.every(tx)}
        return rows

    def differs(self, row: WorkloadRow, status: Status) -> bool:
        """Whether what people are told is not this."""
        told = (row.phase, row.reason, row.started_us, row.observed or {})
        led = (self._led or {}).get(row.id)
        return told != (status.phase, status.reason, status.started_us, status.observed) or led != wanted_route(
            row, status
        )

    def write(self, stale: list[tuple[WorkloadRow, Status]]) -> None:
        """Write it down, except where the intent has changed meanwhile: the next look sees to that."""
        now_us = self._now_us()
        self._writer = threading.get_ident()
        try:
            with self._store.write() as tx:
                current = workloads.by_ids(tx, [row.id for row, _ in stale])
                fresh = [(current[row.id], status) for row, status in stale if _same_intent(current.get(row.id), row)]
                for row, status in fresh:
                    _write(tx, row, status, now_us=now_us)
                self._lead(tx, fresh, now_us=now_us)
        except BaseException:
            self._led = None  # rolled back: read the routes again
            raise
        finally:
            self._writer = 0

    def _lead(self, tx: Transaction, fresh: list[tuple[WorkloadRow, Status]], *, now_us: int) -> None:
        led = self._led if self._led is not None else {}
        wanted = {row.id: wanted_route(row, status) for row, status in fresh}
        routes.put(tx, [route for route in wanted.values() if route is not None])
        for id, route in wanted.items():
            if route is not None:
                led[id] = route
            elif led.pop(id, None) is not None:
                routes.remove_workload(tx, id, now_us=now_us)
        self._led = led


def wanted_route(row: WorkloadRow, status: Status) -> GateRoute | None:
    """The route a workload should have; a deleted one has none."""
    return route_of(row, status) if row.deleted_us is None else None


def _same_intent(now: WorkloadRow | None, then: WorkloadRow) -> bool:
    return now is not None and (now.changed_us, now.generation, now.wanted) == (
        then.changed_us,
        then.generation,
        then.wanted,
    )


def _write(tx: Transaction, row: WorkloadRow, status: Status, *, now_us: int) -> None:
    values: dict[str, Any] = {
        "phase": status.phase,
        "reason": status.reason,
        "started_us": status.started_us,
        "observed": dict(status.observed),
    }
    if status.phase is not row.phase:
        values["phase_since_us"] = now_us
    workloads.change(tx, row.id, values)
    if (status.phase, status.reason) != (row.phase, row.reason) or _shown(row.observed) != _shown(status.observed):
        workloads.happened(tx, row.id, now_us=now_us, what="phase", phase=status.phase, reason=status.reason)
    if status.phase is Phase.RUNNING:
        billing.begin(tx, row.id, billed(row), now_us=now_us)
    elif status.phase in (Phase.STOPPED, Phase.FAILED):
        billing.end(tx, row.id, now_us=now_us)
        sessions.revoke_workload_tokens(tx, row.id, now_us=now_us)


def _shown(observed: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (observed or {}).items() if key != "addresses"}

"""Where host names lead, for the gate. Written by the reconciler alone; people never supply an address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict

from sqlalchemy import update

from roost.store.database import Transaction
from roost.store.gate import GateRoute
from roost.store.rows import ROUTES
from roost.store.tables import routes


def put(tx: Transaction, wanted: Iterable[GateRoute]) -> int:
    """Write the routes that are new or differ; returns how many."""
    wanted = list(wanted)
    known: dict[str, GateRoute] = {}
    for start in range(0, len(wanted), 500):
        hosts = [route.host for route in wanted[start : start + 500]]
        there = ROUTES.where(routes.c.host.in_(hosts), routes.c.removed_us.is_(None))
        known.update((route.host, route) for route in ROUTES.many(tx, there))
    differing = [route for route in wanted if known.get(route.host) != route]
    if differing:
        revision = tx.revision()
        marks = {"removed_us": None, "revision": revision}
        tx.upsert(routes, [{**asdict(route), **marks} for route in differing])
    return len(differing)


def of_workload(tx: Transaction, workload: str) -> list[GateRoute]:
    """The routes of one workload."""
    return ROUTES.many(tx, ROUTES.where(routes.c.workload == workload, routes.c.removed_us.is_(None)))


def every(tx: Transaction) -> list[GateRoute]:
    """All routes there are."""
    return ROUTES.many(tx, ROUTES.where(routes.c.removed_us.is_(None)))


def remove(tx: Transaction, host: str, *, now_us: int) -> None:
    """Mark a route as gone; the gate forgets it and closes its connections."""
    gone = update(routes).where(routes.c.host == host, routes.c.removed_us.is_(None))
    tx.execute(gone.values(removed_us=now_us, revision=tx.revision()))


def remove_workload(tx: Transaction, workload: str, *, now_us: int) -> None:
    """Mark all routes of a workload as gone."""
    for route in of_workload(tx, workload):
        remove(tx, route.host, now_us=now_us)

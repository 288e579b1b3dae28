"""Sealed secrets of workloads. Sealing and opening is `roost.services.keys`; here they are bytes."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import delete, select

from roost.store.database import Transaction
from roost.store.tables import secrets


def put(tx: Transaction, workload: str, sealed: Mapping[str, bytes], *, now_us: int) -> None:
    """Write sealed secrets by name, replacing those of the same name."""
    rows = [{"workload": workload, "name": name, "sealed": blob, "changed_us": now_us} for name, blob in sealed.items()]
    tx.upsert(secrets, rows)


def of(tx: Transaction, workload: str) -> dict[str, bytes]:
    """All sealed secrets of a workload, by name."""
    rows = tx.all(select(secrets.c.name, secrets.c.sealed).where(secrets.c.workload == workload))
    return {row.name: bytes(row.sealed) for row in rows}


def remove(tx: Transaction, workload: str) -> None:
    """Forget the secrets of a workload (an explicit end of its life, never a clean-up of what looks unused)."""
    tx.execute(delete(secrets).where(secrets.c.workload == workload))

"""Who besides its owner may open a workload. Taking a grant back marks it, so that the gate sees it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from roost.store.database import Transaction
from roost.store.rows import GRANTS, GrantRow
from roost.store.tables import grants


def put(tx: Transaction, workload: str, person: str, granted_by: str, *, now_us: int) -> None:
    """Grant, or grant again."""
    values = {"granted_by": granted_by, "created_us": now_us, "revoked_us": None, "revision": tx.revision()}
    tx.upsert(grants, [{"workload": workload, "person": person, **values}])
    tx.changed(workload)


def revoke(tx: Transaction, workload: str, person: str, *, now_us: int) -> bool:
    """Take back; False where there was nothing to take back."""
    mine = (grants.c.workload == workload) & (grants.c.person == person) & grants.c.revoked_us.is_(None)
    tx.changed(workload)
    values = {"revoked_us": now_us, "revision": tx.revision()}
    return tx.execute(update(grants).where(mine).values(**values)).rowcount > 0


def of_workload(tx: Transaction, workload: str) -> Sequence[GrantRow]:
    """Who may open it now."""
    mine = GRANTS.where(grants.c.workload == workload, grants.c.revoked_us.is_(None))
    return GRANTS.many(tx, mine.order_by(grants.c.created_us, grants.c.person))


def of_person(tx: Transaction, person: str) -> Sequence[str]:
    """The workloads of others that a person may open."""
    mine = select(grants.c.workload).where(grants.c.person == person, grants.c.revoked_us.is_(None))
    return [row.workload for row in tx.all(mine.order_by(grants.c.created_us.desc()))]

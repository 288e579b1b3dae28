"""Sharing a workload: its owner lets somebody else open it. Opening a workspace is running code as its owner."""

from __future__ import annotations

from collections.abc import Sequence

from roost.model.access import Caller, Role
from roost.model.errors import InvalidInput, NotFound
from roost.services import audit
from roost.store import grants as table
from roost.store import people, workloads
from roost.store.database import Store, Transaction
from roost.store.rows import GrantRow, WorkloadRow


def grant(store: Store, caller: Caller, workload: str, person: str, *, now_us: int) -> None:
    """Let a person open a workload. Granting twice is harmless."""
    with store.write() as tx:
        row = _owned(tx, caller, workload)
        friend = people.by_id(tx, person)
        if friend is None or friend.disabled_us is not None:
            raise NotFound("There is no such person.", subject=person, field="person")
        if person == row.owner:
            raise InvalidInput(f"{friend.name} owns {row.name} already.", subject=workload, field="person")
        if person not in {known.person for known in table.of_workload(tx, workload)}:
            table.put(tx, workload, person, caller.person, now_us=now_us)
            audit.record(tx, "grant.add", workload, actor=caller, now_us=now_us, person=person)


def revoke_grant(store: Store, caller: Caller, workload: str, person: str, *, now_us: int) -> None:
    """Take it back; open connections are closed within seconds. Taking back twice is harmless."""
    with store.write() as tx:
        _owned(tx, caller, workload)
        if table.revoke(tx, workload, person, now_us=now_us):
            audit.record(tx, "grant.revoke", workload, actor=caller, now_us=now_us, person=person)


def list_grants(store: Store, caller: Caller, workload: str) -> Sequence[GrantRow]:
    """Who else may open the workload."""
    with store.read() as tx:
        _owned(tx, caller, workload)
        return table.of_workload(tx, workload)


def _owned(tx: Transaction, caller: Caller, workload: str) -> WorkloadRow:
    row = workloads.by_id(tx, workload)
    if row is None or row.deleted_us is not None:
        raise NotFound("There is no such workload.", subject=workload)
    if row.owner != caller.person and caller.role is not Role.ADMINISTRATOR:
        raise NotFound("There is no such workload.", subject=workload)
    return row

"""People and workloads for tests of the store and the services."""

import os
from pathlib import Path

from roost.model.access import Caller, Role
from roost.model.lifecycle import Wanted
from roost.model.names import IdKind, new_id
from roost.model.workload import Kind
from roost.services.people import add_person
from roost.store import workloads
from roost.store.database import Store, Transaction
from roost.store.rows import WorkloadRow

NOW = 1_800_000_000_000_000
SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def person(store: Store, name: str = "Ada", role: Role = Role.MEMBER, password_hash: str | None = None) -> Caller:
    """A person, as the caller that acts as them."""
    with store.write() as tx:
        row = add_person(tx, name, role, password_hash, now_us=NOW)
    return Caller(person=row.id, role=role, name=row.name)


def workspace_row(owner: str, name: str, created_us: int = NOW) -> WorkloadRow:
    """A workspace that is not in the store yet."""
    return WorkloadRow(
        id=new_id(IdKind.WORKSPACE, os.urandom(16)),
        owner=owner,
        kind=Kind.WORKSPACE,
        name=name,
        spec={"kind": "workspace", "environment": {"image": "default", "size": "small"}},
        spec_version=1,
        wanted=Wanted.RUNNING,
        generation=1,
        created_us=created_us,
        changed_us=created_us,
    )


def add_workspace(tx: Transaction, owner: str, name: str, created_us: int = NOW) -> str:
    """A workspace in the store; returns its id."""
    row = workspace_row(owner, name, created_us)
    workloads.add(tx, row)
    return row.id


def file_of(store: Store) -> Path:
    """The database file."""
    return Path(store.subject)

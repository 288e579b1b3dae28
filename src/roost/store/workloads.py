"""Workloads and what happened to them. Nothing here decides; nothing here removes a row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from roost.model.lifecycle import Phase, Wanted
from roost.model.names import fold, is_id
from roost.model.workload import Kind
from roost.store.database import Transaction
from roost.store.paging import DEFAULT_LIMIT, Page, newest_first, page_of
from roost.store.rows import TRANSITIONS, WORKLOADS, TransitionRow, WorkloadRow
from roost.store.tables import transitions, workloads

_KEYS = (workloads.c.created_us, workloads.c.id)
_BY_ID = WORKLOADS.where(workloads.c.id == bindparam("id"))
_BY_NAME = WORKLOADS.where(
    workloads.c.owner == bindparam("owner"),
    workloads.c.kind == bindparam("kind"),
    workloads.c.name_folded == bindparam("name"),
    workloads.c.deleted_us.is_(None),
)


def add(tx: Transaction, row: WorkloadRow) -> None:
    """Write a new workload; the caller has checked that its name is free (`by_name`)."""
    values = {column.name: getattr(row, column.name) for column in WORKLOADS.columns}
    tx.execute(insert(workloads), {**values, "name_folded": fold(row.name), "observed": row.observed or {}})
    tx.changed(row.id)


def by_id(tx: Transaction, id: str) -> WorkloadRow | None:
    """One workload, deleted or not."""
    return WORKLOADS.one(tx, _BY_ID, id=id)


def by_name(tx: Transaction, owner: str, kind: Kind, name: str) -> WorkloadRow | None:
    """The workload of this owner and kind that has the name now."""
    return WORKLOADS.one(tx, _BY_NAME, owner=owner, kind=kind, name=fold(name))


def find(tx: Transaction, owner: str, kind: Kind, id_or_name: str) -> WorkloadRow | None:
    """By id (whoever owns it, deleted or not), else by name among those of the owner."""
    if is_id(id_or_name):
        row = by_id(tx, id_or_name)
        return row if row is not None and row.kind is kind else None
    return by_name(tx, owner, kind, id_or_name)


def by_ids(tx: Transaction, ids: Collection[str]) -> dict[str, WorkloadRow]:
    """Those of the ids that are known."""
    rows: dict[str, WorkloadRow] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), 500):
        chunk = wanted[start : start + 500]
        rows.update((row.id, row) for row in WORKLOADS.many(tx, WORKLOADS.where(workloads.c.id.in_(chunk))))
    return rows


def wanted_running(tx: Transaction) -> list[WorkloadRow]:
    """Everything that should run."""
    return WORKLOADS.many(tx, WORKLOADS.where(workloads.c.wanted == Wanted.RUNNING))


def unsettled(tx: Transaction) -> list[WorkloadRow]:
    """Everything people were told has not come to rest: the reconciler looks at it again."""
    return WORKLOADS.many(tx, WORKLOADS.where(workloads.c.phase.not_in((Phase.STOPPED, Phase.FAILED))))


def by_volume(tx: Transaction, volume: str, *, but: str = "") -> WorkloadRow | None:
    """The workload, other than `but`, that has the volume and is not deleted."""
    live = WORKLOADS.where(workloads.c.volume == volume, workloads.c.deleted_us.is_(None), workloads.c.id != but)
    return WORKLOADS.one(tx, live)


def last_of_volume(tx: Transaction, volume: str) -> WorkloadRow | None:
    """The newest workload that has or had the volume."""
    mine = WORKLOADS.where(workloads.c.volume == volume).order_by(workloads.c.created_us.desc(), workloads.c.id)
    return WORKLOADS.one(tx, mine.limit(1))


def page(
    tx: Transaction,
    kind: Kind,
    *,
    owner: str | None,
    contains: str = "",
    deleted: bool = False,
    limit: int = DEFAULT_LIMIT,
    after: str | None = None,
) -> Page[WorkloadRow]:
    """Newest first; `owner` None = everybody's; `contains` is looked for in names."""
    statement = WORKLOADS.where(
        workloads.c.kind == kind,
        workloads.c.deleted_us.is_not(None) if deleted else workloads.c.deleted_us.is_(None),
    )
    if owner is not None:
        statement = statement.where(workloads.c.owner == owner)
    if contains:
        statement = statement.where(workloads.c.name_folded.contains(fold(contains), autoescape=True))
    rows = WORKLOADS.many(tx, newest_first(statement, _KEYS, limit, after))
    return page_of(rows, limit, _KEYS)


def change(tx: Transaction, id: str, values: Mapping[str, Any]) -> None:
    """Write some columns of a workload (`name` also frees the old name)."""
    if "name" in values:
        values = {**values, "name_folded": fold(values["name"])}
    tx.execute(update(workloads).where(workloads.c.id == id).values(**values))
    tx.changed(id)


def count(tx: Transaction, *, owner: str | None = None, kind: Kind | None = None, wanted: Wanted | None = None) -> int:
    """How many workloads are not deleted."""
    statement = select(func.count()).select_from(workloads).where(workloads.c.deleted_us.is_(None))
    if owner is not None:
        statement = statement.where(workloads.c.owner == owner)
    if kind is not None:
        statement = statement.where(workloads.c.kind == kind)
    if wanted is not None:
        statement = statement.where(workloads.c.wanted == wanted)
    return int(tx.scalar(statement))


def happened(
    tx: Transaction,
    id: str,
    *,
    now_us: int,
    what: str,
    phase: Phase | None = None,
    reason: str = "",
    actor: str = "",
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Append to the history of a workload; returns the number of the transition."""
    values = {"workload": id, "at_us": now_us, "what": what, "phase": phase, "reason": reason, "actor": actor}
    statement = insert(transitions).values(**values, detail=detail or {}).returning(transitions.c.id)
    tx.changed(id)
    return int(tx.scalar(statement))


def history(tx: Transaction, id: str, *, limit: int = 200) -> Sequence[TransitionRow]:
    """The newest transitions of a workload, oldest first."""
    mine = TRANSITIONS.where(transitions.c.workload == id).order_by(transitions.c.id.desc()).limit(limit)
    return TRANSITIONS.many(tx, mine)[::-1]


def since(tx: Transaction, last: int, *, limit: int = 500) -> Sequence[TransitionRow]:
    """Transitions of all workloads after number `last`, oldest first."""
    newer = TRANSITIONS.where(transitions.c.id > last).order_by(transitions.c.id).limit(limit)
    return TRANSITIONS.many(tx, newer)


def last_transition(tx: Transaction) -> int:
    """Number of the newest transition, 0 = none."""
    return int(tx.scalar(select(func.max(transitions.c.id))) or 0)

"""Volumes: a row is a promise to keep somebody's files. Only `destroy_wanted_us` lets anything be removed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, update

from roost.store.database import Transaction
from roost.store.rows import VOLUMES, VolumeRow
from roost.store.tables import volumes


def add(tx: Transaction, row: VolumeRow) -> None:
    """Write a new volume."""
    tx.execute(insert(volumes), {column.name: getattr(row, column.name) for column in VOLUMES.columns})
    tx.changed(row.id)


def by_id(tx: Transaction, id: str) -> VolumeRow | None:
    """One volume, deleted and destroyed ones included."""
    return VOLUMES.one(tx, VOLUMES.where(volumes.c.id == id))


def all_of(tx: Transaction, owner: str | None, *, destroyed: bool = False) -> Sequence[VolumeRow]:
    """The volumes of a person (None = of everybody), deleted ones included, newest first."""
    statement = VOLUMES.where().order_by(volumes.c.created_us.desc(), volumes.c.id)
    if owner is not None:
        statement = statement.where(volumes.c.owner == owner)
    if not destroyed:
        statement = statement.where(volumes.c.destroyed_us.is_(None))
    return VOLUMES.many(tx, statement)


def to_destroy(tx: Transaction) -> Sequence[VolumeRow]:
    """Volumes whose destruction was asked for explicitly and is not done."""
    asked = VOLUMES.where(volumes.c.destroy_wanted_us.is_not(None), volumes.c.destroyed_us.is_(None))
    return VOLUMES.many(tx, asked)


def change(tx: Transaction, id: str, values: Mapping[str, Any]) -> None:
    """Write some columns of a volume."""
    tx.execute(update(volumes).where(volumes.c.id == id).values(**values))
    tx.changed(id)

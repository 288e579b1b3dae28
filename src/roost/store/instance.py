"""Settings of the instance that people change while it runs (JSON values by name)."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from roost.store.database import Transaction
from roost.store.tables import instance_settings


def get(tx: Transaction, name: str, default: Any = None) -> Any:
    """The value, or the default where it was never set."""
    row = tx.first(select(instance_settings.c.value).where(instance_settings.c.name == name))
    return default if row is None else row.value


def put(tx: Transaction, name: str, value: Any) -> None:
    """Set the value."""
    tx.upsert(instance_settings, [{"name": name, "value": value}])
    tx.changed(f"setting:{name}")

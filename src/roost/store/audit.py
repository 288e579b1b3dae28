"""The audit log as rows. What is chained, and how, is `roost.services.audit`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from sqlalchemy import insert, select

from roost.store.database import Transaction, next_count
from roost.store.rows import Shape
from roost.store.tables import audit, counters


@dataclass(frozen=True, slots=True)
class AuditRow:
    """Who did what to what, when; `detail` is the JSON text that was hashed."""

    id: int
    at_us: int
    actor: str
    action: str
    subject: str
    detail: str
    previous: str
    hash: str


AUDIT = Shape(audit, AuditRow)


def next_number(tx: Transaction) -> int:
    """The number of the next row; numbers have no gaps."""
    return next_count(tx, "audit")


def count(tx: Transaction) -> int:
    """How many rows there must be."""
    return int(tx.scalar(select(counters.c.value).where(counters.c.name == "audit")) or 0)


def hash_of(tx: Transaction, number: int) -> str:
    """The hash of one row, "" where there is none."""
    return str(tx.scalar(select(audit.c.hash).where(audit.c.id == number)) or "")


def add(tx: Transaction, row: AuditRow) -> None:
    """Append a row."""
    tx.execute(insert(audit), {field.name: getattr(row, field.name) for field in fields(AuditRow)})


def rows(tx: Transaction, *, after: int = 0, chunk: int = 1000) -> Iterator[AuditRow]:
    """All rows after a number, oldest first, a thousand at a time."""
    while True:
        found = AUDIT.many(tx, AUDIT.where(audit.c.id > after).order_by(audit.c.id).limit(chunk))
        yield from found
        if len(found) < chunk:
            return
        after = found[-1].id


def newest(tx: Transaction, *, subject: str = "", limit: int = 100, before: int | None = None) -> list[AuditRow]:
    """The newest rows (of one subject), newest first."""
    statement = AUDIT.where().order_by(audit.c.id.desc()).limit(limit)
    if subject:
        statement = statement.where(audit.c.subject == subject)
    if before is not None:
        statement = statement.where(audit.c.id < before)
    return AUDIT.many(tx, statement)

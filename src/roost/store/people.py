"""People, and how often somebody tried to sign in as them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, insert, select, update

from roost.model.access import Role
from roost.model.names import fold
from roost.store.database import Transaction
from roost.store.rows import PEOPLE, PersonRow
from roost.store.tables import login_attempts, people


def add(tx: Transaction, row: PersonRow, password_hash: str | None) -> None:
    """Write a new person; the caller has checked that the name is free (`by_name`)."""
    values = {column.name: getattr(row, column.name) for column in PEOPLE.columns}
    extra = {"name_folded": fold(row.name), "password_hash": password_hash, "revision": tx.revision()}
    tx.execute(insert(people), {**values, **extra})
    tx.changed(row.id)


def by_id(tx: Transaction, id: str) -> PersonRow | None:
    """One person, disabled or not."""
    return PEOPLE.one(tx, PEOPLE.where(people.c.id == id))


def by_name(tx: Transaction, name: str) -> PersonRow | None:
    """The person of this name, however it is written."""
    return PEOPLE.one(tx, PEOPLE.where(people.c.name_folded == fold(name)))


def password_hash(tx: Transaction, id: str) -> str | None:
    """The hash of the person's password, None = they have none."""
    found: str | None = tx.scalar(select(people.c.password_hash).where(people.c.id == id))
    return found


def everybody(tx: Transaction) -> Sequence[PersonRow]:
    """All people by name, disabled ones included."""
    return PEOPLE.many(tx, PEOPLE.where().order_by(people.c.name_folded))


def names(tx: Transaction, ids: Collection[str]) -> dict[str, str]:
    """The names of these people."""
    return {row.id: row.name for row in tx.all(select(people.c.id, people.c.name).where(people.c.id.in_(set(ids))))}


def administrators(tx: Transaction) -> Sequence[PersonRow]:
    """Administrators who are not disabled, oldest first."""
    able = PEOPLE.where(people.c.role == Role.ADMINISTRATOR, people.c.disabled_us.is_(None))
    return PEOPLE.many(tx, able.order_by(people.c.created_us, people.c.id))


def administrators_with_password(tx: Transaction) -> int:
    """How many administrators can sign in on a page."""
    statement = select(func.count()).where(
        people.c.role == Role.ADMINISTRATOR, people.c.disabled_us.is_(None), people.c.password_hash.is_not(None)
    )
    return int(tx.scalar(statement))


def change(tx: Transaction, id: str, values: Mapping[str, Any]) -> None:
    """Write some columns of a person; the gate learns of it."""
    if "name" in values:
        values = {**values, "name_folded": fold(values["name"])}
    tx.execute(update(people).where(people.c.id == id).values(**values, revision=tx.revision()))
    tx.changed(id)


def add_attempt(tx: Transaction, subject: str, *, now_us: int) -> int:
    """Write an attempt to sign in; returns its number."""
    statement = insert(login_attempts).values(subject=subject, at_us=now_us).returning(login_attempts.c.id)
    return int(tx.scalar(statement))


def attempts(tx: Transaction, subject: str, *, since_us: int, until_us: int) -> tuple[int, int]:
    """How many attempts between two times, and when the oldest of them was.

    Those of a clock that was ahead do not count: they would shut somebody out until then.
    """
    mine = (login_attempts.c.subject == subject) & login_attempts.c.at_us.between(since_us + 1, until_us)
    times = [row.at_us for row in tx.all(select(login_attempts.c.at_us).where(mine).order_by(login_attempts.c.at_us))]
    return len(times), times[0] if times else 0


def forget_attempts(tx: Transaction, *, subject: str = "", ids: Sequence[int] = (), before_us: int = 0) -> None:
    """Remove attempts of a subject, by number, or before a time."""
    table = login_attempts.c
    chosen = (table.subject == subject) | table.id.in_(ids) | (table.at_us < before_us)
    tx.execute(delete(login_attempts).where(chosen))

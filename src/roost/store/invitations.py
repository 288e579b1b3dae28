"""Links that make a person, or give one a new password, once. Only hashes of their codes are kept."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert, update

from roost.store.database import Transaction
from roost.store.rows import INVITATIONS, InvitationRow
from roost.store.tables import invitations

FOR_ANYBODY = "invitation"
FOR_FIRST_ADMINISTRATOR = "first-administrator"
FOR_PASSWORD = "password"


def add(tx: Transaction, row: InvitationRow, code_hash: str) -> None:
    """Write a new invitation."""
    values = {column.name: getattr(row, column.name) for column in INVITATIONS.columns}
    tx.execute(insert(invitations), {**values, "code_hash": code_hash})
    tx.changed(row.id)


def by_code(tx: Transaction, code_hash: str) -> InvitationRow | None:
    """The invitation of a code, whatever has become of it."""
    return INVITATIONS.one(tx, INVITATIONS.where(invitations.c.code_hash == code_hash))


def by_id(tx: Transaction, id: str) -> InvitationRow | None:
    """One invitation, whatever has become of it."""
    return INVITATIONS.one(tx, INVITATIONS.where(invitations.c.id == id))


def still_open(tx: Transaction, *, now_us: int) -> Sequence[InvitationRow]:
    """Invitations that can still be used, newest first."""
    usable = INVITATIONS.where(
        invitations.c.purpose == FOR_ANYBODY,
        invitations.c.used_us.is_(None),
        invitations.c.revoked_us.is_(None),
        invitations.c.expires_us > now_us,
    )
    return INVITATIONS.many(tx, usable.order_by(invitations.c.created_us.desc(), invitations.c.id))


def use(tx: Transaction, id: str, person: str, *, now_us: int) -> None:
    """Mark an invitation as used by a person."""
    tx.execute(update(invitations).where(invitations.c.id == id).values(used_us=now_us, used_by=person))
    tx.changed(id)


def revoke(tx: Transaction, id: str, *, now_us: int) -> None:
    """Mark an invitation as taken back."""
    tx.execute(update(invitations).where(invitations.c.id == id).values(revoked_us=now_us))
    tx.changed(id)


def revoke_purpose(tx: Transaction, purpose: str, for_person: str | None = None, *, now_us: int) -> None:
    """Mark all unused invitations of a purpose (and person) as taken back."""
    unused = invitations.c.used_us.is_(None) & invitations.c.revoked_us.is_(None)
    same = (invitations.c.purpose == purpose) & invitations.c.for_person.is_not_distinct_from(for_person)
    statement = update(invitations).where(same, unused)
    tx.execute(statement.values(revoked_us=now_us))

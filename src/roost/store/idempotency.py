"""A retried create makes nothing twice: (person, route, key) remembers what was made, and from which body."""

from __future__ import annotations

from sqlalchemy import delete, insert, select

from roost.model.errors import InvalidInput
from roost.store.database import Transaction
from roost.store.tables import idempotency

KEEP_US = 24 * 3600 * 1_000_000
KEY_LIMIT = 120


def recall(tx: Transaction, person: str, route: str, key: str, body_hash: str) -> str | None:
    """The id made under this key, None = nothing yet. Another body under the same key is an error.

    Call it in the transaction that makes the thing and calls `remember`: a hundred requests at once make one.
    """
    if len(key) > KEY_LIMIT:
        raise InvalidInput(f"The key has {len(key)} characters.", field="Idempotency-Key", hint="Use at most 120.")
    mine = (idempotency.c.person == person) & (idempotency.c.route == route) & (idempotency.c.key == key)
    row = tx.first(select(idempotency.c.body_hash, idempotency.c.subject).where(mine))
    if row is None:
        return None
    if row.body_hash != body_hash:
        raise InvalidInput(
            "This key was used for another request.",
            code="idempotency-key-reused",
            field="Idempotency-Key",
            hint="Use a new key for a new request; repeat the body exactly to repeat one.",
        )
    return str(row.subject)


def remember(tx: Transaction, person: str, route: str, key: str, body_hash: str, subject: str, *, now_us: int) -> None:
    """Keep what was made under the key for a day."""
    tx.execute(delete(idempotency).where(idempotency.c.at_us < now_us - KEEP_US))
    values = {"person": person, "route": route, "key": key, "body_hash": body_hash, "subject": subject}
    tx.execute(insert(idempotency), {**values, "at_us": now_us})

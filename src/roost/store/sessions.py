"""Sessions and API tokens: only hashes of their secrets. Taking one away marks it, so that the gate sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, delete, insert, select, update

from roost.model.access import Role
from roost.store.database import Transaction
from roost.store.rows import SECOND_US, SESSIONS, TOKENS, SessionRow, TokenRow
from roost.store.tables import people, sessions, tokens


@dataclass(frozen=True, slots=True)
class Holder:
    """The person behind a valid session or token."""

    name: str
    role: Role


_HOLDER = (people.c.name, people.c.role)
#: What a clock that was ahead by more than this issued does not count: it would last until that time comes.
AHEAD_US = 86400 * SECOND_US


def add_session(tx: Transaction, row: SessionRow) -> None:
    """Write a new session."""
    values = {column.name: getattr(row, column.name) for column in SESSIONS.columns}
    tx.execute(insert(sessions), {**values, "revision": tx.revision()})


def add_token(tx: Transaction, row: TokenRow) -> None:
    """Write a new token."""
    values = {column.name: getattr(row, column.name) for column in TOKENS.columns}
    tx.execute(insert(tokens), {**values, "revision": tx.revision()})


_VALID_SESSION: Select[Any] = (
    select(*SESSIONS.columns, *_HOLDER)
    .join(people, people.c.id == sessions.c.person)
    .where(
        sessions.c.key == bindparam("key"),
        sessions.c.revoked_us.is_(None),
        sessions.c.expires_us > bindparam("now_us"),
        sessions.c.created_us <= bindparam("latest_us"),
        people.c.disabled_us.is_(None),
    )
)
_VALID_TOKEN: Select[Any] = (
    select(*TOKENS.columns, *_HOLDER)
    .join(people, people.c.id == tokens.c.person)
    .where(
        tokens.c.key == bindparam("key"),
        tokens.c.revoked_us.is_(None),
        tokens.c.expires_us > bindparam("now_us"),
        tokens.c.created_us <= bindparam("latest_us"),
        people.c.disabled_us.is_(None),
    )
)


def valid_session(tx: Transaction, key: str, *, now_us: int) -> tuple[SessionRow, Holder] | None:
    """The session of this key if it still counts, and whose it is."""
    row = tx.first(_VALID_SESSION, {"key": key, "now_us": now_us, "latest_us": now_us + AHEAD_US})
    if row is None:
        return None
    cells: tuple[Any, ...] = tuple(row)
    return SESSIONS.row_type(*cells[:-2]), Holder(*cells[-2:])


def valid_token(tx: Transaction, key: str, *, now_us: int) -> tuple[TokenRow, Holder] | None:
    """The token of this key if it still counts, and whose it is."""
    row = tx.first(_VALID_TOKEN, {"key": key, "now_us": now_us, "latest_us": now_us + AHEAD_US})
    if row is None:
        return None
    cells: tuple[Any, ...] = tuple(row)
    return TOKENS.row_type(*cells[:-2]), Holder(*cells[-2:])


def session_by_id(tx: Transaction, id: str) -> SessionRow | None:
    """One session, whatever has become of it."""
    return SESSIONS.one(tx, SESSIONS.where(sessions.c.id == id))


def token_by_id(tx: Transaction, id: str) -> TokenRow | None:
    """One token, whatever has become of it."""
    return TOKENS.one(tx, TOKENS.where(tokens.c.id == id))


def sessions_of(tx: Transaction, person: str, *, now_us: int) -> Sequence[SessionRow]:
    """The sessions of a person that count, last seen first."""
    mine = SESSIONS.where(sessions.c.person == person, sessions.c.revoked_us.is_(None), sessions.c.expires_us > now_us)
    return SESSIONS.many(tx, mine.order_by(sessions.c.seen_us.desc()))


def tokens_of(tx: Transaction, person: str, *, now_us: int) -> Sequence[TokenRow]:
    """The tokens a person made that count, newest first; those of workloads are not among them."""
    mine = TOKENS.where(
        tokens.c.person == person,
        tokens.c.workload == "",
        tokens.c.revoked_us.is_(None),
        tokens.c.expires_us > now_us,
    )
    return TOKENS.many(tx, mine.order_by(tokens.c.created_us.desc(), tokens.c.id))


def saw_session(tx: Transaction, key: str, *, seen_us: int, expires_us: int) -> None:
    """Note activity and the later end it earns; a session that no longer counts stays so."""
    mine = (sessions.c.key == key) & sessions.c.revoked_us.is_(None) & (sessions.c.seen_us < seen_us)
    values = {"seen_us": seen_us, "expires_us": expires_us, "revision": tx.revision()}
    tx.execute(update(sessions).where(mine, sessions.c.expires_us > seen_us).values(**values))


def saw_token(tx: Transaction, id: str, *, seen_us: int) -> None:
    """Note that a token was used (nothing the gate needs)."""
    tx.execute(update(tokens).where(tokens.c.id == id).values(seen_us=seen_us))


def revoke_session(tx: Transaction, id: str, *, now_us: int) -> bool:
    """End a session; False where it was ended before."""
    mine = update(sessions).where(sessions.c.id == id, sessions.c.revoked_us.is_(None))
    return tx.execute(mine.values(revoked_us=now_us, revision=tx.revision())).rowcount > 0


def revoke_token(tx: Transaction, id: str, *, now_us: int) -> bool:
    """End a token; False where it was ended before."""
    mine = update(tokens).where(tokens.c.id == id, tokens.c.revoked_us.is_(None))
    return tx.execute(mine.values(revoked_us=now_us, revision=tx.revision())).rowcount > 0


def revoke_person(
    tx: Transaction, person: str, *, now_us: int, keep_session: str = "", keep_tokens: bool = False
) -> None:
    """End all sessions (but one) and tokens of a person."""
    mine = (sessions.c.person == person) & sessions.c.revoked_us.is_(None) & (sessions.c.id != keep_session)
    tx.execute(update(sessions).where(mine).values(revoked_us=now_us, revision=tx.revision()))
    if not keep_tokens:
        theirs = (tokens.c.person == person) & tokens.c.revoked_us.is_(None)
        tx.execute(update(tokens).where(theirs).values(revoked_us=now_us, revision=tx.revision()))


def shorten_workload_tokens(tx: Transaction, workload: str, *, until_us: int) -> None:
    """Let the tokens of a workload count no longer than until a time."""
    longer = (tokens.c.workload == workload) & tokens.c.revoked_us.is_(None) & (tokens.c.expires_us > until_us)
    tx.execute(update(tokens).where(longer).values(expires_us=until_us, revision=tx.revision()))


def revoke_workload_tokens(tx: Transaction, workload: str, *, now_us: int) -> None:
    """End all tokens of a workload."""
    mine = (tokens.c.workload == workload) & tokens.c.revoked_us.is_(None)
    tx.execute(update(tokens).where(mine).values(revoked_us=now_us, revision=tx.revision()))


def forget_expired(tx: Transaction, *, before_us: int) -> int:
    """Remove sessions and tokens that expired before a time; returns how many."""
    gone = tx.execute(delete(sessions).where(sessions.c.expires_us < before_us)).rowcount
    return gone + tx.execute(delete(tokens).where(tokens.c.expires_us < before_us)).rowcount

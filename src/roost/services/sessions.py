"""Sessions: a browser that is signed in. The secret is in its cookie; the store has the SHA-256 of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from roost.model.access import Caller, Role
from roost.model.errors import NotFound, Unavailable
from roost.model.names import ENTROPY_BYTES, IdKind, new_id
from roost.services import audit
from roost.services.keys import Entropy
from roost.store import people
from roost.store import sessions as table
from roost.store.database import Store, Transaction
from roost.store.rows import SECOND_US, PersonRow, SessionRow

IDLE_US = 12 * 3600 * SECOND_US
ABSOLUTE_US = 7 * 86400 * SECOND_US
TOUCH_US = 300 * SECOND_US  # activity is written at most this often
KEEP_EXPIRED_US = 30 * 86400 * SECOND_US
SECRET_BYTES = 32
_SHOWN = 200  # characters kept of what a browser says about itself


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session and its secret, which is given to the browser and kept nowhere."""

    secret: str
    session: SessionRow
    person: PersonRow


@dataclass(frozen=True, slots=True)
class Client:
    """From where somebody comes: network address, and what the browser says it is."""

    address: str = ""
    agent: str = ""


def key_of(secret: str) -> str:
    """What the store knows a secret by."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_secret(entropy: Entropy) -> str:
    """256 random bits as text that fits into cookies, headers and addresses."""
    return base64.urlsafe_b64encode(entropy(SECRET_BYTES)).decode().rstrip("=")


def begin(tx: Transaction, person: PersonRow, client: Client, *, now_us: int, entropy: Entropy) -> NewSession:
    """Sign a person in whose identity was just proven."""
    secret = new_secret(entropy)
    session = SessionRow(
        id=new_id(IdKind.SESSION, entropy(ENTROPY_BYTES)),
        key=key_of(secret),
        person=person.id,
        created_us=now_us,
        seen_us=now_us,
        expires_us=now_us + IDLE_US,
        ends_us=now_us + ABSOLUTE_US,
        revoked_us=None,
        address=client.address[:_SHOWN],
        agent=client.agent[:_SHOWN],
    )
    table.add_session(tx, session)
    return NewSession(secret, session, person)


def caller_of_session(store: Store, secret: str, *, now_us: int) -> Caller | None:
    """Who a session's secret stands for, None = it does not count. Notes activity now and then."""
    key = key_of(secret)
    with store.read() as tx:
        found = table.valid_session(tx, key, now_us=now_us)
    if found is None:
        return None
    session, holder = found
    if now_us - session.seen_us >= TOUCH_US:
        try:
            touch(store, {key: now_us}, now_us=now_us)
        except Unavailable:
            pass  # a full disk must not sign people out
    return Caller(person=session.person, role=holder.role, session=session.id, name=holder.name)


def touch(store: Store, seen: Mapping[str, int], *, now_us: int) -> None:
    """Note when sessions (by key) were last active; those seen less than five minutes later are left alone."""
    with store.read() as tx:
        rows = [table.valid_session(tx, key, now_us=now_us) for key in seen]
    due = [(row[0], min(seen[row[0].key], now_us)) for row in rows if row is not None]
    due = [(session, at_us) for session, at_us in due if at_us - session.seen_us >= TOUCH_US]
    if not due:
        return
    with store.write() as tx:
        for session, at_us in due:
            table.saw_session(tx, session.key, seen_us=at_us, expires_us=min(at_us + IDLE_US, session.ends_us))


def list_sessions(store: Store, person: str, *, now_us: int) -> Sequence[SessionRow]:
    """Where a person is signed in, last seen first."""
    with store.read() as tx:
        return table.sessions_of(tx, person, now_us=now_us)


def revoke(store: Store, caller: Caller, id: str, *, now_us: int) -> None:
    """End a session of one's own, or as an administrator of anybody. Ending it twice is harmless."""
    with store.write() as tx:
        session = table.session_by_id(tx, id)
        if session is None or (session.person != caller.person and caller.role is not Role.ADMINISTRATOR):
            raise NotFound("There is no such session.", subject=id)
        if table.revoke_session(tx, id, now_us=now_us):
            audit.record(tx, "session.revoke", session.person, actor=caller, now_us=now_us, session=id)


def revoke_others(store: Store, caller: Caller, *, now_us: int) -> None:
    """End all of the caller's sessions but the one that asks."""
    with store.write() as tx:
        table.revoke_person(tx, caller.person, now_us=now_us, keep_session=caller.session, keep_tokens=True)
        audit.record(tx, "session.revoke-others", caller.person, actor=caller, now_us=now_us)


def sign_out(store: Store, secret: str, *, now_us: int) -> None:
    """End the session of this secret. Harmless when it is over."""
    with store.write() as tx:
        found = table.valid_session(tx, key_of(secret), now_us=now_us)
        if found is not None:
            table.revoke_session(tx, found[0].id, now_us=now_us)
            who = found[0].person
            audit.record(tx, "session.sign-out", who, actor=who, now_us=now_us, session=found[0].id)


def prune(store: Store, *, now_us: int) -> int:
    """Remove sessions and tokens that ended a month ago, and old attempts to sign in; returns how many."""
    with store.write() as tx:
        people.forget_attempts(tx, before_us=now_us - 86400 * SECOND_US)
        return table.forget_expired(tx, before_us=now_us - KEEP_EXPIRED_US)


def csrf_token(ticket_key: bytes, session_id: str) -> str:
    """What a page of this session must send back with every change."""
    return hmac.digest(ticket_key, b"csrf\0" + session_id.encode(), "sha256").hex()


def csrf_valid(ticket_key: bytes, session_id: str, token: str) -> bool:
    """Whether the token is that of the session."""
    return hmac.compare_digest(csrf_token(ticket_key, session_id).encode(), token.encode("utf-8", "replace"))

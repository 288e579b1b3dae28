"""Signing in with name and password, slowly and not too often.

An attempt is written before the password is looked at, so that a thousand at once are counted too, and taken
back when it succeeds. The limits are per name (wherever from) and per address (whatever name).
"""

from __future__ import annotations

import hashlib
import os

from roost.model.errors import NotSignedIn, TooMany
from roost.model.names import fold
from roost.services import audit, passwords, sessions
from roost.services.keys import Entropy
from roost.services.sessions import Client, NewSession
from roost.store import people
from roost.store.database import Store, Transaction
from roost.store.rows import SECOND_US, PersonRow

WINDOW_US = 15 * 60 * SECOND_US
PER_NAME = 10
PER_ADDRESS = 50


def sign_in(
    store: Store, name: str, password: str, client: Client, *, now_us: int, entropy: Entropy = os.urandom
) -> NewSession:
    """Begin a session. Raises `NotSignedIn` where name or password is wrong, `TooMany` after too many attempts."""
    attempts = _attempt(store, name, client, now_us=now_us)
    with store.read() as tx:
        person = people.by_name(tx, name)
        hashed = people.password_hash(tx, person.id) if person is not None else None
    if not passwords.password_matches(password, hashed) or person is None or hashed is None:
        raise _wrong()
    renewed = passwords.hash_password(password) if passwords.outdated(hashed) else None
    with store.write() as tx:
        current = people.by_id(tx, person.id)
        if current is None or people.password_hash(tx, person.id) != hashed:
            raise _wrong()
        if current.disabled_us is not None:
            raise NotSignedIn(
                "This account is disabled.", code="account-disabled", hint="Ask an administrator to enable it."
            )
        people.forget_attempts(tx, subject=_subject("name", fold(name)), ids=attempts)
        if renewed is not None:
            people.change(tx, person.id, {"password_hash": renewed})
        return _begun(tx, current, client, now_us, entropy)


def _begun(tx: Transaction, person: PersonRow, client: Client, now_us: int, entropy: Entropy) -> NewSession:
    new = sessions.begin(tx, person, client, now_us=now_us, entropy=entropy)
    where = {"session": new.session.id, "address": client.address}
    audit.record(tx, "session.sign-in", person.id, actor=person.id, now_us=now_us, **where)
    return new


def _attempt(store: Store, name: str, client: Client, *, now_us: int) -> list[int]:
    """Write the attempt, or refuse it."""
    subjects = {_subject("name", fold(name)): PER_NAME}
    if client.address:
        subjects[_subject("address", client.address)] = PER_ADDRESS
    with store.write() as tx:
        for subject, limit in subjects.items():
            count, oldest_us = people.attempts(tx, subject, since_us=now_us - WINDOW_US, until_us=now_us)
            if count >= limit:
                raise _too_many(oldest_us + WINDOW_US - now_us)
        people.forget_attempts(tx, before_us=now_us - 4 * WINDOW_US)
        return [people.add_attempt(tx, subject, now_us=now_us) for subject in subjects]


def _subject(what: str, value: str) -> str:
    """What people type by mistake into the name field must not be readable in the database."""
    return hashlib.sha256(f"{what}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()


def _too_many(wait_us: int) -> TooMany:
    minutes = max(1, -(-wait_us // (60 * SECOND_US)))
    return TooMany(
        "There were too many attempts to sign in.",
        code="too-many-attempts",
        hint=f"Try again in {minutes} minute{'s' if minutes > 1 else ''}.",
    )


def _wrong() -> NotSignedIn:
    return NotSignedIn(
        "The name or the password is wrong.",
        code="wrong-password",
        hint="Check both; an administrator can send a new link if the password is lost.",
    )

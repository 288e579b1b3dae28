"""How people get in for the first time: a link with a code that works once and not for ever.

Also how the platform gets its first administrator: by such a link, printed where `roost up` runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from roost.model.access import Caller, Role
from roost.model.errors import Conflict, NotFound
from roost.model.names import ENTROPY_BYTES, IdKind, checked_name, new_id
from roost.services import audit, passwords, people, sessions
from roost.services.keys import Entropy
from roost.services.sessions import Client, NewSession, key_of, new_secret
from roost.store import invitations as table
from roost.store import people as people_table
from roost.store.database import Store, Transaction
from roost.store.invitations import FOR_ANYBODY, FOR_FIRST_ADMINISTRATOR
from roost.store.rows import SECOND_US, InvitationRow, PersonRow

LIFE_US = 7 * 86400 * SECOND_US
FIRST_LIFE_US = 24 * 3600 * SECOND_US


def invite(
    store: Store,
    caller: Caller,
    *,
    role: Role = Role.MEMBER,
    email_hint: str = "",
    now_us: int,
    entropy: Entropy = os.urandom,
) -> tuple[str, InvitationRow]:
    """Make a link for one person; returns its code, shown this once. `email_hint` only says for whom it is meant."""
    with store.write() as tx:
        code, row = _new(tx, FOR_ANYBODY, role, email_hint[:200], caller.person, LIFE_US, now_us, entropy)
        audit.record(tx, "invitation.create", row.id, actor=caller, now_us=now_us, role=role.value)
    return code, row


def list_invitations(store: Store, *, now_us: int) -> Sequence[InvitationRow]:
    """Links that can still be used, newest first."""
    with store.read() as tx:
        return table.still_open(tx, now_us=now_us)


def revoke_invitation(store: Store, caller: Caller, id: str, *, now_us: int) -> None:
    """Take a link back before it is used."""
    with store.write() as tx:
        row = table.by_id(tx, id)
        if row is None:
            raise NotFound("There is no such invitation.", subject=id)
        if row.used_us is not None:
            raise Conflict("The invitation was used.", subject=id, hint="Disable the person instead.")
        table.revoke(tx, id, now_us=now_us)
        audit.record(tx, "invitation.revoke", id, actor=caller, now_us=now_us)


def look(store: Store, code: str, *, now_us: int) -> InvitationRow:
    """The invitation of a code, or an error that says why the link does not work."""
    with store.read() as tx:
        return _usable(tx, code, now_us)


def redeem(
    store: Store,
    code: str,
    name: str,
    password: str,
    client: Client,
    *,
    now_us: int,
    entropy: Entropy = os.urandom,
) -> NewSession:
    """Use a link: make the person and sign them in. Where anything is refused, the link can be used again."""
    look(store, code, now_us=now_us)
    name = checked_name(name)
    hashed = passwords.hash_password(passwords.checked_password(password, name))
    with store.write() as tx:
        row = _usable(tx, code, now_us)
        person = _adopted(tx, row, name, hashed)
        if person is None:
            person = people.add_person(tx, name, row.role, hashed, now_us=now_us, entropy=entropy)
        table.use(tx, row.id, person.id, now_us=now_us)
        new = sessions.begin(tx, person, client, now_us=now_us, entropy=entropy)
        detail = {"invitation": row.id, "role": row.role.value, "session": new.session.id}
        audit.record(tx, "person.join", person.id, actor=person.id, now_us=now_us, **detail)
    return new


def first_administrator_code(store: Store, *, now_us: int, entropy: Entropy = os.urandom) -> str | None:
    """The code of a link for the first administrator; None once an administrator has a password.

    Each call makes the codes of earlier calls useless.
    """
    with store.read() as tx:
        if people_table.administrators_with_password(tx):
            return None
    with store.write() as tx:
        table.revoke_purpose(tx, FOR_FIRST_ADMINISTRATOR, now_us=now_us)
        role = Role.ADMINISTRATOR
        code, row = _new(tx, FOR_FIRST_ADMINISTRATOR, role, "", None, FIRST_LIFE_US, now_us, entropy)
        audit.record(tx, "invitation.first-administrator", row.id, actor=audit.PLATFORM, now_us=now_us)
    return code


def _new(
    tx: Transaction,
    purpose: str,
    role: Role,
    email_hint: str,
    created_by: str | None,
    life_us: int,
    now_us: int,
    entropy: Entropy,
) -> tuple[str, InvitationRow]:
    code = new_secret(entropy)
    id = new_id(IdKind.INVITATION, entropy(ENTROPY_BYTES))
    until_us = now_us + life_us
    row = InvitationRow(id, purpose, role, email_hint, created_by, now_us, until_us, None, None, None)
    table.add(tx, row, key_of(code))
    return code, row


def _usable(tx: Transaction, code: str, now_us: int) -> InvitationRow:
    row = table.by_code(tx, key_of(code))
    if row is None:
        raise NotFound(
            "This link is not valid.",
            code="link-invalid",
            hint="Check that it was copied as a whole, or ask for another.",
        )
    first = row.purpose == FOR_FIRST_ADMINISTRATOR
    again = "Start `roost up` again: it prints a new link." if first else "Ask an administrator for a new one."
    if row.used_us is not None:
        raise NotFound("This link was used already.", code="link-used", hint="Sign in with your name and password.")
    if row.revoked_us is not None:
        raise NotFound("This link was taken back.", code="link-revoked", hint=again)
    if row.expires_us <= now_us:
        raise NotFound("This link has expired.", code="link-expired", hint=again)
    if first and people_table.administrators_with_password(tx):
        raise NotFound("There is an administrator already.", code="link-used", hint="Ask them for an invitation.")
    return row


def _adopted(tx: Transaction, row: InvitationRow, name: str, hashed: str) -> PersonRow | None:
    """The first administrator's link may give a password to the administrator made for the token file."""
    person = people_table.by_name(tx, name)
    if row.purpose != FOR_FIRST_ADMINISTRATOR or person is None or not person.administrator:
        return None
    if person.disabled_us is not None or people_table.password_hash(tx, person.id) is not None:
        return None
    people_table.change(tx, person.id, {"password_hash": hashed})
    return person

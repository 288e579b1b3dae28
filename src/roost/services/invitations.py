"""How people get in for the first time, or again: a link with a code that works once and not for ever.

Also how the platform gets its first administrator: by such a link, printed where `roost up` runs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from roost.model.access import Caller, Role
from roost.model.errors import Conflict, NotFound
from roost.model.names import ENTROPY_BYTES, IdKind, checked_name, new_id
from roost.services import audit, passwords, people, sessions
from roost.services.keys import Entropy
from roost.services.sessions import Client, NewSession, key_of, new_secret
from roost.store import invitations as table
from roost.store import people as people_table
from roost.store import sessions as sessions_table
from roost.store.database import Store, Transaction
from roost.store.invitations import FOR_ANYBODY, FOR_FIRST_ADMINISTRATOR, FOR_PASSWORD
from roost.store.rows import SECOND_US, InvitationRow, PersonRow

LIFE_US = 7 * 86400 * SECOND_US
SHORT_LIFE_US = 24 * 3600 * SECOND_US


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
        draft = _draft(FOR_ANYBODY, role, LIFE_US, now_us, entropy)
        draft = replace(draft, email_hint=email_hint[:200], created_by=caller.person)
        code, row = _write(tx, draft, entropy)
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
    """Use a link: make the person (or set their password) and sign them in. A refusal leaves the link usable."""
    name = _name_of(store, look(store, code, now_us=now_us), name)
    hashed = passwords.hash_password(passwords.checked_password(password, name))
    with store.write() as tx:
        row = _usable(tx, code, now_us)
        person = _adopted(tx, row, name, hashed, now_us=now_us)
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
        draft = _draft(FOR_FIRST_ADMINISTRATOR, Role.ADMINISTRATOR, SHORT_LIFE_US, now_us, entropy)
        code, row = _write(tx, draft, entropy)
        audit.record(tx, "invitation.first-administrator", row.id, actor=audit.PLATFORM, now_us=now_us)
    return code


def password_link(
    store: Store, caller: Caller, person: str, *, now_us: int, entropy: Entropy = os.urandom
) -> tuple[str, InvitationRow]:
    """Make a link by which somebody sets a new password; returns its code. Makes their earlier ones useless."""
    with store.write() as tx:
        row = people_table.by_id(tx, person)
        if row is None:
            raise NotFound("There is no such person.", subject=person)
        table.revoke_purpose(tx, FOR_PASSWORD, person, now_us=now_us)
        draft = _draft(FOR_PASSWORD, row.role, SHORT_LIFE_US, now_us, entropy)
        code, link = _write(tx, replace(draft, for_person=person, created_by=caller.person), entropy)
        audit.record(tx, "person.password-link", person, actor=caller, now_us=now_us, invitation=link.id)
    return code, link


def _draft(purpose: str, role: Role, life_us: int, now_us: int, entropy: Entropy) -> InvitationRow:
    id = new_id(IdKind.INVITATION, entropy(ENTROPY_BYTES))
    return InvitationRow(id, purpose, role, "", None, now_us, now_us + life_us, None, None, None)


def _write(tx: Transaction, draft: InvitationRow, entropy: Entropy) -> tuple[str, InvitationRow]:
    code = new_secret(entropy)
    table.add(tx, draft, key_of(code))
    return code, draft


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
    if row.expires_us <= now_us or row.created_us > now_us + sessions_table.AHEAD_US:
        raise NotFound("This link has expired.", code="link-expired", hint=again)
    if first and people_table.administrators_with_password(tx):
        raise NotFound("There is an administrator already.", code="link-used", hint="Ask them for an invitation.")
    return row


def _name_of(store: Store, row: InvitationRow, name: str) -> str:
    """A link for a new password is for one person, whatever name is typed."""
    if row.for_person is None:
        return checked_name(name)
    return people.get_person(store, row.for_person).name


def _made_for_programs(tx: Transaction) -> PersonRow | None:
    """The administrator of the token file, as long as nobody has signed in as them."""
    able = people_table.administrators(tx)
    return able[0] if len(able) == 1 and people_table.password_hash(tx, able[0].id) is None else None


def _adopted(tx: Transaction, row: InvitationRow, name: str, hashed: str, *, now_us: int) -> PersonRow | None:
    """The person who is there already and gets the password, None = a new one is to be made.

    The first administrator's link gives a password, and the name that was typed, to the administrator made for the
    token file.
    """
    person = people_table.by_name(tx, name)
    if person is None and row.purpose == FOR_FIRST_ADMINISTRATOR:
        person = _made_for_programs(tx)
        if person is not None:  # one person, whatever they call themselves: what their token made is theirs
            people_table.change(tx, person.id, {"name": name})
            person = replace(person, name=name)
    if person is None or row.purpose == FOR_ANYBODY:
        return None
    if row.purpose == FOR_PASSWORD:
        sessions_table.revoke_person(tx, person.id, now_us=now_us, keep_tokens=True)
    elif not person.administrator or people_table.password_hash(tx, person.id) is not None:
        return None
    if person.disabled_us is not None:
        raise Conflict(f"{person.name} is disabled.", subject=person.id, hint="Ask an administrator.")
    people_table.change(tx, person.id, {"password_hash": hashed})
    return person

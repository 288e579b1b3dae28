"""People: who they are, what role they have, whether they may come in at all.

There is always an administrator who is not disabled: the last one can be neither disabled nor demoted.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from roost.model.access import Caller, Role
from roost.model.errors import Conflict, InvalidInput, NotFound
from roost.model.names import ENTROPY_BYTES, IdKind, checked_name, new_id
from roost.services import audit, passwords
from roost.services.keys import Entropy
from roost.store import people as table
from roost.store import sessions
from roost.store.database import Store, Transaction
from roost.store.rows import PersonRow

#: What a person may choose for themselves, and the values there are.
PREFERENCES: Mapping[str, tuple[str, ...]] = {"theme": ("system", "light", "dark")}


def list_people(store: Store) -> Sequence[PersonRow]:
    """Everybody by name, disabled people included."""
    with store.read() as tx:
        return table.everybody(tx)


def get_person(store: Store, id: str) -> PersonRow:
    """One person. Raises `NotFound`."""
    with store.read() as tx:
        return _known(tx, id)


def add_person(
    tx: Transaction,
    name: str,
    role: Role,
    password_hash: str | None,
    *,
    now_us: int,
    entropy: Entropy = os.urandom,
) -> PersonRow:
    """Make a person as a part of a larger transaction, which also writes the audit row."""
    name = checked_name(name)
    holder = table.by_name(tx, name)
    if holder is not None:
        raise Conflict(
            f"The name {name} is taken.",
            subject=name,
            field="name",
            hint="Choose another one; upper and lower case do not make a difference.",
        )
    person = PersonRow(new_id(IdKind.PERSON, entropy(ENTROPY_BYTES)), name, role, None, now_us, {})
    table.add(tx, person, password_hash)
    return person


def change(
    store: Store,
    caller: Caller,
    id: str,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    now_us: int,
) -> PersonRow:
    """Change somebody's role, shut them out or let them in again: all of what is asked, or nothing."""
    with store.write() as tx:
        if role is not None:
            _change_role(tx, caller, _known(tx, id), role, now_us=now_us)
        if disabled is not None:
            _set_disabled(tx, caller, _known(tx, id), disabled, now_us=now_us)
        return _known(tx, id)


def change_role(store: Store, caller: Caller, id: str, role: Role, *, now_us: int) -> PersonRow:
    """Make somebody administrator or member. Raises `Conflict` for the last administrator."""
    return change(store, caller, id, role=role, now_us=now_us)


def set_disabled(store: Store, caller: Caller, id: str, disabled: bool, *, now_us: int) -> PersonRow:
    """Shut somebody out (all sessions and tokens end at once) or let them in again."""
    return change(store, caller, id, disabled=disabled, now_us=now_us)


def rename(store: Store, caller: Caller, id: str, name: str, *, now_us: int) -> PersonRow:
    """Give a person another name."""
    name = checked_name(name)
    with store.write() as tx:
        person = _known(tx, id)
        holder = table.by_name(tx, name)
        if holder is not None and holder.id != id:
            raise Conflict(f"The name {name} is taken.", subject=name, field="name", hint="Choose another one.")
        table.change(tx, id, {"name": name})
        audit.record(tx, "person.rename", id, actor=caller, now_us=now_us, before=person.name, after=name)
        return _known(tx, id)


def change_password(store: Store, caller: Caller, old: str, new: str, *, now_us: int) -> None:
    """Change one's own password; all other sessions end. Tokens stay: they are revoked one by one."""
    with store.read() as tx:
        person = _known(tx, caller.person)
        hashed = table.password_hash(tx, person.id)
    if hashed is not None and not passwords.password_matches(old, hashed):
        raise InvalidInput("The present password is wrong.", field="old", hint="Type the one you sign in with.")
    changed = passwords.hash_password(passwords.checked_password(new, person.name))
    with store.write() as tx:
        if table.password_hash(tx, person.id) != hashed:
            raise Conflict("The password was changed elsewhere meanwhile.", hint="Try again.")
        table.change(tx, person.id, {"password_hash": changed})
        sessions.revoke_person(tx, person.id, now_us=now_us, keep_session=caller.session, keep_tokens=True)
        audit.record(tx, "person.password", person.id, actor=caller, now_us=now_us)


def choose(store: Store, caller: Caller, preferences: Mapping[str, Any], *, now_us: int) -> PersonRow:
    """Keep what a person likes (see PREFERENCES)."""
    for name, value in preferences.items():
        if value not in PREFERENCES.get(name, ()):
            known = "; ".join(f"{key}: {', '.join(values)}" for key, values in PREFERENCES.items())
            raise InvalidInput(f"Preference {name!r} cannot be {value!r}.", field=name, hint=f"Valid: {known}.")
    with store.write() as tx:
        person = _known(tx, caller.person)
        table.change(tx, person.id, {"preferences": {**person.preferences, **preferences}})
        audit.record(tx, "person.preferences", person.id, actor=caller, now_us=now_us)
        return _known(tx, person.id)


def _change_role(tx: Transaction, caller: Caller, person: PersonRow, role: Role, *, now_us: int) -> None:
    if person.role is role:
        return
    if role is not Role.ADMINISTRATOR:
        _refuse_last_administrator(tx, person, "become a member")
    table.change(tx, person.id, {"role": role})
    audit.record(tx, "person.role", person.id, actor=caller, now_us=now_us, role=role.value)


def _set_disabled(tx: Transaction, caller: Caller, person: PersonRow, disabled: bool, *, now_us: int) -> None:
    if disabled and person.disabled_us is None:
        _refuse_last_administrator(tx, person, "be disabled")
        table.change(tx, person.id, {"disabled_us": now_us})
        sessions.revoke_person(tx, person.id, now_us=now_us)
        audit.record(tx, "person.disable", person.id, actor=caller, now_us=now_us)
    elif not disabled and person.disabled_us is not None:
        table.change(tx, person.id, {"disabled_us": None})
        audit.record(tx, "person.enable", person.id, actor=caller, now_us=now_us)


def _known(tx: Transaction, id: str) -> PersonRow:
    person = table.by_id(tx, id)
    if person is None:
        raise NotFound("There is no such person.", subject=id)
    return person


def _refuse_last_administrator(tx: Transaction, person: PersonRow, what: str) -> None:
    if [row.id for row in table.administrators(tx)] == [person.id]:
        raise Conflict(
            f"{person.name} is the last administrator and cannot {what}.",
            subject=person.id,
            code="last-administrator",
            hint="Make somebody else administrator first.",
        )

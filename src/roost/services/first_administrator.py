"""The token file of the first administrator, for those who drive a new platform with programs."""

from __future__ import annotations

import os
from pathlib import Path

from roost.model.access import Caller, Role
from roost.model.errors import Unavailable
from roost.services import audit, people, tokens
from roost.services.keys import Entropy
from roost.services.sessions import key_of
from roost.store import people as people_table
from roost.store import sessions as table
from roost.store.database import Store, Transaction
from roost.store.rows import PersonRow

NAME = "admin"
TOKEN_NAME = "administrator token file"
RENEW_US = 30 * tokens.DAY_US  # a start with less than this left writes a new token


def ensure_first_administrator(store: Store, token_file: Path, *, now_us: int, entropy: Entropy = os.urandom) -> None:
    """See that the file (mode 0600) holds a token of an administrator that lasts for a while.

    Without any administrator the person "admin" is made, who gets a password by the first administrator's link.
    Otherwise the token is one of the oldest administrator's. A token in the file that still counts stays.
    """
    held = _read(token_file)
    with store.read() as tx:
        found = table.valid_token(tx, key_of(held), now_us=now_us + RENEW_US) if held else None
        if found is not None and found[1].role is Role.ADMINISTRATOR and not found[0].scopes:
            return
    with store.write() as tx:
        person = _administrator(tx, now_us, entropy)
        for row in table.tokens_of(tx, person.id, now_us=now_us):
            if row.name == TOKEN_NAME:
                table.revoke_token(tx, row.id, now_us=now_us)
        caller = Caller(person=person.id, role=person.role)
        token = tokens.create_token_in(
            tx, caller, TOKEN_NAME, frozenset(), tokens.MAX_DAYS, now_us=now_us, entropy=entropy
        )[0]
        _write(token_file, token)  # before the commit: a file that cannot be written changes nothing


def _administrator(tx: Transaction, now_us: int, entropy: Entropy) -> PersonRow:
    able = people_table.administrators(tx)
    if able:
        return able[0]
    name = NAME
    while people_table.by_name(tx, name) is not None:
        name += "-1"
    person = people.add_person(tx, name, Role.ADMINISTRATOR, None, now_us=now_us, entropy=entropy)
    audit.record(tx, "person.first-administrator", person.id, actor=audit.PLATFORM, now_us=now_us)
    return person


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write(path: Path, token: str) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(token + "\n")
        draft.replace(path)
    except OSError as error:
        raise Unavailable(
            f"The token file cannot be written: {error.strerror}.",
            subject=str(path),
            code="token-file-not-writable",
            hint="Name a file in a directory you may write to with --admin-token-file.",
        ) from None

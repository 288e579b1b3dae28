"""API tokens: `rst_` and 256 random bits, shown once; the store has the SHA-256.

A person makes them for programs; a workload gets one of its own, bound to it, rotated, and dead when it stops.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence

from roost.model.access import Caller, Role, Scope
from roost.model.errors import Forbidden, InvalidInput, NotFound, Unavailable
from roost.model.names import ENTROPY_BYTES, IdKind, checked_name, new_id
from roost.services import audit
from roost.services.keys import Entropy
from roost.services.sessions import TOUCH_US, key_of, new_secret
from roost.store import sessions as table
from roost.store.database import Store, Transaction
from roost.store.rows import SECOND_US, TokenRow

PREFIX = "rst_"
DAY_US = 86400 * SECOND_US
DEFAULT_DAYS, MAX_DAYS = 30, 90
#: A workload's token is rotated every hour; it lasts for two, the one before it for ten minutes more.
WORKLOAD_LIFE_US = 2 * 3600 * SECOND_US
WORKLOAD_OVERLAP_US = 600 * SECOND_US
WORKLOAD_SCOPES = frozenset({Scope.CLUSTERS, Scope.READ})


def create_token(
    store: Store,
    caller: Caller,
    name: str,
    *,
    scopes: Collection[str] = (),
    expires_days: int = DEFAULT_DAYS,
    now_us: int,
    entropy: Entropy = os.urandom,
) -> tuple[str, TokenRow]:
    """Make a token for the caller; no scopes = all the caller may do. Returns the token, shown this once."""
    name = checked_name(name)
    if not 1 <= expires_days <= MAX_DAYS:
        raise InvalidInput(
            f"The token would last {expires_days} days.", field="expires_days", hint=f"Use 1 to {MAX_DAYS} days."
        )
    wanted = _checked_scopes(scopes)
    if caller.workload or (caller.scopes is not None and not (wanted and wanted <= caller.scopes)):
        raise Forbidden(
            "A token cannot make a token that may do more than itself.",
            subject=name,
            hint="Sign in on the page and make it there.",
        )
    with store.write() as tx:
        return create_token_in(tx, caller, name, wanted, expires_days, now_us=now_us, entropy=entropy)


def create_token_in(
    tx: Transaction,
    caller: Caller,
    name: str,
    scopes: frozenset[Scope],
    expires_days: int,
    *,
    now_us: int,
    entropy: Entropy,
) -> tuple[str, TokenRow]:
    """`create_token` as a part of a larger transaction, its arguments checked before."""
    expires_us = now_us + expires_days * DAY_US
    token, row = _issue(tx, caller.person, name, scopes, expires_us=expires_us, now_us=now_us, entropy=entropy)
    detail = {"name": name, "scopes": row.scopes, "days": expires_days}
    audit.record(tx, "token.create", row.id, actor=caller, now_us=now_us, **detail)
    return token, row


def caller_of_token(store: Store, token: str, *, now_us: int) -> Caller | None:
    """Who a token stands for, None = it does not count."""
    if not token.startswith(PREFIX):
        return None
    with store.read() as tx:
        found = table.valid_token(tx, key_of(token), now_us=now_us)
    if found is None:
        return None
    row, holder = found
    if row.seen_us is None or now_us - row.seen_us >= TOUCH_US:
        try:
            with store.write() as tx:
                table.saw_token(tx, row.id, seen_us=now_us)
        except Unavailable:
            pass  # when it was used last is worth less than the request
    return Caller(
        person=row.person,
        role=holder.role,
        session=row.id,
        scopes=row.scope_set,
        workload=row.workload,
        name=holder.name,
    )


def list_tokens(store: Store, person: str, *, now_us: int) -> Sequence[TokenRow]:
    """The tokens a person made that still count, newest first."""
    with store.read() as tx:
        return table.tokens_of(tx, person, now_us=now_us)


def revoke_token(store: Store, caller: Caller, id: str, *, now_us: int) -> None:
    """End a token of one's own, or as an administrator of anybody. Ending it twice is harmless."""
    with store.write() as tx:
        row = table.token_by_id(tx, id)
        if row is None or (row.person != caller.person and caller.role is not Role.ADMINISTRATOR):
            raise NotFound("There is no such token.", subject=id)
        if table.revoke_token(tx, id, now_us=now_us):
            audit.record(tx, "token.revoke", id, actor=caller, now_us=now_us, name=row.name)


def issue_workload_token(store: Store, workload: str, owner: str, *, now_us: int, entropy: Entropy = os.urandom) -> str:
    """Make the next token of a workload, for its ROOST_TOKEN_FILE; the one before it lasts ten minutes more."""
    with store.write() as tx:
        return issue_workload_token_in(tx, workload, owner, now_us=now_us, entropy=entropy)


def issue_workload_token_in(tx: Transaction, workload: str, owner: str, *, now_us: int, entropy: Entropy) -> str:
    """`issue_workload_token` as a part of a larger transaction."""
    table.shorten_workload_tokens(tx, workload, until_us=now_us + WORKLOAD_OVERLAP_US)
    until_us = now_us + WORKLOAD_LIFE_US
    token, row = _issue(
        tx, owner, workload, WORKLOAD_SCOPES, expires_us=until_us, now_us=now_us, entropy=entropy, workload=workload
    )
    audit.record(tx, "token.issue", row.id, actor=audit.PLATFORM, now_us=now_us, workload=workload)
    return token


def end_workload_tokens(tx: Transaction, workload: str, *, now_us: int) -> None:
    """End the tokens of a workload that stops."""
    table.revoke_workload_tokens(tx, workload, now_us=now_us)
    audit.record(tx, "token.end", workload, actor=audit.PLATFORM, now_us=now_us)


def _issue(
    tx: Transaction,
    person: str,
    name: str,
    scopes: Collection[Scope],
    *,
    expires_us: int,
    now_us: int,
    entropy: Entropy,
    workload: str = "",
) -> tuple[str, TokenRow]:
    token = PREFIX + new_secret(entropy)
    row = TokenRow(
        id=new_id(IdKind.TOKEN, entropy(ENTROPY_BYTES)),
        key=key_of(token),
        person=person,
        name=name,
        beginning=token[: len(PREFIX) + 4],
        scopes=" ".join(sorted(scopes)),
        workload=workload,
        created_us=now_us,
        seen_us=None,
        expires_us=expires_us,
        revoked_us=None,
    )
    table.add_token(tx, row)
    return token, row


def _checked_scopes(scopes: Collection[str]) -> frozenset[Scope]:
    valid = {scope.value for scope in Scope}
    for scope in scopes:
        if scope not in valid:
            raise InvalidInput(
                f"Unknown scope {scope!r}.", field="scopes", hint=f"Valid scopes: {', '.join(sorted(valid))}."
            )
    return frozenset(Scope(scope) for scope in scopes)

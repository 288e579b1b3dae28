"""The audit log: every change, in the transaction that makes it, chained by hashes.

Row n holds the hash of row n-1, so a row that was altered, removed or put in between breaks the chain at its
place; rows cut off the end are found by the count that is kept apart. It is evidence against mistakes and
against a partial rewrite, not against somebody who can rewrite the whole database: for that, note the anchor
(number and hash of the last row) elsewhere from time to time and give it to `verify`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from roost.model.access import Caller
from roost.store import audit as log
from roost.store.audit import AuditRow
from roost.store.database import Store, Transaction

PLATFORM = "platform"
_BEGINNING = "0" * 64


@dataclass(frozen=True, slots=True)
class Anchor:
    """The last row at some time."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: `broken_at` is the number of the first row that is wrong, None = none."""

    rows: int
    broken_at: int | None
    why: str
    anchor: Anchor

    @property
    def intact(self) -> bool:
        """Whether nothing was altered."""
        return self.broken_at is None


def record(tx: Transaction, action: str, subject: str, *, actor: Caller | str, now_us: int, **detail: Any) -> None:
    """Write who did what to what. Never put a secret, a password or a link's code into `detail`."""
    if isinstance(actor, Caller):
        if actor.session:
            detail["by"] = actor.session
        actor = actor.person
    number = log.next_number(tx)
    previous = log.hash_of(tx, number - 1) or _BEGINNING
    text = json.dumps(detail, sort_keys=True, separators=(",", ":"))
    digest = _digest(number, now_us, actor, action, subject, text, previous)
    log.add(tx, AuditRow(number, now_us, actor, action, subject, text, previous, digest))


def verify(store: Store, anchor: Anchor | None = None) -> Verdict:
    """Follow the chain from its first row; with an anchor, also that it still passes through it."""
    with store.read() as tx:
        expected, last = log.count(tx), Anchor(0, _BEGINNING)
        for row in log.rows(tx):
            fault = _fault(row, last, anchor)
            if fault:
                return Verdict(last.number, last.number + 1, fault, last)
            last = Anchor(row.id, row.hash)
    if last.number != expected:
        return Verdict(last.number, last.number + 1, f"{expected - last.number} rows are missing at the end", last)
    if anchor is not None and anchor.number > last.number:
        return Verdict(last.number, last.number + 1, "the log ends before the anchor", last)
    return Verdict(last.number, None, "", last)


def _fault(row: AuditRow, last: Anchor, anchor: Anchor | None) -> str:
    if row.id != last.number + 1:
        return "a row is missing"
    if row.previous != last.hash:
        return "it does not follow from the row before"
    if row.hash != _digest(row.id, row.at_us, row.actor, row.action, row.subject, row.detail, row.previous):
        return "its content was altered"
    if anchor is not None and row.id == anchor.number and row.hash != anchor.hash:
        return "it is not the row of the anchor"
    return ""


def _digest(*parts: str | int) -> str:
    return hashlib.sha256(json.dumps(parts, separators=(",", ":")).encode()).hexdigest()

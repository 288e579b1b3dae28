"""What the store gives out: one frozen dataclass per table, its fields named like the columns.

Times are integer UTC microseconds; `moment` makes them datetimes at the border, `micros` the way back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, Table, select

from roost.model.access import Role, Scope
from roost.model.lifecycle import Phase, Wanted
from roost.model.workload import Kind
from roost.store import tables
from roost.store.database import Transaction
from roost.store.gate import GateRoute

SECOND_US = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(us: int) -> datetime:
    """A stored time as an aware datetime."""
    return _EPOCH + timedelta(microseconds=us)


def micros(time: datetime) -> int:
    """An aware datetime as it is stored."""
    return (time - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person. Without a password hash nobody can sign in as them by password."""

    id: str
    name: str
    role: Role
    disabled_us: int | None
    created_us: int
    preferences: Mapping[str, Any]

    @property
    def administrator(self) -> bool:
        """Whether the person runs the platform, disabled or not."""
        return self.role is Role.ADMINISTRATOR


@dataclass(frozen=True, slots=True)
class InvitationRow:
    """A link that makes a person, once."""

    id: str
    purpose: str
    role: Role
    email_hint: str
    created_by: str | None
    created_us: int
    expires_us: int
    revoked_us: int | None
    used_us: int | None
    used_by: str | None
    for_person: str | None = None


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A browser that is signed in."""

    id: str
    key: str
    person: str
    created_us: int
    seen_us: int
    expires_us: int
    ends_us: int
    revoked_us: int | None
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An API token; `scopes` "" = everything its person may do, `workload` "" = bound to none."""

    id: str
    key: str
    person: str
    name: str
    beginning: str
    scopes: str
    workload: str
    created_us: int
    seen_us: int | None
    expires_us: int
    revoked_us: int | None

    @property
    def scope_set(self) -> frozenset[Scope] | None:
        """The scopes, None = not limited."""
        return frozenset(Scope(word) for word in self.scopes.split()) if self.scopes else None


@dataclass(frozen=True, slots=True)
class WorkloadRow:
    """Intent of a workload, and what people last saw of it (`phase` to `observed`)."""

    id: str
    owner: str
    kind: Kind
    name: str
    spec: Mapping[str, Any]
    spec_version: int
    wanted: Wanted
    generation: int
    created_us: int
    changed_us: int
    deleted_us: int | None = None
    keep_until_us: int | None = None
    keep_running_until_us: int | None = None
    volume: str | None = None
    phase: Phase = Phase.STOPPED
    reason: str = ""
    phase_since_us: int | None = None
    started_us: int | None = None
    active_us: int | None = None
    observed: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class TransitionRow:
    """Something that happened to a workload, for its timeline and the pages' stream."""

    id: int
    workload: str
    at_us: int
    what: str
    phase: Phase | None
    reason: str
    actor: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BillingRow:
    """A stretch of time at one size and price: half-open, `until_us` None = still open."""

    id: int
    workload: str
    owner: str
    size: str
    count: int
    from_us: int
    until_us: int | None
    hourly_micro_usd: int | None
    price_source: str


@dataclass(frozen=True, slots=True)
class GrantRow:
    """Somebody else than the owner may open a workload."""

    workload: str
    person: str
    granted_by: str
    created_us: int
    revoked_us: int | None


@dataclass(frozen=True, slots=True)
class VolumeRow:
    """A disk of a person. A deleted one is kept, restorable, until an explicit request destroys it."""

    id: str
    owner: str
    name: str
    created_us: int
    deleted_us: int | None = None
    keep_until_us: int | None = None
    destroy_wanted_us: int | None = None
    destroyed_us: int | None = None
    used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What a workload used at one time."""

    workload: str
    at_us: int
    memory_bytes: int
    memory_limit_bytes: int
    cpu_millis: int
    disk_bytes: int | None


RowType = TypeVar("RowType")


class Shape(Generic[RowType]):
    """How a table becomes dataclasses: the columns in the order of the fields."""

    def __init__(self, table: Table, row_type: type[RowType]) -> None:
        self.row_type: Callable[..., RowType] = row_type
        self.columns = [table.c[field.name] for field in fields(row_type)]  # type: ignore[arg-type]

    def where(self, *conditions: ColumnElement[bool]) -> Select[Any]:
        """Select rows of this shape."""
        return select(*self.columns).where(*conditions)

    def one(self, tx: Transaction, statement: Select[Any], **parameters: Any) -> RowType | None:
        """The first row of a `where`, or None."""
        row = tx.first(statement, parameters)
        return None if row is None else self.row_type(*row)

    def many(self, tx: Transaction, statement: Select[Any], **parameters: Any) -> list[RowType]:
        """All rows of a `where`."""
        make = self.row_type
        return [make(*row) for row in tx.all(statement, parameters)]


PEOPLE = Shape(tables.people, PersonRow)
INVITATIONS = Shape(tables.invitations, InvitationRow)
SESSIONS = Shape(tables.sessions, SessionRow)
TOKENS = Shape(tables.tokens, TokenRow)
WORKLOADS = Shape(tables.workloads, WorkloadRow)
TRANSITIONS = Shape(tables.transitions, TransitionRow)
BILLING = Shape(tables.billing_intervals, BillingRow)
GRANTS = Shape(tables.grants, GrantRow)
VOLUMES = Shape(tables.volumes, VolumeRow)
USAGE = Shape(tables.usage_samples, UsageRow)
ROUTES = Shape(tables.routes, GateRoute)

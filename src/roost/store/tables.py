"""The tables. Times are integer UTC microseconds (`*_us`), money is integer micro-USD (`*_micro_usd`).

Intent and identity live here; what was observed is stored for people and lists only (`phase`, `reason`,
`observed`) and is never read to decide what to do next. A row the gate reads carries `revision`, taken from
the counter in the same transaction; taking something away marks the row, it never removes it.

Changing a table: docs of `roost.store.schema` (expand first, contract one release later).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect

from roost.model.access import Role
from roost.model.lifecycle import Phase, Wanted
from roost.model.workload import Kind

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Member = TypeVar("Member", bound=StrEnum)


class Word(TypeDecorator[Member]):
    """A member of an enumeration, stored as its word."""

    impl = String(32)
    cache_ok = True

    def __init__(self, members: type[Member]) -> None:
        super().__init__()
        self.members = members

    def bind_processor(self, dialect: Dialect) -> Any:  # noqa: ARG002
        members = self.members
        return lambda value: None if value is None else members(value).value

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:  # noqa: ARG002
        found: dict[str | None, Member | None] = {member.value: member for member in self.members}
        found[None] = None
        return found.__getitem__


#: SQLite numbers rows by itself only when the key is exactly INTEGER.
RowNumber = BigInteger().with_variant(Integer, "sqlite")
Id = String(29)


def _time(name: str, *, required: bool = False, index: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=not required, index=index)


def _revision() -> Column[Any]:
    return Column("revision", BigInteger, nullable=False, index=True)


def _person(name: str = "person", *, required: bool = True, index: bool = False) -> Column[Any]:
    return Column(name, Id, ForeignKey("people.id"), nullable=not required, index=index)


def _text(name: str) -> Column[Any]:
    return Column(name, Text, nullable=False, server_default="")


people = Table(
    "people",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("name_folded", String(1600), nullable=False, unique=True),
    Column("role", Word(Role), nullable=False),
    Column("password_hash", Text),
    _time("disabled_us"),
    _time("created_us", required=True),
    Column("preferences", JSON, nullable=False, server_default="{}"),
    _revision(),
)

invitations = Table(
    "invitations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("code_hash", String(64), nullable=False, unique=True),
    Column("purpose", String(32), nullable=False),  # see roost.store.invitations
    Column("role", Word(Role), nullable=False),
    _text("email_hint"),
    _person("for_person", required=False),  # who gets a new password by it
    _person("created_by", required=False),
    _time("created_us", required=True),
    _time("expires_us", required=True),
    _time("revoked_us"),
    _time("used_us"),
    _person("used_by", required=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # SHA-256 of the secret
    _person(index=True),
    _time("created_us", required=True),
    _time("seen_us", required=True),
    _time("expires_us", required=True, index=True),  # the earlier of idle and absolute
    _time("ends_us", required=True),  # absolute
    _time("revoked_us"),
    _text("address"),
    _text("agent"),
    _revision(),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),  # SHA-256 of the whole token
    _person(index=True),
    Column("name", String(80), nullable=False),
    Column("beginning", String(16), nullable=False),  # shown so that people recognise it
    _text("scopes"),  # space-separated; "" = everything its person may do
    Column("workload", Id, nullable=False, server_default="", index=True),  # "" = bound to none
    _time("created_us", required=True),
    _time("seen_us"),
    _time("expires_us", required=True, index=True),
    _time("revoked_us"),
    _revision(),
)

login_attempts = Table(
    "login_attempts",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("subject", String(64), nullable=False),  # SHA-256 of a name or of a client address
    _time("at_us", required=True, index=True),
    Index("ix_login_attempts_subject_at_us", "subject", "at_us"),
)

workloads = Table(
    "workloads",
    metadata,
    Column("id", Id, primary_key=True),
    _person("owner"),
    Column("kind", Word(Kind), nullable=False),
    Column("name", String(80), nullable=False),
    Column("name_folded", String(1600), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("spec_version", Integer, nullable=False, server_default="1"),
    Column("wanted", Word(Wanted), nullable=False),
    Column("generation", Integer, nullable=False, server_default="1"),
    _time("created_us", required=True),
    _time("changed_us", required=True),  # last change of intent
    _time("deleted_us"),
    _time("keep_until_us"),  # of a deleted one: restorable until then
    _time("keep_running_until_us"),  # extended by a person: not idle before then
    Column("volume", Id, ForeignKey("volumes.id")),
    # For people and lists, written by the reconciler, never read to decide.
    Column("phase", Word(Phase), nullable=False, server_default=Phase.STOPPED.value),
    _text("reason"),
    _time("phase_since_us"),
    _time("started_us"),
    _time("active_us"),  # last activity seen
    Column("observed", JSON, nullable=False, server_default="{}"),  # exit, counts of ready workers, addresses
    Index("ix_workloads_wanted", "wanted"),
    Index("ix_workloads_deleted_us", "deleted_us"),
)
_here: dict[str, Any] = {
    "sqlite_where": workloads.c.deleted_us.is_(None),
    "postgresql_where": workloads.c.deleted_us.is_(None),
}
Index("ix_workloads_kind_created_us_id", workloads.c.kind, workloads.c.created_us, workloads.c.id, **_here)
Index(
    "ix_workloads_owner_kind_created_us_id",
    workloads.c.owner,
    workloads.c.kind,
    workloads.c.created_us,
    workloads.c.id,
    **_here,
)
#: A deleted workload gives its name back.
Index(
    "uq_workloads_owner_kind_name_folded",
    workloads.c.owner,
    workloads.c.kind,
    workloads.c.name_folded,
    unique=True,
    **_here,
)

transitions = Table(
    "transitions",
    metadata,
    Column("id", RowNumber, primary_key=True),  # never used twice: the pages' stream goes by it
    Column("workload", Id, ForeignKey("workloads.id"), nullable=False),
    _time("at_us", required=True),
    Column("what", String(32), nullable=False),  # "phase", "intent", "access", "billing"
    Column("phase", Word(Phase)),
    _text("reason"),
    Column("actor", Id, nullable=False, server_default=""),  # a person, or "" = the platform
    Column("detail", JSON, nullable=False, server_default="{}"),
    Index("ix_transitions_workload_id", "workload", "id"),
    sqlite_autoincrement=True,
)

billing_intervals = Table(
    "billing_intervals",
    metadata,
    Column("id", RowNumber, primary_key=True),
    Column("workload", Id, ForeignKey("workloads.id"), nullable=False),
    _person("owner"),
    Column("size", String(80), nullable=False),
    Column("count", Integer, nullable=False, server_default="1"),
    _time("from_us", required=True),  # half-open: [from, until)
    _time("until_us"),  # NULL = still open
    Column("hourly_micro_usd", BigInteger),  # NULL = the price is unknown
    _text("price_source"),
    Index("ix_billing_intervals_workload_from_us", "workload", "from_us"),
    Index("ix_billing_intervals_owner_from_us", "owner", "from_us"),
)
#: At most one open interval per workload.
_open = billing_intervals.c.until_us.is_(None)
Index(
    "uq_billing_intervals_workload",
    billing_intervals.c.workload,
    unique=True,
    sqlite_where=_open,
    postgresql_where=_open,
)

grants = Table(
    "grants",
    metadata,
    Column("workload", Id, ForeignKey("workloads.id"), primary_key=True),
    Column("person", Id, ForeignKey("people.id"), primary_key=True),
    _person("granted_by"),
    _time("created_us", required=True),
    _time("revoked_us"),
    _revision(),
    Index("ix_grants_person", "person"),
)

volumes = Table(
    "volumes",
    metadata,
    Column("id", Id, primary_key=True),
    _person("owner", index=True),
    Column("name", String(80), nullable=False),
    _time("created_us", required=True),
    _time("deleted_us"),  # a tombstone: kept until keep_until_us and restorable
    _time("keep_until_us"),
    _time("destroy_wanted_us"),  # an explicit second request, written before anything is removed
    _time("destroyed_us"),
    Column("used_bytes", BigInteger),  # last measured
    Index("ix_volumes_deleted_us", "deleted_us"),
)

secrets = Table(
    "secrets",
    metadata,
    Column("workload", Id, ForeignKey("workloads.id"), primary_key=True),
    Column("name", String(80), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),  # Fernet; the key is a file beside the database
    _time("changed_us", required=True),
)

usage_samples = Table(
    "usage_samples",
    metadata,
    Column("workload", Id, primary_key=True),
    Column("slot", Integer, primary_key=True),  # a ring: the newest sample takes the place of the oldest
    _time("at_us", required=True),
    Column("memory_bytes", BigInteger, nullable=False),
    Column("memory_limit_bytes", BigInteger, nullable=False),
    Column("cpu_millis", Integer, nullable=False),
    Column("disk_bytes", BigInteger),
    sqlite_with_rowid=False,
)

routes = Table(
    "routes",
    metadata,
    Column("host", String(63), primary_key=True),  # first label of the host name
    Column("workload", Id, nullable=False, index=True),
    Column("owner", Id, nullable=False),
    Column("name", String(80), nullable=False),
    Column("kind", String(32), nullable=False),
    _text("address"),
    Column("phase", String(32), nullable=False),
    _text("reason"),
    _time("removed_us"),
    _revision(),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("person", Id, primary_key=True),
    Column("route", String(120), primary_key=True),
    Column("key", String(120), primary_key=True),
    Column("body_hash", String(64), nullable=False),
    Column("subject", Id, nullable=False),  # id of what was made
    _time("at_us", required=True, index=True),
)

audit = Table(
    "audit",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # without gaps, from the counter
    _time("at_us", required=True),
    Column("actor", String(80), nullable=False),
    Column("action", String(80), nullable=False),
    Column("subject", String(200), nullable=False),
    Column("detail", Text, nullable=False),  # canonical JSON, the text that was hashed
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_subject_id", "subject", "id"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

instance_settings = Table(
    "instance_settings",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", JSON, nullable=False),
)

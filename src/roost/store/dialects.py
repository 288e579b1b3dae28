"""Everything that differs between SQLite and PostgreSQL: connections, the write lock, upsert, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, Table, event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.sql.dml import Insert

from roost.model.errors import RoostError, Unavailable

BUSY_TIMEOUT_S = 5.0
_WRITE_LOCK = 0x524F4F5354  # "ROOST": the advisory lock that makes PostgreSQL have one writer too
_PRAGMAS = (
    f"busy_timeout={int(BUSY_TIMEOUT_S * 1000)}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "temp_store=MEMORY",
)


def make_engine(url: str) -> Engine:
    """An engine whose transactions are begun by `begin` alone."""
    if not url.startswith("sqlite"):
        return sqlalchemy.create_engine(url, pool_pre_ping=True)
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("roost_write", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine


def begin_write(connection: Connection) -> None:
    """Wait until this transaction is the only writer (SQLite: BEGIN IMMEDIATE has done so already)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITE_LOCK})


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows, or replace the values of those whose primary key exists."""
    if not rows:
        return
    statement = _insert(connection, table)
    keys = [column.name for column in table.primary_key]
    changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), list(rows))


def _insert(connection: Connection, table: Table) -> Any:
    statement: Insert
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        statement = postgresql.insert(table)
    else:
        from sqlalchemy.dialects import sqlite

        statement = sqlite.insert(table)
    return statement


def query_plan(connection: Connection, statement: sqlalchemy.Select[Any]) -> str:
    """How the database would run a query, for tests."""
    compiled = statement.compile(connection, compile_kwargs={"literal_binds": True})
    prefix = "EXPLAIN QUERY PLAN" if connection.dialect.name == "sqlite" else "EXPLAIN"
    return "\n".join(str(row[-1]) for row in connection.exec_driver_sql(f"{prefix} {compiled}"))


def database_file(engine: Engine) -> Path | None:
    """The file of a SQLite database."""
    return Path(engine.url.database) if engine.dialect.name == "sqlite" and engine.url.database else None


def translated(error: DBAPIError, subject: str) -> RoostError | None:
    """What a driver's error means for people, or None where it is a defect of ours (a broken constraint)."""
    if isinstance(error, IntegrityError):
        return None
    name = getattr(error.orig, "sqlite_errorname", "")
    for beginning, (code, message, hint) in _MEANINGS.items():
        if name.startswith(beginning):
            return Unavailable(message, subject=subject, code=code, hint=hint)
    if error.connection_invalidated or error.orig.__class__.__name__ == "OperationalError":
        return Unavailable(
            f"The database does not answer: {error.orig}.",
            subject=subject,
            hint="Check that it is there and try again.",
        )
    return None


_CORRUPT = (
    "database-corrupt",
    "The file is not a usable database. It was left as it is.",
    "Put a copy from before in its place, or move it away to begin with an empty platform (volumes stay on disk).",
)
_UNWRITABLE = (
    "database-not-writable",
    "The database cannot be opened for writing.",
    "Check the owner and the permissions of the file and of its directory, or choose another directory with --home.",
)
#: Beginning of SQLite's error name -> code, message, hint.
_MEANINGS: Mapping[str, tuple[str, str, str]] = {
    "SQLITE_NOTADB": _CORRUPT,
    "SQLITE_CORRUPT": _CORRUPT,
    "SQLITE_CANTOPEN": _UNWRITABLE,
    "SQLITE_READONLY": _UNWRITABLE,
    "SQLITE_PERM": _UNWRITABLE,
    "SQLITE_AUTH": _UNWRITABLE,
    "SQLITE_BUSY": (
        "database-locked",
        f"Another process has held the database for more than {BUSY_TIMEOUT_S:g} seconds.",
        "Try again; if it lasts, end the process that has the file open.",
    ),
    "SQLITE_LOCKED": (
        "database-locked",
        "The database is locked.",
        "Try again; if it lasts, end the process that has the file open.",
    ),
    "SQLITE_FULL": (
        "disk-full",
        "The disk is full: nothing was changed.",
        "Free some space on the disk that holds the database, then try again.",
    ),
    "SQLITE_IOERR": (
        "disk-error",
        "The disk could not be read or written: nothing was changed.",
        "Check free space and health of the disk that holds the database, then try again.",
    ),
}

"""Bringing the schema up to date, at every start: one SELECT where nothing is to be done.

A new database is made from the tables at once and marked with the newest version; an older one goes through
the Alembic migrations in one transaction (a test holds both ways equal). Migrations expand first and contract
one release later, because versions N and N-1 run together during an upgrade:

- a new column is nullable or has a server default; a new table is not needed by N-1;
- a column is dropped or renamed only in the release after the last one that reads or writes it;
- data moves in the expanding migration, and N writes both places until N-1 is gone.

There is no way down: going back is putting the copy from before in place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from roost.model.errors import Unavailable
from roost.store.database import Store, Transaction
from roost.store.tables import metadata

if TYPE_CHECKING:
    from alembic.config import Config

#: The newest version in migrations/versions.
HEAD = "0001"
MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(store: Store) -> None:
    """Make the schema that of this version of Roost; refuse one that is newer."""
    if _version(store) == HEAD:
        return
    with store.write() as tx:
        _upgrade(store, tx)


def _version(store: Store) -> str | None:
    with store.read() as tx:
        try:
            return str(tx.scalar(_SELECT_VERSION))
        except (OperationalError, ProgrammingError) as error:
            if "alembic_version" in str(error.orig):
                return None
            raise


_SELECT_VERSION = text("SELECT version_num FROM alembic_version")


def _upgrade(store: Store, tx: Transaction) -> None:
    found = set(inspect(tx.connection).get_table_names())
    if "alembic_version" not in found:
        if found:
            raise Unavailable(
                f"The database has tables that Roost did not make: {', '.join(sorted(found)[:5])}.",
                subject=store.subject,
                code="database-foreign",
                hint="Choose another directory with --home, or move the file away.",
            )
        _create(tx)
        return
    version = str(tx.scalar(_SELECT_VERSION))
    if version != HEAD:  # another process may have been faster
        _run_migrations(store, tx, version)


def _create(tx: Transaction) -> None:
    metadata.create_all(tx.connection, checkfirst=False)
    tx.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    tx.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def _run_migrations(store: Store, tx: Transaction, version: str) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config()
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version not in known:
        raise Unavailable(
            f"The database was written by a newer Roost (schema {version}; this one knows {HEAD}).",
            subject=store.subject,
            code="database-newer",
            hint="Start the newer version again, or put a copy from before the upgrade in its place.",
        )
    config.attributes["connection"] = tx.connection
    try:
        command.upgrade(config, HEAD)
    except DBAPIError as error:
        raise Unavailable(
            f"The database could not be brought from schema {version} to {HEAD}; it was left as it was: {error.orig}.",
            subject=store.subject,
            code="database-migration",
            hint="Start the version that wrote it, and report this.",
        ) from error


def alembic_config() -> Config:
    """Where Alembic finds the migrations, without a configuration file."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("file_template", "v%%(rev)s_%%(slug)s")
    return config

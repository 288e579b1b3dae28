import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from tests.store.making import file_of

from roost.model.errors import Unavailable
from roost.store.database import Store, database_url, open_store
from roost.store.schema import HEAD, alembic_config


def schema(path: Path) -> dict[str, str]:
    connection = sqlite3.connect(path)
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    columns = {}
    for name in [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]:
        columns[f"{name} columns"] = str(connection.execute(f"PRAGMA table_info({name})").fetchall())
        # Without the numbers SQLite gives them: they follow the order in which they were written.
        keys = [row[2:] for row in connection.execute(f"PRAGMA foreign_key_list({name})")]
        columns[f"{name} foreign"] = str(sorted(keys))
    connection.close()
    indexes = {
        name: " ".join(sql.split()) for name, sql in found.items() if sql.startswith("CREATE") and "INDEX" in sql
    }
    marks = {name: ("WITHOUT ROWID" in sql, "AUTOINCREMENT" in sql) for name, sql in found.items()}
    everything = {**columns, **indexes, **{f"{name} marks": str(value) for name, value in marks.items()}}
    return {name: value for name, value in everything.items() if "alembic" not in name}


def test_migrating_up_from_empty_gives_the_schema_of_the_tables(store: Store, tmp_path: Path) -> None:
    migrated = Store(database_url(tmp_path / "migrated.db"))
    config = alembic_config()
    with migrated.write() as tx:
        config.attributes["connection"] = tx.connection
        command.upgrade(config, "head")
    migrated.close()
    assert schema(tmp_path / "migrated.db") == schema(file_of(store))
    open_store(tmp_path / "migrated.db").close()


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory.from_config(alembic_config())
    assert scripts.get_current_head() == HEAD
    assert scripts.get_bases() == ["0001"]


def test_a_newer_schema_is_refused_and_left_as_it_is(store: Store, tmp_path: Path) -> None:
    path = file_of(store)
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    before = schema(path)
    with pytest.raises(Unavailable) as caught:
        open_store(path)
    assert (caught.value.code, caught.value.subject) == ("database-newer", str(path))
    assert "9999" in caught.value.message
    assert schema(path) == before


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "roost.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (id INTEGER)")
    connection.close()
    with pytest.raises(Unavailable, match="recipes") as caught:
        open_store(path)
    assert caught.value.code == "database-foreign"
    assert [name for name in schema(path) if name.endswith(" columns")] == ["recipes columns"]


def test_two_at_once_make_one_schema(tmp_path: Path) -> None:
    faults: list[BaseException] = []

    def start() -> None:
        try:
            open_store(tmp_path / "roost.db").close()
        except BaseException as fault:
            faults.append(fault)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []


def test_a_database_that_is_up_to_date_opens_without_alembic_with_one_select(store: Store) -> None:
    program = (
        "import sys, sqlite3\n"
        "from pathlib import Path\n"
        "from sqlalchemy import event, Engine\n"
        "statements = []\n"
        "event.listen(Engine, 'before_cursor_execute', lambda c, k, statement, *rest: statements.append(statement))\n"
        "from roost.store.database import open_store\n"
        "open_store(Path(sys.argv[1])).close()\n"
        "assert not [name for name in sys.modules if name.startswith('alembic')], 'alembic was imported'\n"
        "print([s for s in statements if not s.startswith('BEGIN')])\n"
    )
    path = file_of(store)
    store.close()
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['SELECT version_num FROM alembic_version']"


def test_a_home_one_may_not_write_to_is_said(store: Store, tmp_path: Path) -> None:
    path = file_of(store)
    store.close()
    for made in (path, path.parent):
        made.chmod(0o555 if made.is_dir() else 0o444)
    path.parent.parent.chmod(0o755)
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from roost.store.database import open_store\n"
        "from roost.store import instance, schema\n"
        "from roost.model.errors import RoostError\n"
        "import sqlalchemy.dialects.sqlite.pysqlite\n"
        "os.chdir(sys.argv[2])\n"
        "if os.geteuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n"
        "    with open_store(Path(sys.argv[1])).write() as tx: instance.put(tx, 'a', 1)\n"
        "except RoostError as error: print(error.code, error.subject)\n"
    )
    # The directories above are private to the tests: go in first, then give up the rights.
    done = subprocess.run(
        [sys.executable, "-c", program, "roost.db", str(path.parent)], capture_output=True, text=True, timeout=60
    )
    path.parent.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "database-not-writable roost.db"
    assert os.access(path, os.R_OK)

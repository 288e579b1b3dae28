"""The store: one transaction at a time for writing, any number for reading.

`with store.write() as tx:` commits at its end and then wakes the listeners; an exception rolls back and wakes
nobody. Everything that can go wrong with the file becomes one `Unavailable` that names it.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from sqlalchemy import Connection, CursorResult, Row
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import Executable

from roost.model.errors import Unavailable
from roost.settings import Settings
from roost.store import dialects
from roost.store.tables import counters

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
_P = ParamSpec("_P")
_T = TypeVar("_T")
Listener = Callable[[frozenset[str]], None]
WRITE_WAIT_S = 10.0
THREADS = 4


class Transaction:
    """What a function of the store or a service works with; it ends with the `with` that began it."""

    __slots__ = ("_revision", "changes", "connection", "writing")

    def __init__(self, connection: Connection, *, writing: bool) -> None:
        self.connection = connection
        self.writing = writing
        self.changes: set[str] = set()
        self._revision = 0

    def execute(self, statement: Executable, parameters: Parameters = None) -> CursorResult[Any]:
        """Run one statement (once per row where a list of parameters is given)."""
        return self.connection.execute(statement, parameters)

    def first(self, statement: Executable, parameters: Parameters = None) -> Row[Any] | None:
        """The first row, or None."""
        return self.connection.execute(statement, parameters).first()

    def all(self, statement: Executable, parameters: Parameters = None) -> Sequence[Row[Any]]:
        """All rows."""
        return self.connection.execute(statement, parameters).all()

    def scalar(self, statement: Executable, parameters: Parameters = None) -> Any:
        """The first column of the first row, or None."""
        return self.connection.execute(statement, parameters).scalar()

    def upsert(self, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert rows, or replace the values of those whose primary key exists."""
        dialects.upsert(self.connection, table, rows)

    def revision(self) -> int:
        """The revision of this transaction, for rows that the gate reads. Grows from commit to commit."""
        if not self._revision:
            self._revision = next_count(self, "revision")
        return self._revision

    def changed(self, id: str) -> None:
        """Tell the listeners, after the commit, that this thing changed."""
        self.changes.add(id)


def next_count(tx: Transaction, name: str) -> int:
    """Count up one of the counters and return its new value, 1 at first."""
    counted = counters.update().where(counters.c.name == name).values(value=counters.c.value + 1)
    value = tx.scalar(counted.returning(counters.c.value))
    if value is None:
        tx.execute(counters.insert(), {"name": name, "value": 1})
        return 1
    return int(value)


class Store:
    """The database. Make it with `open_store`, which also brings the schema up to date."""

    def __init__(self, url: str) -> None:
        self.engine = dialects.make_engine(url)
        self.subject = str(dialects.database_file(self.engine) or self.engine.url.render_as_string(hide_password=True))
        self._writer = threading.Lock()
        self._writer_thread = 0
        self._condition = threading.Condition()
        self._commits = 0
        self._listeners: list[Listener] = []
        self._pool: ThreadPoolExecutor | None = None

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """One consistent view of the database."""
        try:
            with self.engine.connect() as connection:
                yield Transaction(connection, writing=False)
        except DBAPIError as error:
            raise self._meaning(error) from error

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """One transaction, alone; committed at the end of the block, undone by an exception."""
        self._wait_turn()
        try:
            with self.engine.connect() as connection:
                connection.execution_options(roost_write=True)
                with connection.begin():
                    dialects.begin_write(connection)
                    tx = Transaction(connection, writing=True)
                    yield tx
        except DBAPIError as error:
            raise self._meaning(error) from error
        finally:
            self._writer_thread = 0
            self._writer.release()
        self._announce(frozenset(tx.changes))

    async def run(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a synchronous function of the store or of a service in the store's own few threads."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, functools.partial(function, *args, **kwargs)
        )

    @property
    def commits(self) -> int:
        """How many writes this process has committed; for `wait_commit`."""
        return self._commits

    def wait_commit(self, since: int, timeout_s: float) -> int:
        """Wait until more than `since` writes of this process were committed; return their number."""
        with self._condition:
            self._condition.wait_for(lambda: self._commits > since, timeout_s)
            return self._commits

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with the changed ids after each commit, in the thread that wrote. Returns how to end it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def close(self) -> None:
        """Let go of all connections and threads."""
        if self._pool is not None:
            self._pool.shutdown()
        self.engine.dispose()

    def _wait_turn(self) -> None:
        me = threading.get_ident()
        if self._writer_thread == me:
            raise RuntimeError("A write transaction was begun inside another one.")
        if not self._writer.acquire(timeout=WRITE_WAIT_S):
            raise Unavailable(
                f"Other changes have kept the database busy for {WRITE_WAIT_S:g} seconds.",
                subject=self.subject,
                code="database-locked",
                hint="Try again.",
            )
        self._writer_thread = me

    def _announce(self, changes: frozenset[str]) -> None:
        with self._condition:
            self._commits += 1
            self._condition.notify_all()
        for listener in tuple(self._listeners):
            listener(changes)

    def _meaning(self, error: DBAPIError) -> Exception:
        return dialects.translated(error, self.subject) or error


def database_url(source: Settings | Path | str) -> str:
    """The URL of the platform's database: of its settings, of a SQLite file, or as it was given."""
    if isinstance(source, Settings):
        source = source.database
    return f"sqlite:///{source}" if isinstance(source, Path) else source


def open_store(source: Settings | Path | str) -> Store:
    """Open the database, creating it where there is none, with its schema up to date.

    Raises `Unavailable` where the file is corrupt, written by a newer Roost, locked, or cannot be written.
    """
    from roost.store.schema import migrate

    store = Store(database_url(source))
    try:
        _create_file(dialects.database_file(store.engine))
        migrate(store)
    except OSError as error:
        store.close()
        raise Unavailable(
            f"The database cannot be created: {error.strerror}.",
            subject=store.subject,
            code="database-not-writable",
            hint="Choose a directory you may write to with --home.",
        ) from None
    except BaseException:
        store.close()
        raise
    return store


def _create_file(path: Path | None) -> None:
    """Nobody else may read the database, whatever the umask; its directory is made where it is missing."""
    if path is None or path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))

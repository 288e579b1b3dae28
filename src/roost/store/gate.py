"""The read-only view of the store that the data plane works from.

It holds everything the gate needs in memory and never writes. The reader polls for changes (SQLite:
`PRAGMA data_version`) and loads only rows whose revision is newer than the last it saw. While the database is
away the last state stays: known sessions go on, unknown ones fail closed.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from roost.settings import Settings

RETRY_S = 0.5  # between attempts to open a database that is away
PRUNE_S = 600.0  # between looking for expired sessions to forget
LONGEST_US = 91 * 86_400_000_000  # no session or token lasts longer: what says so was issued by a clock that was ahead
BACK_US = 60_000_000  # a clock that goes back by more has been wrong: what was forgotten by it is loaded again


@dataclass(frozen=True, slots=True)
class GateSession:
    """A session or an API token of a person; `key` is the SHA-256 (hex) of its secret."""

    key: str
    id: str
    person: str
    expires_at_us: int
    revoked: bool
    scope: str = ""  # tokens: "" = all a person may do, else a space-separated list; "workload:<id>" binds


@dataclass(frozen=True, slots=True)
class GatePerson:
    """Who may pass at all."""

    id: str
    name: str
    administrator: bool
    disabled: bool


@dataclass(frozen=True, slots=True)
class GateRoute:
    """Where a workload's host name leads. `host` is the first label: the workload id, or `p8050-<id>`.

    `address`: `unix:/path` or `tcp:host:port` or "" when there is none now. `phase` and `reason` feed the page
    shown while the workload does not answer.
    """

    host: str
    workload: str
    owner: str
    name: str
    kind: str
    address: str
    phase: str
    reason: str


class GateView(Protocol):
    """What the data plane asks of the store. All look-ups are dictionary reads."""

    def session(self, key: str) -> GateSession | None: ...
    def token(self, key: str) -> GateSession | None: ...
    def person(self, id: str) -> GatePerson | None: ...
    def route(self, host: str) -> GateRoute | None: ...
    def granted(self, workload: str, person: str) -> bool:
        """Whether somebody other than the owner may open the workload."""
        ...

    def refresh(self) -> frozenset[str]:
        """Load what changed. Returns the ids of sessions and tokens revoked (or whose person was disabled) and of
        workloads whose access changed since the last call, so that their open connections can be closed."""
        ...


class Snapshot:
    """A `GateView` over plain dictionaries, for tests and for the reader to build on."""

    def __init__(self) -> None:
        self.sessions: dict[str, GateSession] = {}
        self.tokens: dict[str, GateSession] = {}
        self.people: dict[str, GatePerson] = {}
        self.routes: dict[str, GateRoute] = {}
        self.grants: dict[str, frozenset[str]] = {}
        self.changed: set[str] = set()

    def session(self, key: str) -> GateSession | None:
        return self.sessions.get(key)

    def token(self, key: str) -> GateSession | None:
        return self.tokens.get(key)

    def person(self, id: str) -> GatePerson | None:
        return self.people.get(id)

    def route(self, host: str) -> GateRoute | None:
        return self.routes.get(host)

    def granted(self, workload: str, person: str) -> bool:
        return person in self.grants.get(workload, frozenset())

    def refresh(self) -> frozenset[str]:
        changed, self.changed = frozenset(self.changed), set()
        return changed


@dataclass(slots=True)
class _News:
    """What one load found: rows as they are now, and the highest revision among all tables."""

    revision: int
    everything: bool  # not only what is newer than the last load
    people: list[GatePerson] = field(default_factory=list)
    sessions: list[GateSession] = field(default_factory=list)
    tokens: list[GateSession] = field(default_factory=list)
    routes: list[tuple[GateRoute, bool]] = field(default_factory=list)  # removed?
    grants: list[tuple[str, str, bool]] = field(default_factory=list)  # workload, person, revoked?


_PEOPLE = "SELECT id, name, role = 'administrator', disabled_us IS NOT NULL FROM people WHERE revision > ?"
_SESSIONS = "SELECT key, id, person, expires_us, revoked_us IS NOT NULL FROM sessions WHERE revision > ?"
_TOKENS = "SELECT key, id, person, expires_us, revoked_us IS NOT NULL, scopes, workload FROM tokens WHERE revision > ?"
_ROUTES = (
    "SELECT host, workload, owner, name, kind, address, phase, reason, removed_us IS NOT NULL"
    " FROM routes WHERE revision > ?"
)
_GRANTS = "SELECT workload, person, revoked_us IS NOT NULL FROM grants WHERE revision > ?"


class GateReader(Snapshot):
    """The gate's view of a SQLite store, kept up to date by `refresh` over a connection that cannot write.

    A load is applied as a whole or not at all. Where the file is away, broken or not yet made, the last state
    stays and opening is tried again; where another file has taken its place, or its revisions went back (a
    restored copy), everything is loaded anew and what is no longer there is reported as changed.
    """

    def __init__(self, source: Settings | Path, *, now_us: Callable[[], int] = lambda: time.time_ns() // 1000) -> None:
        super().__init__()
        self._now_us = now_us
        self._latest_us = now_us()
        self.path = source.database if isinstance(source, Settings) else source
        self.loaded = False  # whether the database was ever read
        self._connection: sqlite3.Connection | None = None
        self._identity = (0, 0)
        self._data_version = -1
        self._revision = -1
        self._retry_at = 0.0
        self._prune_at = time.monotonic() + PRUNE_S

    def refresh(self) -> frozenset[str]:
        try:
            if not self._something_new():
                return frozenset()
            news = self._read()
        except (sqlite3.Error, OSError):
            self.close()
            self._retry_at = time.monotonic() + RETRY_S
            return frozenset()
        return frozenset() if news is None else self._apply(news)

    def close(self) -> None:
        """Let go of the file; the state stays, and the next refresh opens it again."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _something_new(self) -> bool:
        if self._connection is None and time.monotonic() < self._retry_at:
            return False
        found = self.path.stat()  # another file may have taken the place of the one that is open
        identity = (found.st_dev, found.st_ino)
        if self._connection is None or identity != self._identity:
            self._open(identity)
        assert self._connection is not None
        if self._clock_went_back():
            self._data_version = self._revision = -1
        version = self._connection.execute("PRAGMA data_version").fetchall()[0][0]
        if version == self._data_version:
            return False
        self._data_version = version
        return True

    def _clock_went_back(self) -> bool:
        before, self._latest_us = self._latest_us, self._now_us()
        return self._latest_us < before - BACK_US

    def _open(self, identity: tuple[int, int]) -> None:
        self.close()
        address = f"file:{quote(str(self.path))}?mode=ro"
        self._connection = sqlite3.connect(
            address, uri=True, timeout=0.1, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        self._data_version = -1
        if identity != self._identity:
            self._identity, self._revision = identity, -1

    def _read(self) -> _News | None:
        """Everything newer than the last revision, in one transaction; None where nothing is."""
        assert self._connection is not None
        select = self._connection.execute
        select("BEGIN")
        try:
            revision = next((row[0] for row in select("SELECT value FROM counters WHERE name = 'revision'")), 0)
            if revision == self._revision:
                return None
            since = self._revision if 0 <= self._revision < revision else -1
            news = _News(revision, everything=since < 0)
            after = (since,)
            news.people = [GatePerson(row[0], row[1], bool(row[2]), bool(row[3])) for row in select(_PEOPLE, after)]
            news.sessions = [_session(row) for row in select(_SESSIONS, after)]
            news.tokens = [_session(row) for row in select(_TOKENS, after)]
            news.routes = [(GateRoute(*row[:8]), bool(row[8])) for row in select(_ROUTES, after)]
            news.grants = [(row[0], row[1], bool(row[2])) for row in select(_GRANTS, after)]
            return news
        except BaseException:
            self._data_version = -1  # look again
            raise
        finally:
            if self._connection.in_transaction:
                select("COMMIT")

    def _apply(self, news: _News) -> frozenset[str]:
        before = Snapshot()
        if news.everything:
            before.sessions, before.tokens, before.routes = self.sessions, self.tokens, self.routes
            before.grants = self.grants
            self.sessions, self.tokens, self.people, self.routes, self.grants = {}, {}, {}, {}, {}
        changed = {*self._apply_people(news.people), *self._apply_routes(news.routes), *self._apply_grants(news.grants)}
        now_us = self._now_us()
        changed.update(_replace(self.sessions, news.sessions, now_us))
        changed.update(_replace(self.tokens, news.tokens, now_us))
        changed.update(_lost(before, self))
        self._revision, self.loaded = news.revision, True
        if time.monotonic() >= self._prune_at:
            self._prune_at = time.monotonic() + PRUNE_S
            for known in (self.sessions, self.tokens):
                for key in [key for key, row in known.items() if not _counts(row, now_us)]:
                    del known[key]
        return frozenset(changed)

    def _apply_people(self, people: Iterable[GatePerson]) -> Iterator[str]:
        disabled = set()
        for person in people:
            self.people[person.id] = person
            if person.disabled:
                disabled.add(person.id)
        if disabled:
            for known in (self.sessions, self.tokens):
                yield from (row.id for row in known.values() if row.person in disabled)

    def _apply_routes(self, routes: Iterable[tuple[GateRoute, bool]]) -> Iterator[str]:
        for route, removed in routes:
            known = self.routes.pop(route.host, None)
            if not removed:
                self.routes[route.host] = route
            if known is not None and (removed or known.owner != route.owner or known.workload != route.workload):
                yield known.workload

    def _apply_grants(self, grants: Iterable[tuple[str, str, bool]]) -> Iterator[str]:
        for workload, person, revoked in grants:
            known = self.grants.get(workload, frozenset())
            self.grants[workload] = known - {person} if revoked else known | {person}
            if revoked and person in known:
                yield workload


def _replace(known: dict[str, GateSession], rows: Iterable[GateSession], now_us: int) -> Iterator[str]:
    for row in rows:
        if row.revoked or not _counts(row, now_us):
            if known.pop(row.key, None) is not None:
                yield row.id
        else:
            known[row.key] = row


def _counts(row: GateSession, now_us: int) -> bool:
    return now_us < row.expires_at_us <= now_us + LONGEST_US


def _lost(before: Snapshot, after: Snapshot) -> Iterator[str]:
    """What an earlier state let pass and a complete new one does not."""
    for old, new in ((before.sessions, after.sessions), (before.tokens, after.tokens)):
        for key, row in old.items():
            person = after.people.get(row.person)
            if key not in new or person is None or person.disabled:
                yield row.id
    for host, route in before.routes.items():
        found = after.routes.get(host)
        if found is None or (found.owner, found.workload) != (route.owner, route.workload):
            yield route.workload
    for workload, people in before.grants.items():
        if people - after.grants.get(workload, frozenset()):
            yield workload


def _session(row: tuple[Any, ...]) -> GateSession:
    key, id, person, expires_us, revoked, *limits = row
    scopes, workload = limits or ("", "")
    bound = f"{scopes} workload:{workload}".strip() if workload else scopes
    return GateSession(key, id, person, expires_us, bool(revoked), bound)

"""The read-only view of the store that the data plane works from.

It holds everything the gate needs in memory and never writes. The reader polls for changes (SQLite:
`PRAGMA data_version`) and loads only rows whose revision is newer than the last it saw. While the database is
away the last state stays: known sessions go on, unknown ones fail closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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

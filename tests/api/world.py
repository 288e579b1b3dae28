"""The app in the loop of the test: real store, real local runtime (not started), a clock that the test sets.

Requests are made as somebody: a browser with a session, or a program with a token.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.routing import BaseRoute, Mount, Route
from tests.harness import remove_traces
from tests.services.fixed import dump
from tests.store.making import NOW, person

from roost.api.app import create_app
from roost.control.platform import Platform
from roost.model.access import Caller, Role
from roost.model.specs import parse_spec
from roost.model.tickets import session_cookie
from roost.runtimes.local.runtime import LocalRuntime
from roost.services import clusters, sessions, tokens, workloads
from roost.services.keys import ensure_keys
from roost.services.machine import Machine
from roost.services.sessions import Client
from roost.services.workloads import By
from roost.settings import Settings
from roost.store import people
from roost.store.database import Store, open_store
from roost.store.rows import WorkloadRow

GIB = 1 << 30
MACHINE = Machine(
    cores=8, memory_bytes=16 * GIB, memory_used_bytes=GIB, disk_total_bytes=99 * GIB, disk_free_bytes=50 * GIB
)
DEAD_TOKEN = "rst_" + "x" * 43


@dataclass(frozen=True)
class Browser:
    """Somebody who signed in: the cookie's secret, and what pages send with each change."""

    caller: Caller
    cookie: str
    csrf: str
    origin: str

    def headers(self, *, changes: bool) -> dict[str, str]:
        own = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "X-Roost-Csrf": self.csrf}
        return {"Cookie": self.cookie, **(own if changes else {})}


@dataclass(frozen=True)
class Program:
    """Somebody's program with a token."""

    caller: Caller
    token: str

    def headers(self, *, changes: bool) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


Somebody = Browser | Program


@dataclass
class World:
    """One platform and the people in it."""

    settings: Settings
    store: Store
    app: FastAPI
    now_us: int = NOW
    callers: dict[str, Caller] = field(default_factory=dict)

    @property
    def platform(self) -> Platform:
        platform: Platform = self.app.state.platform
        return platform

    def http(self, *, failures_raise: bool = True) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=failures_raise, client=("127.0.0.1", 1))
        return httpx.AsyncClient(transport=transport, base_url=self.settings.origin)

    async def ask(
        self, who: Somebody | None, method: str, path: str, body: Any = None, **headers: str
    ) -> httpx.Response:
        """One request of somebody (None: of nobody known)."""
        given = who.headers(changes=method not in ("GET", "HEAD")) if who is not None else {}
        async with self.http() as http:
            return await http.request(
                method, path, json=body, headers={**given, **{k.replace("_", "-"): v for k, v in headers.items()}}
            )

    def person(self, name: str, role: Role = Role.MEMBER, password_hash: str | None = None) -> Caller:
        if name not in self.callers:
            self.callers[name] = person(self.store, name, role, password_hash)
        return self.callers[name]

    def browser(self, name: str, role: Role = Role.MEMBER) -> Browser:
        """A new session of a person."""
        caller = self.person(name, role)
        with self.store.write() as tx:
            row = people.by_id(tx, caller.person)
            assert row is not None
            new = sessions.begin(tx, row, Client(), now_us=self.now_us, entropy=os.urandom)
        csrf = sessions.csrf_token(self.platform.ticket_key, new.session.id)
        cookie = f"{session_cookie(self.settings.instance, True)}={new.secret}"
        caller = Caller(person=caller.person, role=caller.role, session=new.session.id, name=name)
        return Browser(caller, cookie, csrf, self.settings.origin)

    def program(self, name: str, *scopes: str, role: Role = Role.MEMBER, days: int = 30) -> Program:
        """A new token of a person."""
        caller = self.person(name, role)
        token, row = tokens.create_token(
            self.store, caller, "program", scopes=scopes, expires_days=days, now_us=self.now_us
        )
        caller = Caller(
            person=caller.person, role=caller.role, session=row.id, scopes=row.scope_set or None, name=caller.name
        )
        return Program(caller, token)

    def workload(self, owner: str, name: str, kind: str = "workspace") -> WorkloadRow:
        """A workload of a person, as the API makes it."""
        spec = parse_spec({"kind": kind})
        by = By(person=owner, now_us=self.now_us)
        vault = self.platform.vault
        if kind == "workspace":
            return workloads.create(self.store, by, name, spec)[0]
        sealed = certificates()
        return workloads.create(
            self.store, by, name, spec, seal=lambda tx, id: vault.put(tx, id, sealed, now_us=self.now_us)
        )[0]

    def close(self) -> None:
        """Let go of the store, and of what probing the machine left outside of the home."""
        self.store.close()
        remove_traces(self.settings.home)

    def dump(self) -> list[str]:
        """Everything in the database."""
        return dump(Path(self.store.subject))


def world_at(home: Path, **settings: Any) -> World:
    """A platform in this home. Isolation "process" needs no probing; people are added by the tests."""
    given = Settings(home=home, **{"isolation": "process", **settings})
    ensure_keys(given)
    store = open_store(given)
    runtime = LocalRuntime(given, fork=False, kernel_limits=False)
    made: World
    app = create_app(given, store, runtime, disks=runtime.disks, machine=MACHINE, clock=lambda: made.now_us)
    made = World(given, store, app)
    return made


_made: dict[str, bytes] = {}


def certificates() -> Mapping[str, bytes]:
    """Certificates of a cluster, made once: making them is slow."""
    if not _made:
        _made.update(clusters.make_certificates(NOW))
    return _made


def problem(answer: httpx.Response) -> dict[str, Any]:
    """The problem of a refusal, with all its members."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    content: dict[str, Any] = answer.json()
    assert set(content) >= {"type", "title", "status", "code", "detail", "field", "hint", "subject"}
    assert content["status"] == answer.status_code
    assert content["type"] == f"urn:roost:problem:{content['code']}"
    assert content["title"]
    assert content["title"].strip() == content["title"]
    return content


def endpoints(app: FastAPI) -> Sequence[tuple[str, str]]:
    """Method and path template of every route of the app, included and mounted ones too."""
    return list(_walk(app.routes, ""))


def _walk(routes: Iterable[BaseRoute], prefix: str) -> Iterator[tuple[str, str]]:
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from _walk(included.routes, prefix)  # none is included below a prefix of its own
        elif isinstance(route, Mount):
            inner = list(_walk(route.routes or (), prefix + route.path))
            yield from inner or [("GET", f"{prefix}{route.path}/{{path:path}}")]
        else:
            assert isinstance(route, Route), route
            yield from ((method, prefix + route.path) for method in sorted(route.methods or ()) if method != "HEAD")

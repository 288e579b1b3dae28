"""A data plane in the loop of the test: real sockets, one workload of Ada's, one of Bob's, sessions and tokens."""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
import shutil
import socket
import ssl
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.dataplane.upstream import Upstream
from tests.harness import free_port

from roost.dataplane.door import FrontDoor
from roost.dataplane.limits import Limits
from roost.dataplane.server import Server
from roost.model.tickets import hash_secret, issue_ticket, session_cookie, ticket_cookie
from roost.settings import Settings
from roost.store.gate import GatePerson, GateRoute, GateSession, Snapshot

KEY = b"k" * 32
ADA, BOB = "pe-" + "a" * 26, "pe-" + "b" * 26
WORKSPACE, OTHER, CLUSTER = "ws-" + "a" * 26, "ws-" + "b" * 26, "cl-" + "a" * 26
ADAS_SECRET, BOBS_SECRET = "ada-session-secret", "bob-session-secret"
ADAS_TOKEN, BOBS_TOKEN = "rst_adas-token", "rst_bobs-token"
FAR_US = 4_000_000_000_000_000
QUICK = Limits(head_s=1.0, idle_s=2.0, body_s=1.0, linger_s=0.5)


def session(secret: str, person: str, **changes: object) -> GateSession:
    row = GateSession(hash_secret(secret), "sn-" + person, person, FAR_US, False)
    return replace(row, **changes)  # type: ignore[arg-type]


def route(workload: str, owner: str, address: str, kind: str = "workspace", phase: str = "running") -> GateRoute:
    return GateRoute(workload, workload, owner, "demo <b>", kind, address, phase, "the reason & more")


def people(view: Snapshot, workload: Upstream) -> None:
    """Ada owns a workspace and a cluster, Bob another workspace; all lead to one upstream."""
    for id, name in ((ADA, "Ada"), (BOB, "Bob")):
        view.people[id] = GatePerson(id, name, False, False)
    for secret, person in ((ADAS_SECRET, ADA), (BOBS_SECRET, BOB)):
        view.sessions[hash_secret(secret)] = session(secret, person)
    for secret, person in ((ADAS_TOKEN, ADA), (BOBS_TOKEN, BOB)):
        view.tokens[hash_secret(secret)] = session(secret, person)
    view.routes[WORKSPACE] = route(WORKSPACE, ADA, workload.address)
    view.routes[CLUSTER] = route(CLUSTER, ADA, workload.address, kind="cluster")
    view.routes[OTHER] = route(OTHER, BOB, workload.address)


@dataclass
class Reply:
    """A parsed response; `raw` is everything that came."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    raw: bytes = field(repr=False, default=b"")

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class World:
    """The door, its upstreams and what a client needs to talk to it."""

    settings: Settings
    view: Snapshot
    door: FrontDoor
    server: Server
    workload: Upstream
    control: Upstream
    tls: ssl.SSLContext | None = None

    @property
    def instance(self) -> str:
        return self.settings.instance

    def host(self, label: str = WORKSPACE) -> str:
        return f"{label}.roost.localhost:{self.settings.port}" if label else f"localhost:{self.settings.port}"

    def origin(self, label: str = WORKSPACE) -> str:
        return self.settings.workload_origin(label)

    def ticket(self, secret: str = ADAS_SECRET, label: str = WORKSPACE) -> str:
        """A Cookie header value that opens a workload's host."""
        ticket = issue_ticket(KEY, session_key=hash_secret(secret), workload_host=f"{label}.roost.localhost")
        return f"{ticket_cookie(self.instance, True)}={ticket}"

    def session_cookie(self, secret: str = ADAS_SECRET) -> str:
        return f"{session_cookie(self.instance, True)}={secret}"

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.settings.port, limit=1 << 20)

    def head(self, line: str, *headers: str, label: str = WORKSPACE, auth: bool = True) -> bytes:
        """The bytes of a head: first line, Host, Ada's ticket, then what is given."""
        lines = [f"{line} HTTP/1.1", f"Host: {self.host(label)}"]
        if auth and label:
            lines.append(f"Cookie: {self.ticket(label=label)}")
        return ("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode("latin-1")

    async def ask(
        self, line: str, *headers: str, label: str = WORKSPACE, auth: bool = True, body: bytes = b""
    ) -> Reply:
        """One request on a connection of its own, and its final response."""
        raw = await self.talk(self.head(line, *headers, "Connection: close", label=label, auth=auth) + body)
        return parse(raw, line.split(" ")[0])

    async def talk(self, raw: bytes, *, within_s: float = 5.0) -> bytes:
        """Send bytes, read until the end."""
        reader, writer = await self.connect()
        try:
            writer.write(raw)
            async with asyncio.timeout(within_s):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def websocket(
        self, *headers: str, label: str = WORKSPACE, auth: bool = True, origin: str | None = ""
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """Ask for an upgrade; the reader stands behind the head that is returned."""
        reader, writer = await self.connect()
        upgrade = ["Upgrade: websocket", "Connection: keep-alive, Upgrade", "Sec-WebSocket-Key: x"]
        if origin is not None:
            upgrade.append(f"Origin: {origin or self.origin(label)}")
        writer.write(self.head("GET /ws", *upgrade, *headers, label=label, auth=auth))
        return reader, writer, await reader.readuntil(b"\r\n\r\n")


def parse(raw: bytes, method: str = "GET") -> Reply:
    """The final response in what came; interim ones before it are skipped."""
    head, _, body = raw.partition(b"\r\n\r\n")
    while re.match(rb"HTTP/1.1 1(?!01)", head):
        head, _, body = body.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    assert first.startswith("HTTP/1.1 "), raw[:200]
    return Reply(int(first[9:12]), [tuple(line.split(": ", 1)) for line in lines], body, raw)  # type: ignore[misc]


@contextlib.asynccontextmanager
async def world(limits: Limits | None = None, **settings: object) -> AsyncIterator[World]:
    """A running data plane, gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="roost-"))
    given = Settings(home=home, port=free_port(), **settings)  # type: ignore[arg-type]
    given.sockets.mkdir(parents=True, exist_ok=True)
    workload, control = Upstream(home / "w.sock"), Upstream(given.control_socket)
    view = Snapshot()
    people(view, workload)
    await workload.start()
    await control.start()
    listener = socket.create_server(("127.0.0.1", given.port), backlog=512)
    listener.setblocking(False)
    door = FrontDoor(given, view, KEY, limits)
    server = Server(door, listener)
    await server.start()
    try:
        yield World(given, view, door, server, workload, control)
    finally:
        await server.stop(grace_s=0.1)
        await workload.stop()
        await control.stop()
        await asyncio.sleep(0)
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(given.sockets, ignore_errors=True)


def now_us() -> int:
    return time.time_ns() // 1000


def new_secret() -> str:
    return secrets.token_urlsafe(32)

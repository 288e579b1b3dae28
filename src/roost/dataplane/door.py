"""The front door: who is inside, what each request becomes, and how an upstream is reached.

It is what all connections share. Everything here is immediate: nothing waits for the store or for the control
plane, except the answer about health.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
import time

from roost.dataplane.activity import Activity, ask, by_a_person
from roost.dataplane.client import ClientConnection
from roost.dataplane.enter import send_to_platform, take_back
from roost.dataplane.gate import (
    NOT_FOUND,
    UNKNOWN_HOST,
    Decision,
    Deny,
    Own,
    Pass,
    Rules,
    SignIn,
    admit,
    decide,
    find_route,
    is_owner,
    not_running,
)
from roost.dataplane.head import Request
from roost.dataplane.hosts import Place, locate
from roost.dataplane.limits import Limits
from roost.dataplane.pages import STATIC, Answer, json_answer, refusal
from roost.dataplane.sockets import pinned
from roost.dataplane.splice import Tunnel
from roost.dataplane.upstream import UpstreamConnection
from roost.settings import Settings
from roost.store.gate import GateRoute, GateView

_PLACES = 4096  # host names remembered
_NEWS_S = 0.005  # how old the view may be when it says no
_ADDRESS = re.compile(rb"[0-9A-Fa-f:.]{2,45}")
_CONTROL_DOWN = Deny(503, "control-down", "Roost is restarting", "This page opens by itself as soon as it is back.")
_TOO_MANY = Deny(503, "too-many", "Too many connections", "Try again in a moment.")
_HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class FrontDoor:
    """Everything that the connections share. `view` is read on each request and refreshed by a poll."""

    def __init__(self, settings: Settings, view: GateView, key: bytes, limits: Limits | None = None) -> None:
        self.view = view
        self.rules = Rules.of(settings, key)
        self.limits = limits or Limits()
        self.clients: set[ClientConnection] = set()
        self.tunnels: set[Tunnel] = set()
        self.activity = Activity()
        self.control_socket = str(settings.control_socket)
        self.now = asyncio.get_running_loop().time
        self._settings = settings
        self._origin = settings.origin
        self._places: dict[bytes, Place] = {}
        self._proto = b"https" if settings.secure else b"http"
        self._used_codes: dict[str, int] = {}
        self._refreshed_at = self._complain_at = 0.0
        self._logs = settings.log_level == "debug"
        self._asking: set[asyncio.Task[None]] = set()

    # Who is inside.
    def entered(self, client: ClientConnection) -> bool:
        """Count a connection in; False when there are too many."""
        self.clients.add(client)
        return len(self.clients) + len(self.tunnels) <= self.limits.connections

    def left(self, client: ClientConnection) -> None:
        """Count a connection out (or over to the tunnels)."""
        self.clients.discard(client)

    def refresh(self) -> None:
        """Load what changed in the store, and end what may not go on. A view that fails keeps its last state."""
        self._refreshed_at = self.now()
        try:
            changed = self.view.refresh()
        except Exception as error:  # whatever it is, the poll must go on
            if self._refreshed_at >= self._complain_at:
                self._complain_at = self._refreshed_at + 60
                sys.stderr.write(f"The store could not be read: {error!r}.\n")
            return
        if changed:
            self.enforce()

    def enforce(self) -> None:
        """Ask again about every websocket and every request under way; end those that would not pass now."""
        now_us = time.time_ns() // 1000
        for tunnel in list(self.tunnels):
            if admit(tunnel.passport, self.view, now_us) is not None:
                tunnel.close()
        for client in list(self.clients):
            decision = client.exchange.decision if client.exchange is not None else None
            if decision is not None and admit(decision.passport, self.view, now_us) is not None:
                client.abort()

    def activity_report(self) -> dict[str, object] | None:
        """What the control plane should hear about the last seconds."""
        now_us = time.time_ns() // 1000
        connected = []
        for tunnel in self.tunnels:
            connected.append(tunnel.workload)
            if tunnel.active:
                tunnel.active = False
                self.activity.touch(tunnel.workload, tunnel.passport, now_us)
        for client in self.clients:
            decision = client.exchange.decision if client.exchange is not None else None
            if decision is not None and decision.workload:
                connected.append(decision.workload)
        return self.activity.report(connected)

    # What a request becomes.
    def decide(self, request: Request, client: ClientConnection) -> Pass | Answer | None:
        """A way on, an answer, or None when the answer comes later."""
        place = self._place(request.read[b"host"])
        if place is None:
            return self.refusal(UNKNOWN_HOST, request)
        now_us = time.time_ns() // 1000
        decision = decide(request, place, self.view, self.rules, now_us)
        if not isinstance(decision, Pass) and self.now() - self._refreshed_at > _NEWS_S:
            self.refresh()  # a session or a route may be newer than the last poll
            decision = decide(request, place, self.view, self.rules, now_us)
        if isinstance(decision, Pass):
            if decision.workload and by_a_person(request):
                self.activity.touch(decision.workload, decision.passport, now_us)
            return decision
        return self._answer(request, place, decision, client, now_us)

    def _answer(
        self, request: Request, place: Place, decision: Decision, client: ClientConnection, now_us: int
    ) -> Answer | None:
        if isinstance(decision, SignIn):
            return send_to_platform(request, decision, self.rules, self._origin, secrets.token_urlsafe(32))
        if isinstance(decision, Own):
            if decision.what == "static":
                return STATIC.get(request.path) or self.refusal(NOT_FOUND, request)
            if decision.what == "enter":
                taken = take_back(request, place, self.view, self.rules, now_us, self._used_codes)
                return self.refusal(taken, request) if isinstance(taken, Deny) else taken
            task = asyncio.get_running_loop().create_task(self._answer_later(client, decision.route))
            self._asking.add(task)
            task.add_done_callback(self._asking.discard)
            return None
        assert isinstance(decision, Deny)
        return self.refusal(decision, request)

    async def _answer_later(self, client: ClientConnection, route: GateRoute | None) -> None:
        """Health (no route), or whether a workload can be opened by now."""
        exchange = client.exchange
        if route is None:
            up = 0 < await ask(self.control_socket, _HEALTH) < 500
            answer = json_answer(200 if up else 503, {"status": "ok", "control": "up" if up else "down"})
        else:
            ready = route.phase == "running" or bool(route.address and await self._answers(client, route.address))
            content = {"phase": route.phase, "reason": route.reason, "name": route.name, "ready": ready}
            answer = json_answer(200, content)
        if exchange is not None:
            client.answer_later(exchange, answer)

    async def _answers(self, client: ClientConnection, address: str) -> bool:
        upstream = await self.dial(client, address)
        if upstream is not None:
            upstream.end()
        return upstream is not None

    def _place(self, host: bytes) -> Place | None:
        place = self._places.get(host)
        if place is None:
            place = locate(host, self._settings)
            if place is not None:
                if len(self._places) >= _PLACES:
                    self._places.clear()
                self._places[host] = place
        return place

    def refusal(self, deny: Deny, request: Request | None) -> Answer:
        """A denial as an answer."""
        return refusal(deny, request, self._origin)

    @property
    def too_many(self) -> Deny:
        """What to say at the limit of connections."""
        return _TOO_MANY

    def unreachable(self, request: Request, decision: Pass) -> Answer:
        """The upstream does not answer: what people see instead depends on what it is."""
        if not decision.workload:
            return self.refusal(_CONTROL_DOWN, request)
        route, _ = find_route(decision.passport.label, self.view)
        if route is None:
            return self.refusal(NOT_FOUND, request)
        return self.refusal(not_running(route, owner=is_owner(decision.passport, route, self.view)), request)

    # Upstreams.
    async def dial(self, client: ClientConnection, address: str) -> UpstreamConnection | None:
        """A new connection to an address of a route; None when it does not answer."""
        loop = asyncio.get_running_loop()
        trusted = address == self.rules.control
        began = self.now()
        patience_s = self.limits.control_retry_s if trusted else 0.0
        kind, _, place = address.partition(":")
        while True:
            try:
                async with asyncio.timeout(self.limits.connect_s):
                    if kind == "unix":
                        with pinned(place) as socket:
                            _, upstream = await loop.create_unix_connection(
                                lambda: UpstreamConnection(client, address, trusted=trusted), socket
                            )
                    else:
                        host, _, port = place.rpartition(":")
                        _, upstream = await loop.create_connection(
                            lambda: UpstreamConnection(client, address, trusted=trusted), host.strip("[]"), int(port)
                        )
                return upstream
            except BlockingIOError:  # a unix socket whose queue is full says so at once
                patience_s = self.limits.connect_s
            except (OSError, TimeoutError, ValueError, OverflowError):
                pass
            if self.now() - began >= patience_s:
                return None
            await asyncio.sleep(0.01)

    def forwarded(self, peer: object) -> bytes:
        """The part of X-Forwarded-* that stays the same for a connection."""
        address = str(peer[0]).encode() if isinstance(peer, tuple) else b"unknown"
        return b"X-Forwarded-Proto: %b\r\nX-Forwarded-For: %b\r\n" % (self._proto, address)

    def forwarding(self, request: Request, forwarded: bytes) -> bytes:
        """The X-Forwarded-* lines of a request. What came in counts only from a TLS proxy of ours in front."""
        host = request.read[b"host"]
        if self._settings.behind_tls_proxy:
            seen = request.read.get(b"x-forwarded-for", b"").rpartition(b",")[2].strip()
            if _ADDRESS.fullmatch(seen):
                forwarded = self.forwarded((seen.decode(),))
        return b"%bX-Forwarded-Host: %b\r\n" % (forwarded, host)

    def log_answer(self, request: Request) -> None:
        """The access log: at log level debug only, and never a query (codes travel in it)."""
        if self._logs:
            line = f"{request.method.decode()} {request.read[b'host'].decode('latin-1')}{request.path.decode()}\n"
            sys.stderr.write(line)

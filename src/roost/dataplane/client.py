"""One connection of a client: reads requests, asks the gate about each one, and keeps the order of answers."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from roost.dataplane.body import Body, BodyError, Chunked, Counted
from roost.dataplane.gate import Deny, Pass
from roost.dataplane.head import Fault, Request, line_fault, parse_request, too_large
from roost.dataplane.pages import Answer
from roost.dataplane.splice import Tunnel
from roost.dataplane.upstream import UpstreamConnection

if TYPE_CHECKING:
    from roost.dataplane.door import FrontDoor

NEVER = float("inf")
_REPEATABLE = frozenset((b"GET", b"HEAD", b"OPTIONS"))


class Exchange:
    """One request and its answer. `body` is there until the request's body has come in whole."""

    __slots__ = (
        "answered",
        "body",
        "close",
        "decision",
        "head",
        "interim",
        "pending",
        "request",
        "retried",
        "reusable",
        "upstream",
        "websocket",
    )

    def __init__(self, request: Request, *, close: bool) -> None:
        self.request = request
        self.body: Body | None = (
            None if request.length == 0 else Chunked() if request.length is None else Counted(request.length)
        )
        self.close = close
        self.decision: Pass | None = None
        self.head = b""
        self.pending: list[bytes] = []  # body that came while the upstream was being dialled
        self.upstream: UpstreamConnection | None = None
        self.answered = self.interim = self.reusable = self.retried = self.websocket = False


class ClientConnection(asyncio.Protocol):
    """What a client's transport tells."""

    __slots__ = (
        "_buffer",
        "_dialling",
        "_eof",
        "_forwarded",
        "_held",
        "_idle",
        "_lingering",
        "_write_paused",
        "deadline",
        "door",
        "exchange",
        "transport",
    )

    def __init__(self, door: FrontDoor) -> None:
        self.door = door
        self.exchange: Exchange | None = None
        self.deadline = door.now() + door.limits.head_s
        self._buffer = b""
        self._dialling: asyncio.Task[None] | None = None
        self._eof = self._held = self._lingering = self._write_paused = False
        self._forwarded = b""
        self._idle: dict[str, UpstreamConnection] = {}
        self.transport: asyncio.Transport

    # What the transport tells.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self.transport.set_write_buffer_limits(high=self.door.limits.write_high_bytes)
        self._forwarded = self.door.forwarded(transport.get_extra_info("peername"))
        if not self.door.entered(self):
            self._refuse(self.door.too_many)

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if self._lingering:
            return
        if exchange is None:
            if not self._buffer:
                self.deadline = self.door.now() + self.door.limits.head_s
            self._buffer = self._buffer + data if self._buffer else data
            self._next()
        elif exchange.body is not None:
            self._take_body(exchange, exchange.body, data)
        else:
            self._buffer += data  # pipelined: answered in order, so it waits
            self._flow()

    def eof_received(self) -> bool:
        """Half-close: a request that is whole is still answered, over transports that can do that."""
        self._eof = True
        exchange = self.exchange
        if exchange is None or exchange.body is not None:
            return False
        return self.transport.can_write_eof()

    def pause_writing(self) -> None:
        self._write_paused = True
        self.deadline = self.door.now() + self.door.limits.stalled_s
        upstream = self.exchange.upstream if self.exchange is not None else None
        if upstream is not None and not upstream.transport.is_closing():
            upstream.transport.pause_reading()

    def resume_writing(self) -> None:
        self._write_paused = False
        self.deadline = self._next_deadline()
        upstream = self.exchange.upstream if self.exchange is not None else None
        if upstream is not None and not upstream.transport.is_closing():
            upstream.transport.resume_reading()

    def connection_lost(self, _error: Exception | None) -> None:
        self.door.left(self)
        if self._dialling is not None:
            self._dialling.cancel()
        exchange, self.exchange = self.exchange, None
        if exchange is not None and exchange.upstream is not None:
            exchange.upstream.end()
        for upstream in list(self._idle.values()):
            upstream.end()
        self._idle.clear()

    # Requests.
    def _next(self) -> None:
        """Begin the requests that wait, one after the other."""
        while self.exchange is None and self._buffer and not self.transport.is_closing() and not self._lingering:
            if self._buffer.startswith(b"\r\n"):  # some clients send an empty line after a body
                self._buffer = self._buffer[2:]
                continue
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                fault = line_fault(self._buffer) or too_large(self._buffer)
                return self._refuse(fault) if fault is not None else None
            head, self._buffer = self._buffer[: end + 4], self._buffer[end + 4 :]
            request = parse_request(head)
            if isinstance(request, Fault):
                return self._refuse(request)
            self._begin(request)
        if self._eof and self.exchange is None:
            self.transport.close()
        return None

    def _begin(self, request: Request) -> None:
        exchange = self.exchange = Exchange(request, close=not request.keep_alive)
        self._held = False
        self.deadline = self._next_deadline()
        decision = self.door.decide(request, self)
        if isinstance(decision, Answer):
            return self.answer(exchange, decision)
        if decision is None:
            return None  # the door answers later
        exchange.decision = decision
        exchange.websocket = decision.websocket
        forwarding = self.door.forwarding(request, self._forwarded)
        extra = b"Host: %b\r\n%b%b" % (request.read[b"host"], decision.lines, forwarding)
        exchange.head = request.rebuilt(decision.target, extra, websocket=decision.websocket)
        self._lead(exchange, decision)
        if exchange.body is not None and self._buffer and self.exchange is exchange:
            data, self._buffer = self._buffer, b""
            self._take_body(exchange, exchange.body, data)
        return None

    def _take_body(self, exchange: Exchange, body: Body, data: bytes) -> None:
        try:
            out, rest = body.take(data)
        except BodyError:
            return self._refuse(Fault(400, "The chunks of the body are malformed."))
        if body.done:
            exchange.body = None
            self._buffer = rest
        if exchange.upstream is not None:
            exchange.upstream.transport.write(out)
        else:
            exchange.pending.append(out)
        self._flow()
        return None

    # Upstreams.
    def _lead(self, exchange: Exchange, decision: Pass) -> None:
        upstream = self._idle.pop(decision.address, None)
        if upstream is not None:
            if not upstream.transport.is_closing() and self.door.now() - upstream.idle_since < self.door.limits.reuse_s:
                upstream.reused = True
                return self._started(exchange, upstream)
            upstream.end()
        self._dialling = asyncio.get_running_loop().create_task(self._dial(exchange, decision))
        return None

    async def _dial(self, exchange: Exchange, decision: Pass) -> None:
        upstream = await self.door.dial(self, decision.address)
        self._dialling = None
        if upstream is None:
            self.answer(exchange, self.door.unreachable(exchange.request, decision))
            self._next()
        elif self.exchange is not exchange:
            upstream.end()
        else:
            self._started(exchange, upstream)

    def _started(self, exchange: Exchange, upstream: UpstreamConnection) -> None:
        upstream.begin(exchange)
        if self._write_paused:
            upstream.transport.pause_reading()
        if exchange.pending:
            upstream.transport.write(b"".join(exchange.pending))
            exchange.pending.clear()
            exchange.retried = True  # a body is not kept, so it cannot be sent again
        self._flow()

    def finished(self, exchange: Exchange, upstream: UpstreamConnection | None) -> None:
        """The answer is complete. `upstream` is there when its connection may be used again (by us alone)."""
        if upstream is not None:
            if self._write_paused:
                upstream.transport.resume_reading()
            upstream.idle_since = self.door.now()
            self._idle[upstream.address] = upstream
        self._done(exchange)
        self._next()

    def switched(self, exchange: Exchange, upstream: UpstreamConnection, data: bytes) -> None:
        """The upstream accepted a websocket: from here on bytes are spliced."""
        assert exchange.decision is not None
        self.exchange = None
        for other in list(self._idle.values()):
            other.end()
        self._idle.clear()
        tunnel = Tunnel(exchange.decision.passport, exchange.decision.workload, self.door.tunnels.discard)
        tunnel.join(self.transport, upstream.transport)
        self.door.left(self)
        self.door.tunnels.add(tunnel)
        if data:
            self.transport.write(data)
        if self._buffer:
            upstream.transport.write(self._buffer)
        if self._eof:
            tunnel.client.eof_received()

    def upstream_failed(self, exchange: Exchange, why: str) -> None:
        """The upstream answered nonsense."""
        exchange.upstream = None
        deny = Deny(502, "bad-answer", "The answer cannot be used", why)
        self.answer(exchange, self.door.refusal(deny, exchange.request))
        return self._next()

    def upstream_lost(self, exchange: Exchange, upstream: UpstreamConnection) -> None:
        """The upstream went away before it answered. A request that changes nothing is asked once more."""
        decision = exchange.decision
        exchange.upstream = None
        request = exchange.request
        if decision is None or self.exchange is not exchange:
            return None
        repeatable = request.method in _REPEATABLE and request.length == 0 and not exchange.interim
        if repeatable and not exchange.retried and (upstream.reused or upstream.trusted):
            exchange.retried = True
            return self._lead(exchange, decision)
        self.answer(exchange, self.door.unreachable(request, decision))
        return self._next()

    def forget(self, upstream: UpstreamConnection) -> None:
        """An idle upstream connection ended."""
        if self._idle.get(upstream.address) is upstream:
            del self._idle[upstream.address]

    def hold(self, wait: bool) -> None:
        """The upstream cannot (or can again) take more of the body."""
        self._held = wait
        self._flow()

    # Answers of our own, and ends.
    def answer(self, exchange: Exchange, answer: Answer) -> None:
        """Send an answer of the data plane's own. The caller goes on with what waits."""
        if self.exchange is not exchange or self.transport.is_closing():
            return
        exchange.close = exchange.close or exchange.body is not None
        self.transport.write(answer.encoded(exchange.request.method, close=exchange.close))
        self._done(exchange)

    def answer_later(self, exchange: Exchange, answer: Answer) -> None:
        """As `answer`, from outside of `data_received`."""
        self.answer(exchange, answer)
        self._next()

    def abort(self, exchange: Exchange | None = None) -> None:
        """Break the connection; the client sees that something is missing."""
        if exchange is None or self.exchange is exchange:
            self.transport.abort()

    def expire(self) -> None:
        """The deadline is over."""
        if self.transport.is_closing() or self._write_paused:
            self.transport.abort()
        elif self.exchange is None and self._buffer and not self._lingering:
            self._refuse(Fault(408, "The head took too long."))
        elif self.exchange is not None and self.exchange.body is not None:
            self._refuse(Fault(408, "The body took too long."))
        else:
            self.transport.close()
            self.deadline = self.door.now() + self.door.limits.linger_s

    def close_when_idle(self) -> bool:
        """Close now when nothing is under way, else after the present answer. True when closed."""
        if self.exchange is None:
            self.transport.close()
            return True
        self.exchange.close = True
        return False

    def _refuse(self, fault: Fault | Deny) -> None:
        """Say why, then close: where a request ends is not known any more."""
        exchange, self.exchange = self.exchange, None
        if exchange is not None and exchange.upstream is not None:
            exchange.upstream.end()
        if exchange is not None and exchange.answered:
            return self.transport.abort()
        deny = fault if isinstance(fault, Deny) else Deny(fault.status, "bad-request", "Refused", fault.text)
        answer = self.door.refusal(deny, exchange.request if exchange is not None else None)
        self.transport.write(answer.encoded(b"GET", close=True))
        return self._linger()

    def _done(self, exchange: Exchange) -> None:
        self.exchange = None
        self.door.log_answer(exchange.request)
        if exchange.close:
            unread = exchange.body is not None
            if unread and exchange.upstream is not None:
                exchange.upstream.end()
            if unread:
                return self._linger()
            self.deadline = self.door.now() + self.door.limits.stalled_s
            return self.transport.close()
        if not self._write_paused:
            self.deadline = self._next_deadline()
        return self._flow()

    def _next_deadline(self) -> float:
        """How long to wait for the client; an answer may take as long as it takes."""
        limits = self.door.limits
        if self.exchange is None:
            return self.door.now() + (limits.head_s if self._buffer else limits.idle_s)
        return NEVER if self.exchange.body is None else self.door.now() + limits.body_s

    def _linger(self) -> None:
        """Close, but read on for a moment: closing with unread bytes would destroy the answer on its way."""
        self._lingering = True
        self._buffer = b""
        self.deadline = self.door.now() + self.door.limits.linger_s
        if self.transport.is_closing():
            return None
        if self._eof:
            return self.transport.close()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        return self.transport.resume_reading()

    def _flow(self) -> None:
        """Read from the client only what can be passed on."""
        if self.transport.is_closing():
            return
        exchange = self.exchange
        uploading = exchange is not None and exchange.body is not None
        full = exchange is not None and len(self._buffer) > self.door.limits.pipeline_bytes
        if full or (exchange is not None and uploading and (self._held or exchange.pending)):
            self.transport.pause_reading()
            if not self._write_paused:
                self.deadline = NEVER
        else:
            self.transport.resume_reading()
            if exchange is not None and not self._write_paused:
                self.deadline = self._next_deadline()

"""One connection to an upstream, owned by one client connection for all its life: never shared, so what one
person sends can never end up in front of another person's request."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from roost.dataplane.body import Body, BodyError, Chunked, Counted, UntilClose
from roost.dataplane.head import HEAD_LIMIT, Fault
from roost.dataplane.reply import Response, parse_response

if TYPE_CHECKING:
    from roost.dataplane.client import ClientConnection, Exchange


class UpstreamConnection(asyncio.Protocol):
    """Reads responses and hands them to its client; told by the client what to write."""

    __slots__ = ("_body", "_buffer", "address", "client", "exchange", "idle_since", "reused", "transport", "trusted")

    def __init__(self, client: ClientConnection, address: str, *, trusted: bool) -> None:
        self.client = client
        self.address = address
        self.trusted = trusted
        self.exchange: Exchange | None = None
        self.idle_since = 0.0
        self.reused = False
        self._buffer = b""
        self._body: Body | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by class
        self.transport.set_write_buffer_limits(high=self.client.door.limits.write_high_bytes)

    def begin(self, exchange: Exchange) -> None:
        """Send the head of a request; its body follows through `transport`."""
        self.exchange = exchange
        exchange.upstream = self
        self.transport.write(exchange.head)

    def end(self) -> None:
        """Drop the connection, whatever is on its way."""
        self.exchange = None
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self.transport.abort()  # nobody asked: an answer that comes early would answer the next question
        elif self._body is None:
            self._heads(exchange, self._buffer + data if self._buffer else data)
        else:
            self._pass_on(exchange, self._body, data, b"")

    def _heads(self, exchange: Exchange, data: bytes) -> None:
        """Interim answers (100, 103) go on to the client one by one until the real one comes."""
        while (end := data.find(b"\r\n\r\n")) >= 0:
            response = parse_response(data[: end + 4], trusted=self.trusted)
            data = data[end + 4 :]
            if isinstance(response, Fault) or response.status == 101 or response.status >= 200:
                self._buffer = b""
                return self._decided(exchange, response, data)
            if exchange.request.minor == 1:
                self.client.transport.write(response.rebuilt(b"GET", close=False))
                exchange.interim = True
        self._buffer = data
        return self._broken(exchange, "The head of the answer is too long.") if len(data) > HEAD_LIMIT else None

    def _decided(self, exchange: Exchange, response: Response | Fault, data: bytes) -> None:
        if isinstance(response, Fault):
            self._broken(exchange, response.text)
        elif response.status == 101:
            self._switch(exchange, response, data)
        else:
            self._answer(exchange, response, data)

    def _answer(self, exchange: Exchange, response: Response, data: bytes) -> None:
        request = exchange.request
        body = _framing(request.method, response, framed=request.minor == 1)
        # A body that nobody wants any more may still be on its way: no later request could be found behind it.
        if exchange.body is not None or isinstance(body, UntilClose):
            exchange.close = True
        exchange.reusable = response.keep_alive and exchange.body is None
        head = response.rebuilt(request.method, close=exchange.close, dechunked=request.minor == 0)
        exchange.answered = True
        self._body = body
        self._pass_on(exchange, body, data, head)

    def _pass_on(self, exchange: Exchange, body: Body, data: bytes, head: bytes) -> None:
        try:
            out, rest = (b"", data) if body.done else body.take(data)
        except BodyError:
            return self._cut(exchange)
        if head or out:
            self.client.transport.write(head + out if head else out)
        if not body.done:
            return None
        self._body = None
        self.exchange = None
        if rest or not exchange.reusable:
            self.transport.abort()
            return self.client.finished(exchange, None)
        return self.client.finished(exchange, self)

    def _switch(self, exchange: Exchange, response: Response, data: bytes) -> None:
        if not exchange.websocket or response.upgrade != b"websocket":
            return self._broken(exchange, "The answer changes the protocol without being asked.")
        self.exchange = None
        self.client.transport.write(_switching(response))
        return self.client.switched(exchange, self, data)

    def _broken(self, exchange: Exchange, why: str) -> None:
        self.end()
        self.client.upstream_failed(exchange, why)

    def _cut(self, exchange: Exchange) -> None:
        """The response cannot be completed: the client must notice, so its connection breaks."""
        self.end()
        self.client.abort(exchange)

    def pause_writing(self) -> None:
        self.client.hold(True)

    def resume_writing(self) -> None:
        self.client.hold(False)

    def connection_lost(self, error: Exception | None) -> None:
        exchange, body, self.exchange = self.exchange, self._body, None
        if exchange is None:
            self.client.forget(self)
        elif body is None:
            self.client.upstream_lost(exchange, self)
        elif isinstance(body, UntilClose) and error is None:
            self.client.finished(exchange, None)
        else:
            self.client.abort(exchange)


def _framing(method: bytes, response: Response, *, framed: bool) -> Body:
    if response.bodiless(method):
        return Counted(0)
    if response.chunked:
        return Chunked(framed=framed)
    return UntilClose() if response.length is None else Counted(response.length)


def _switching(response: Response) -> bytes:
    kept = b"".join(response.kept)
    return b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n%b\r\n" % kept

"""An upgraded connection: bytes pass both ways unread, each side waits for the other to keep up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from roost.dataplane.gate import Passport

_PONG = 0x8A  # the first byte of an unsolicited or answering pong: a sign of a browser, not of a person


class Tunnel:
    """Two sides joined. `close` ends both at once (revocation); it forgets itself when both are gone."""

    __slots__ = ("active", "client", "ending", "passport", "upstream", "when_gone", "workload")

    def __init__(self, passport: Passport, workload: str, when_gone: Callable[[Tunnel], None]) -> None:
        self.passport = passport
        self.workload = workload
        self.when_gone = when_gone
        self.active = True  # bytes of the client's since the last report
        self.ending = 0  # sweeps seen since one side ended
        self.client: Side
        self.upstream: Side

    def join(self, client: asyncio.Transport, upstream: asyncio.Transport) -> None:
        """From here on the two transports feed each other."""
        self.client = Side(self, client, upstream, from_client=True)
        self.upstream = Side(self, upstream, client, from_client=False)
        client.set_protocol(self.client)
        upstream.set_protocol(self.upstream)
        for transport in (client, upstream):
            if not transport.is_closing():
                transport.resume_reading()

    @property
    def half_gone(self) -> bool:
        """Whether one side has ended and the other still flushes."""
        return self.client.transport.is_closing() or self.upstream.transport.is_closing()

    def close(self) -> None:
        """End both sides now; what is still on the way is lost, which is the point."""
        self.client.transport.abort()
        self.upstream.transport.abort()


class Side(asyncio.Protocol):
    """What one transport of a tunnel tells."""

    __slots__ = ("_ended", "_from_client", "_other", "_tunnel", "_write", "transport")

    def __init__(
        self, tunnel: Tunnel, transport: asyncio.Transport, other: asyncio.Transport, *, from_client: bool
    ) -> None:
        self.transport = transport
        self._tunnel = tunnel
        self._other = other
        self._write = other.write
        self._from_client = from_client
        self._ended = False

    def data_received(self, data: bytes) -> None:
        if self._from_client and data[0] != _PONG:
            self._tunnel.active = True
        self._write(data)

    def pause_writing(self) -> None:
        if not self._other.is_closing():
            self._other.pause_reading()

    def resume_writing(self) -> None:
        if not self._other.is_closing():
            self._other.resume_reading()

    def eof_received(self) -> bool:
        """Half-close: the other direction goes on, where the transport can do that (TLS cannot)."""
        self._ended = True
        if self._other.is_closing() or not self._other.can_write_eof():
            return False
        self._other.write_eof()
        return not cast(Side, self._other.get_protocol())._ended and self.transport.can_write_eof()

    def connection_lost(self, error: Exception | None) -> None:
        if self._other.is_closing():
            self._tunnel.when_gone(self._tunnel)
        elif error is not None:
            self._other.abort()
        else:
            self._other.close()

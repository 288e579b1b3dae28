"""A real upstream for the data plane's tests: a server that tells what it saw and can misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = bytes(64 * 1024)


@dataclass
class Seen:
    """One request as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def text(self) -> str:
        """Everything in one string, to search for what must not be there."""
        return "\n".join([self.target, *(f"{key}: {value}" for key, value in self.headers)]) + self.body.decode(
            "latin-1"
        )


@dataclass
class Upstream:
    """Listens on a unix socket. `seen` are its requests, `connections` counts what was accepted."""

    path: Path
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    sunk: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        return f"unix:{self.path}"

    async def start(self) -> Upstream:
        self.server = await asyncio.start_unix_server(self._accept, self.path, limit=1 << 20)
        return self

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.connections += 1
        self.open += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, version = first.split(" ")
        assert version == "HTTP/1.1"
        seen = Seen(method, target, [tuple(line.split(": ", 1)) for line in lines])  # type: ignore[misc]
        self.seen.append(seen)
        path = target.partition("?")[0]
        if path == "/early":
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
            await writer.drain()
            return False
        if seen.header("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if path == "/sink":
            return await self._sink(seen, reader, writer)
        if path == "/ws":
            return await self._websocket(seen, reader, writer)
        if path == "/drop":
            return False
        seen.body = await _body(seen, reader)
        scripted = SCRIPTED.get(path)
        if scripted is not None:
            writer.write(scripted)
            await writer.drain()
            return path != "/cut" and (any(word in scripted for word in (b"-Length", b"chunked", b" 204", b" 304")))
        if path == "/slow":
            await asyncio.sleep(0.3)
        if path == "/hang":
            await asyncio.sleep(3600)
        if path.startswith("/bytes/"):
            return await _bytes(int(path[7:]), writer)
        content = {"method": method, "target": target, "headers": seen.headers, "body": seen.body.decode("latin-1")}
        body = json.dumps(content).encode()
        head_only = method == "HEAD"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + (b"" if head_only else body))
        await writer.drain()
        return True

    async def _sink(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take a body of any size, slowly where the query says so."""
        left = int(seen.header("content-length") or 0)
        pause_s = 0.002 if seen.target.endswith("slow") else 0.0
        self.sunk = 0
        while left:
            data = await reader.read(1 << 20)
            if not data:
                return False
            left -= len(data)
            self.sunk += len(data)
            if pause_s:
                await asyncio.sleep(pause_s)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        return True

    async def _websocket(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Not the protocol, only the upgrade: what follows is echoed byte for byte."""
        if (seen.header("upgrade") or "").lower() != "websocket" or seen.header("connection") != "Upgrade":
            writer.write(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return True
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-A: b\r\n\r\nhello"
        )
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.write(b"bye")
        await writer.drain()
        return False


async def _body(seen: Seen, reader: asyncio.StreamReader) -> bytes:
    if seen.header("transfer-encoding") == "chunked":
        parts = []
        while size := int((await reader.readuntil(b"\r\n"))[:-2], 16):
            parts.append((await reader.readexactly(size + 2))[:-2])
        assert await reader.readexactly(2) == b"\r\n"
        return b"".join(parts)
    return await reader.readexactly(int(seen.header("content-length") or 0))


async def _bytes(size: int, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
    while size:
        part = CHUNK[:size]
        size -= len(part)
        writer.write(part)
        await writer.drain()
    return True


OK = b"HTTP/1.1 200 OK\r\n"
# Answers byte for byte, by path. Those without a length end with their connection.
SCRIPTED = {
    "/chunked": OK + b"Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nX-Trailer: t\r\n\r\n",
    "/close": b"HTTP/1.1 200 OK\r\n\r\nuntil the end",
    "/old": b"HTTP/1.0 200 OK\r\n\r\nold style",
    "/interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "/204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "/304": b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 99\r\n\r\n",
    "/head": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
    "/head-chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
    "/headers": OK + b"Keep-Alive: timeout=5\r\nX-Hop: 1\r\nConnection: X-Hop\r\nAlt-Svc: h3=x\r\nX-Kept: yes\r\n"
    b"Set-Cookie: __Host-roost-ticket-0123abcd=evil; Path=/\r\nSet-Cookie: roost-0123abcd=evil\r\n"
    b"Set-Cookie: mine=1\r\nContent-Length: 0\r\n\r\n",
    "/both": OK + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "/two-lengths": OK + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "/bare": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok\r\n\r\n",
    "/garbage": b"SSH-2.0-nothing\r\n\r\n",
    "/folded": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "/gzip-coded": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "/switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nContent-Length",
    "/short": OK + b"X: Content-Lengt\r\nTransfer-Encoding: identity\r\n\r\n",
    "/cut": OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
    "/surplus": OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
}

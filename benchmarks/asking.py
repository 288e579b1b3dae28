"""A small HTTP client on raw sockets: cheap enough not to be what is measured, and free of name lookups."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """Status, body, and how long it took in seconds."""

    status: int
    body: bytes
    took_s: float = 0.0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Address:
    """A server on loopback; `host` goes into the head, `token` into Authorization."""

    port: int
    host: str = "localhost"
    token: str = ""
    scheme: str = "Bearer"

    def head(self, method: str, path: str, body: bytes = b"") -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Accept: application/json"]
        if self.token:
            lines.append(f"Authorization: {self.scheme} {self.token}")
        if body or method in ("POST", "PATCH"):
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*lines, "", ""]).encode() + body

    def ask(self, method: str, path: str, content: Mapping[str, Any] | None = None, timeout_s: float = 60.0) -> Answer:
        """One request on a connection of its own; status 0 = nobody answered."""
        body = b"" if content is None else json.dumps(content).encode()
        try:
            with Connection(self.port, timeout_s) as connection:
                return connection.ask(self.head(method, path, body))
        except OSError:
            return Answer(0, b"")


class Connection:
    """One connection that stays open."""

    def __init__(self, port: int, timeout_s: float = 60.0) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, request: bytes) -> Answer:
        began = time.perf_counter()
        self._socket.sendall(request)
        status, length, chunked = _read_head(self._head_lines())
        body = self._chunks() if chunked else self._file.read(length) if length >= 0 else self._file.read()
        return Answer(status, body, time.perf_counter() - began)

    def _head_lines(self) -> list[bytes]:
        lines: list[bytes] = []
        while (line := self._file.readline().rstrip(b"\r\n")) or not lines:
            if not line:
                raise ConnectionError("closed before an answer")
            lines.append(line)
        return lines

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self._file.readline().split(b";")[0], 16):
            body += self._file.read(size)
            self._file.readline()
        self._file.readline()
        return body


def _read_head(lines: Sequence[bytes]) -> tuple[int, int, bool]:
    """Status, length (-1 = until the end) and whether the body is chunked."""
    status = int(lines[0].split()[1])
    headers = {
        name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(b":") for line in lines[1:])
    }
    if status in (204, 304):
        return status, 0, False
    return status, int(headers.get(b"content-length", b"-1")), b"chunked" in headers.get(b"transfer-encoding", b"")


def all_at_once(requests: Sequence[tuple[int, bytes]], at_a_time: int) -> list[Answer]:
    """Send many requests, so many at a time, each on a connection of its own; answers in their order."""

    async def one(port: int, request: bytes, gate: asyncio.Semaphore) -> Answer:
        async with gate:
            began = time.perf_counter()
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                return Answer(0, b"")
            try:
                writer.write(request.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nConnection: close\r\n", 1))
                raw = await reader.read(-1)
            except OSError:
                return Answer(0, b"")
            finally:
                writer.close()
            head, _, body = raw.partition(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1]) if head else 0
            return Answer(status, body, time.perf_counter() - began)

    async def every() -> list[Answer]:
        gate = asyncio.Semaphore(at_a_time)
        return await asyncio.gather(*(one(port, request, gate) for port, request in requests))

    return asyncio.run(every())


def together(port: int, request: bytes, *, clients: int, seconds: float) -> tuple[list[float], int]:
    """So many clients ask as fast as they are answered; returns the latencies in seconds and how many failed."""

    async def client(deadline: float, times: list[float]) -> int:
        failed = 0
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (began := time.perf_counter()) < deadline:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            status, length, chunked = _read_head(head[:-4].split(b"\r\n"))
            if chunked:
                while size := int((await reader.readline()).split(b";")[0], 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
            else:
                await reader.readexactly(max(length, 0))
            times.append(time.perf_counter() - began)
            failed += status != 200
        writer.close()
        return failed

    async def every() -> tuple[list[float], int]:
        times: list[float] = []
        deadline = time.perf_counter() + seconds
        failed = await asyncio.gather(*(client(deadline, times) for _ in range(clients)))
        return times, sum(failed)

    return asyncio.run(every())

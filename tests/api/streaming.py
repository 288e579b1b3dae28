"""A request whose answer is a stream: read piece by piece, and ended by going away as a browser does."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI

WITHIN_S = 20.0


class Stream:
    """An open answer. `status` and `headers` are there at once; `ended` tells whether the platform closed it."""

    def __init__(self, app: FastAPI, path: str, headers: Mapping[str, str]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._asked = False
        self._begun = asyncio.Event()
        parts = urlsplit(path)
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": parts.path,
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("localhost", 8000),
        }
        self._task = asyncio.create_task(self._run(app, scope))

    async def _run(self, app: FastAPI, scope: dict[str, Any]) -> None:
        try:
            await app(scope, self._receive, self._send)
        finally:
            self._begun.set()
            self._pieces.put_nowait(None)

    async def _receive(self) -> dict[str, Any]:
        if self._asked:
            await self._gone.wait()
            return {"type": "http.disconnect"}
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self._begun.set()
        elif message.get("body"):
            self._pieces.put_nowait(message["body"])

    async def begun(self) -> None:
        """Wait for the head of the answer."""
        async with asyncio.timeout(WITHIN_S):
            await self._begun.wait()

    async def piece(self) -> bytes | None:
        """The next piece of the body, None at its end."""
        async with asyncio.timeout(WITHIN_S):
            return await self._pieces.get()

    async def event(self) -> tuple[str, Any] | None:
        """The next event with its content, None at the end of the stream; remarks are passed over."""
        while (piece := await self.piece()) is not None:
            fields = dict(line.split(": ", 1) for line in piece.decode().splitlines() if line and line[0] != ":")
            if "event" in fields:
                return fields["event"], json.loads(fields["data"])
        return None

    async def close(self) -> None:
        """Go away."""
        self._gone.set()
        async with asyncio.timeout(WITHIN_S):
            await self._task


@contextlib.asynccontextmanager
async def streamed(app: FastAPI, path: str, headers: Mapping[str, str]) -> AsyncIterator[Stream]:
    """An open stream, gone at the end of the block."""
    stream = Stream(app, path, headers)
    try:
        await stream.begun()
        yield stream
    finally:
        await stream.close()

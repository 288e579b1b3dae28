"""Looking into a running workload: its log and commands run in it, as streams."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from roost.api.authentication import platform_of
from roost.api.bodies import body_of, text, texts, truth, whole
from roost.api.routes.workloads import found
from roost.model.errors import Conflict, InvalidInput, NotFound, RoostError
from roost.model.lifecycle import Phase
from roost.model.workload import Kind
from roost.runtimes.base import Capability, ExecChunk
from roost.services.workloads import part_counts

_STDIN_LIMIT = 3 * 2**20
_PROMPT_S, _ALIVE_S = 0.5, 1.5


def router(kind: Kind) -> APIRouter:
    """The routes of one kind."""
    plural = {Kind.WORKSPACE: "workspaces", Kind.CLUSTER: "clusters"}[kind]
    routes = APIRouter(prefix=f"/api/v1/{plural}", tags=[plural])

    async def logs(request: Request, id: str) -> Response:
        return await _logs(request, kind, id)

    async def execute(request: Request, id: str) -> Response:
        return await _exec(request, kind, id)

    routes.add_api_route("/{id}/logs", logs, methods=["GET"])
    routes.add_api_route("/{id}/exec", execute, methods=["POST"])
    return routes


async def _logs(request: Request, kind: Kind, id: str) -> Response:
    row = await found(request, kind, id)
    part = _part(request.query_params.get("part", ""), part_counts(row))
    index = whole(request, "index", 0, least=0, most=10_000)
    offset = whole(request, "offset", 0, least=0, most=1 << 62)
    platform = platform_of(request)
    pieces = platform.runtime.logs(row.id, part, index=index, offset=offset, follow=truth(request, "follow"))
    try:
        first = await anext(pieces, b"")  # an error is an answer, not the end of a stream
    except NotFound:
        if row.phase is not Phase.STARTING and row.started_us is not None:
            raise
        first = b""
    return StreamingResponse(platform.while_serving(_after(first, pieces)), media_type="text/plain; charset=utf-8")


async def _after(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for piece in rest:
        yield piece


async def _exec(request: Request, kind: Kind, id: str) -> Response:
    platform = platform_of(request)
    row = await found(request, kind, id)
    content = await body_of(request, allowed=("argv", "stdin", "part"))
    argv = texts(content, "argv")
    if not argv or not argv[0] or any("\0" in word for word in argv):
        raise InvalidInput("argv is empty or has a NUL.", field="argv", hint='Use a command, as in ["python", "-V"].')
    try:
        stdin = base64.b64decode(text(content, "stdin", ""), validate=True)
    except ValueError:  # binascii.Error is one; characters beyond ASCII are another
        raise InvalidInput("stdin is not base64.", field="stdin", hint="Encode the input as base64.") from None
    if len(stdin) > _STDIN_LIMIT:
        raise InvalidInput("stdin is too large.", field="stdin", hint=f"At most {_STDIN_LIMIT >> 20} MB.")
    if Capability.EXEC not in platform.runtime.capabilities or row.phase is not Phase.RUNNING:
        raise Conflict(
            f"{row.name} is {row.phase}.",
            subject=row.name,
            code="not-running",
            hint=f"Start it: roost {kind} start {row.name}",
        )
    part = _part(text(content, "part", ""), part_counts(row))
    chunks = platform.runtime.exec(row.id, part, argv, stdin=stdin)
    coming = asyncio.ensure_future(anext(chunks))
    await asyncio.wait({coming}, timeout=_PROMPT_S)
    if coming.done():
        coming.result()  # an error that comes at once is an answer, not the end of a stream
    return StreamingResponse(_lines(coming, chunks), media_type="application/x-ndjson")


async def _lines(coming: asyncio.Future[ExecChunk], rest: AsyncIterator[ExecChunk]) -> AsyncIterator[bytes]:
    """What a command prints. While it prints nothing empty lines go out, because that somebody who closed their end
    has left, and the command is to end with them, is only seen by sending."""
    try:
        while True:
            done, _ = await asyncio.wait({coming}, timeout=_ALIVE_S)
            if not done:
                yield b"\n"
                continue
            yield _line(coming.result())
            coming = asyncio.ensure_future(anext(rest))
    except StopAsyncIteration:
        pass
    except RoostError as error:
        yield json.dumps({"error": error.message}).encode() + b"\n"
    finally:
        coming.cancel()


def _line(chunk: ExecChunk) -> bytes:
    if chunk.exit_code is not None:
        return json.dumps({"exit_code": chunk.exit_code}).encode() + b"\n"
    return json.dumps({"stream": chunk.stream, "data": base64.b64encode(chunk.data).decode()}).encode() + b"\n"


def _part(asked: str, parts: dict[str, int]) -> str:
    if not asked:
        return next(iter(parts))
    if asked not in parts:
        raise InvalidInput(
            f"There is no part {asked!r}.", subject=asked, field="part", hint=f"Valid: {', '.join(parts)}."
        )
    return asked

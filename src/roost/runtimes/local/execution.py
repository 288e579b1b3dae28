"""Commands run beside a program: same user, limits and environment, with their output and exit code."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from roost.runtimes.base import ExecChunk
from roost.runtimes.image.shim import Launch
from roost.runtimes.local.parents import Parents

_PIECE = 1 << 16
_QUEUE = 16


async def run_beside(parents: Parents, build: str, launch: Launch, stdin: bytes) -> AsyncIterator[ExecChunk]:
    """Yields output as it comes; the last chunk has the exit code."""
    pipes = [os.pipe() for _ in range(4)]  # input, output, errors, status
    (in_read, in_write), (out_read, out_write), (err_read, err_write), (status_read, status_write) = pipes
    theirs = (in_read, out_write, err_write, status_write)
    ours = {in_write, out_read, err_read, status_read}
    tasks: list[asyncio.Task[None]] = []
    try:
        try:
            await parents.run_beside(build, launch, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        chunks: asyncio.Queue[ExecChunk | None] = asyncio.Queue(_QUEUE)
        tasks.append(asyncio.create_task(_feed(in_write, stdin, ours)))
        tasks.append(asyncio.create_task(_drain(out_read, 1, chunks, ours)))
        tasks.append(asyncio.create_task(_drain(err_read, 2, chunks, ours)))
        open_streams = 2
        while open_streams:
            chunk = await chunks.get()
            if chunk is None:
                open_streams -= 1
            else:
                yield chunk
        code = await asyncio.to_thread(os.read, status_read, 16)
        yield ExecChunk(exit_code=int(code) if code else 137)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for descriptor in ours:
            os.close(descriptor)


async def _feed(descriptor: int, content: bytes, ours: set[int]) -> None:
    """Write the input and end it."""
    with contextlib.suppress(BrokenPipeError):
        while content:
            written = await asyncio.to_thread(os.write, descriptor, content[:_PIECE])
            content = content[written:]
    ours.discard(descriptor)
    os.close(descriptor)


async def _drain(descriptor: int, stream: int, chunks: asyncio.Queue[ExecChunk | None], ours: set[int]) -> None:
    """Pass on what comes until the end of the stream."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_PIECE)
    ours.discard(descriptor)  # the transport closes it
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while piece := await reader.read(_PIECE):
            await chunks.put(ExecChunk(stream=stream, data=piece))
        await chunks.put(None)
    finally:
        transport.close()

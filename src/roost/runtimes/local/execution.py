"""Commands run beside a program: same user, limits and environment, with their output and exit code.

A command is ended with all it started when nobody listens to it any more, or when its workload ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator

from roost.runtimes.base import ExecChunk
from roost.runtimes.image.launch import Launch
from roost.runtimes.local.parents import Parents

_PIECE = 1 << 16
_QUEUE = 16
_KILLED = 137  # 128 + SIGKILL, as shells say it

_Chunks = asyncio.Queue[ExecChunk | None]


async def run_beside(
    parents: Parents, build: str, launch: Launch, stdin: bytes, ended: asyncio.Event
) -> AsyncIterator[ExecChunk]:
    """Yields output as it comes; the last chunk has the exit code. `ended`: the program beside it is over."""
    pipes = [os.pipe() for _ in range(4)]  # input, output, errors, status
    (in_read, in_write), (out_read, out_write), (err_read, err_write), (status_read, status_write) = pipes
    theirs = (in_read, out_write, err_write, status_write)
    ours = {in_write, out_read, err_read, status_read}
    chunks: _Chunks = asyncio.Queue(_QUEUE)
    status = bytearray()
    tasks: list[asyncio.Task[None]] = []
    try:
        try:
            await parents.run_beside(build, launch, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        streams = ((out_read, 1, chunks), (err_read, 2, chunks), (status_read, 0, status))
        tasks += [asyncio.create_task(_drain(descriptor, stream, to, ours)) for descriptor, stream, to in streams]
        reader = tasks[-1]
        tasks.append(asyncio.create_task(_feed(in_write, stdin, ours)))
        tasks.append(asyncio.create_task(_tell_end(ended, chunks)))
        open_streams = 2
        while open_streams and (chunk := await chunks.get()) is not _OVER:
            if chunk is None:
                open_streams -= 1
            else:
                yield chunk
        if open_streams == 0:
            over = asyncio.create_task(ended.wait())
            await asyncio.wait({reader, over}, return_when=asyncio.FIRST_COMPLETED)
            over.cancel()
        yield ExecChunk(exit_code=int(status) if status else _KILLED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for descriptor in ours:
            os.close(descriptor)


_OVER = ExecChunk(exit_code=_KILLED)


async def _tell_end(ended: asyncio.Event, chunks: _Chunks) -> None:
    await ended.wait()
    await chunks.put(_OVER)


async def _feed(descriptor: int, content: bytes, ours: set[int]) -> None:
    """Write the input and end it."""
    os.set_blocking(descriptor, False)
    left = memoryview(content)
    with contextlib.suppress(BrokenPipeError):
        while left:
            try:
                left = left[os.write(descriptor, left[:_PIECE]) :]
            except BlockingIOError:
                await _writable(descriptor)
    ours.discard(descriptor)
    os.close(descriptor)


async def _writable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    told = loop.create_future()
    loop.add_writer(descriptor, told.set_result, None)
    try:
        await told
    finally:
        loop.remove_writer(descriptor)


async def _drain(descriptor: int, stream: int, to: _Chunks | bytearray, ours: set[int]) -> None:
    """Pass on what comes until the end of the stream."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_PIECE)
    ours.discard(descriptor)  # the transport closes it
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        while piece := await reader.read(_PIECE):
            if isinstance(to, bytearray):
                to += piece
            else:
                await to.put(ExecChunk(stream=stream, data=piece))
        if not isinstance(to, bytearray):
            await to.put(None)
    finally:
        transport.close()

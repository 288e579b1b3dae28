"""A Dask worker of a cluster: mutual TLS, no HTTP server, no nanny; its limits come from its size.

The runtime restarts a worker that ends; so a worker that lost its scheduler, or cannot find it, just ends.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import dask.config
from distributed import Worker

from roost.runtimes.image import dask_common

SCHEDULER_WAIT_S = 60.0
_POLL_S = 0.004
_FAILED = 1
#: One thread of Dask is one thread of work; what a task loads later must not start a pool of its own.
_SINGLE_THREADED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class PrivateWorker(Worker):  # type: ignore[misc]
    """A worker without an HTTP server: it would answer anyone."""

    def start_http_server(self, *_address: Any, **_options: Any) -> None:
        """Serve nothing."""


async def scheduler_address() -> str:
    """Where the scheduler is: given, or read from the file its part writes when it listens."""
    given = os.environ.get("ROOST_DASK_SCHEDULER")
    if given:
        return given
    file = Path(os.environ["ROOST_PEERS"]) / "scheduler" / "dask"
    while not file.exists():  # noqa: ASYNC110  another process writes it
        await asyncio.sleep(_POLL_S)
    return file.read_text().strip().replace("tcp:", "tls://", 1)


async def work(stop: asyncio.Event) -> int:
    """Run the worker until told to stop or the scheduler is gone."""
    for name in _SINGLE_THREADED:
        os.environ.setdefault(name, "1")
    told = asyncio.create_task(stop.wait())
    starting = asyncio.create_task(_start())
    await asyncio.wait({told, starting}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        return 0
    worker = await starting
    dask_common.publish("ready", worker.address)
    ended = asyncio.create_task(worker.finished())
    await asyncio.wait({told, ended}, return_when=asyncio.FIRST_COMPLETED)
    asked = told.done()
    await worker.close(timeout=5, executor_wait=False, reason="stopped" if asked else "scheduler-gone")
    told.cancel()
    await ended
    return 0 if asked else _FAILED


async def _start() -> PrivateWorker:
    scheduler = await asyncio.wait_for(scheduler_address(), SCHEDULER_WAIT_S)
    memory_bytes = int(os.environ.get("ROOST_MEMORY_BYTES") or 0)
    worker: PrivateWorker = PrivateWorker(
        scheduler,
        name=int(os.environ.get("ROOST_INDEX") or 0),
        nthreads=max(1, int(os.environ.get("ROOST_CPU_MILLIS") or 1000) // 1000),
        memory_limit=memory_bytes or "auto",
        protocol="tls",
        host=dask_common.listen_host(),
        security=dask_common.security(),
        local_directory=dask_common.scratch_directory(),
        death_timeout=SCHEDULER_WAIT_S,
    )
    with dask.config.set({"distributed.worker.http.routes": []}):
        await worker
    return worker


def main(argv: list[str]) -> int:
    """Entry point; settings come from the environment."""
    del argv
    return dask_common.run(work)

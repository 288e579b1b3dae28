"""The Dask scheduler of a cluster: mutual TLS on one port, its pages on a unix socket and nowhere else.

Dask's TLS does not cover its HTTP server, which answers `/json/identity.json` and `/metrics` to anyone who
connects. So it never listens on TCP here: only the data plane reaches the socket, after its gate.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import dask.config

# What a scheduler imports when it starts is imported here, so that a forked one starts at once.
import distributed.dashboard.scheduler
import distributed.http.health
import distributed.http.scheduler.info
import distributed.http.scheduler.json
import distributed.http.scheduler.prometheus
import distributed.http.statics  # noqa: F401
from distributed import Scheduler
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.http.routing import RoutingApplication
from distributed.scheduler import WorkerStatusPlugin
from tornado.httpserver import HTTPServer
from tornado.ioloop import PeriodicCallback
from tornado.netutil import bind_unix_socket

from roost.runtimes.image import dask_common

#: Dask's own pages, without its proxy to worker pages: workers have none here.
HTTP_ROUTES = [
    "distributed.http.scheduler.prometheus",
    "distributed.http.scheduler.info",
    "distributed.http.scheduler.json",
    "distributed.http.health",
    "distributed.http.statics",
]
ACTIVITY_INTERVAL_S = 5.0
_NOT_A_PERSON = "fire-and-forget"  # a client Dask keeps for itself


class PrivateScheduler(Scheduler):  # type: ignore[misc]
    """A scheduler whose HTTP server listens on the unix socket ROOST_SOCKET_HTTP only."""

    def start_http_server(self, routes: list[Any], *_address: Any, **_options: Any) -> None:
        """Serve the pages on the unix socket; there is no port to tell anyone about."""
        self.http_application = RoutingApplication(routes)
        self.http_server = HTTPServer(self.http_application)
        self.http_server.add_socket(bind_unix_socket(os.environ["ROOST_SOCKET_HTTP"], mode=0o600))
        self.http_server.port = None  # Bokeh's list of origins reads it

    def subscribe_worker_status(self, comm: Any) -> Any:
        """Tell one more cluster object which workers come and go.

        Dask names all these plugins alike, so that with a second object the first one would hear nothing more.
        """
        WorkerWatch(self, comm)
        told = self.identity()
        for worker in told["workers"].values():
            del worker["metrics"], worker["last_seen"]
        return told

    async def _stop_services(self) -> None:
        self.http_server.stop()
        await super()._stop_services()


class WorkerWatch(WorkerStatusPlugin):  # type: ignore[misc]
    """Dask's plugin under a name of its own."""

    def __init__(self, scheduler: Scheduler, comm: Any) -> None:
        self.name = f"worker-status-{id(comm)}"
        super().__init__(scheduler, comm)


class Activity(SchedulerPlugin):  # type: ignore[misc]
    """Tells the runtime how many clients are connected, for the rule that stops idle clusters.

    The file `clients` holds `{"clients": n, "last_client_us": t}`; `t` is the last time there was a client or
    work still going on, so work that somebody left behind is not cut off.
    """

    name = "roost-activity"

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._last_us = 0
        self._timer = PeriodicCallback(self.report, ACTIVITY_INTERVAL_S * 1000)

    def start(self) -> None:
        """Report now and every few seconds."""
        self.report()
        self._timer.start()

    def report(self) -> None:
        """Write what is true now."""
        clients = sum(1 for client in self._scheduler.clients if client != _NOT_A_PERSON)
        busy = any(worker.processing for worker in self._scheduler.workers.values())
        if clients or busy or not self._last_us:
            self._last_us = time.time_ns() // 1000
        dask_common.publish("clients", json.dumps({"clients": clients, "last_client_us": self._last_us}))

    def add_client(self, *_: Any, **__: Any) -> None:
        """A client came."""
        self.report()

    def remove_client(self, *_: Any, **__: Any) -> None:
        """A client went; Dask calls this before it forgets it, so look again right after."""
        asyncio.get_running_loop().call_soon(self.report)

    async def close(self) -> None:
        """Stop reporting."""
        self._timer.stop()


async def serve(stop: asyncio.Event) -> int:
    """Run the scheduler until told to stop."""
    Path(os.environ["ROOST_SOCKET_HTTP"]).unlink(missing_ok=True)
    port = int(os.environ.get("ROOST_PORT_DASK") or 0)
    with dask.config.set({"distributed.scheduler.http.routes": list(HTTP_ROUTES)}):
        scheduler = PrivateScheduler(
            protocol="tls",
            host=dask_common.listen_host(),
            port=port,
            security=dask_common.security(),
            dashboard=True,
        )
    await scheduler
    activity = Activity(scheduler)
    scheduler.add_plugin(activity)
    activity.start()
    dask_common.publish("dask", scheduler.address.replace("tls://", "tcp:"))
    told = asyncio.create_task(stop.wait())
    ended = asyncio.create_task(scheduler.finished())
    await asyncio.wait({told, ended}, return_when=asyncio.FIRST_COMPLETED)
    await scheduler.close(reason="stopped")
    told.cancel()
    await ended
    return 0


def main(argv: list[str]) -> int:
    """Entry point; settings come from the environment."""
    del argv
    return dask_common.run(serve)

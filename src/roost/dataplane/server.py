"""The life of the data plane: it listens, polls the store, ends what is overdue, reports, and stops politely."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Coroutine

from roost.dataplane.activity import REPORT_S, send
from roost.dataplane.client import ClientConnection
from roost.dataplane.door import FrontDoor
from roost.model.errors import RoostError
from roost.settings import Settings

POLL_S = 0.04
SWEEP_S = 1.0
_SWEEPS_TO_FLUSH = 30


class Server:
    """Runs a front door on a bound socket until stopped."""

    def __init__(self, door: FrontDoor, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self._door = door
        self._listener = listener
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._jobs: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to accept."""
        loop = asyncio.get_running_loop()
        self._door.refresh()
        timeout = self._door.limits.head_s if self._tls is not None else None
        self._server = await loop.create_server(
            lambda: ClientConnection(self._door),
            sock=self._listener,
            backlog=2048,
            ssl=self._tls,
            ssl_handshake_timeout=timeout,
        )
        jobs: tuple[Coroutine[object, object, None], ...] = (self._poll(), self._sweep(), self._report())
        self._jobs = [loop.create_task(job) for job in jobs]

    async def stop(self, grace_s: float = 3.0) -> None:
        """Accept nothing new, let answers under way finish, then end everything."""
        door = self._door
        if self._server is not None:
            self._server.close()
        deadline = door.now() + grace_s
        while door.now() < deadline:
            busy = [client for client in list(door.clients) if not client.close_when_idle()]
            if not busy:
                break
            await asyncio.sleep(0.02)
        for tunnel in list(door.tunnels):
            tunnel.close()
        for client in list(door.clients):
            client.abort()
        for job in self._jobs:
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)

    async def _poll(self) -> None:
        """See changes of the store soon; with the control plane gone as well."""
        while True:
            await asyncio.sleep(POLL_S)
            self._door.refresh()

    async def _sweep(self) -> None:
        """Once a second: what is overdue, what has expired, what cannot flush."""
        door = self._door
        while True:
            await asyncio.sleep(SWEEP_S)
            door.enforce()
            now = door.now()
            for client in [client for client in door.clients if client.deadline < now]:
                client.expire()
            for tunnel in [tunnel for tunnel in door.tunnels if tunnel.half_gone]:
                tunnel.ending += 1
                if tunnel.ending > _SWEEPS_TO_FLUSH:
                    tunnel.close()

    async def _report(self) -> None:
        """Tell the control plane who uses what."""
        door = self._door
        while True:
            await asyncio.sleep(REPORT_S)
            content = door.activity_report()
            if content is not None:
                await send(door.control_socket, door.rules.key, content)


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """TLS as the certificate of the settings allows it; None where it ends elsewhere."""
    if settings.tls_cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    with contextlib.suppress(AttributeError):
        context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except OSError as error:  # that of TLS is one too
        raise RoostError(
            f"The certificate cannot be used: {error.strerror or error}.",
            subject=str(settings.tls_cert),
            field="tls_cert",
            hint="Name a PEM file with --tls-cert, and with --tls-key its private key where that is a file of its own.",
        ) from None
    return context

"""`python -m roost.dataplane`: the data plane as a process of its own, told everything by ROOST_SETTINGS."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import ssl
import sys
from dataclasses import replace

from roost.dataplane.door import FrontDoor
from roost.dataplane.limits import Limits
from roost.dataplane.server import Server, tls_context
from roost.model.errors import RoostError
from roost.settings import Settings
from roost.store.gate import GateReader
from roost.supervisor import EXIT_HOPELESS, LISTEN_FD, SETTINGS, listen, say

_FILES_PER_CONNECTION = 3  # a client, an upstream, and some room


def main() -> int:
    """Serve until SIGTERM; exit code 4 when trying again would not help."""
    settings = Settings.from_json(os.environ[SETTINGS])
    try:
        key = (settings.keys / "ticket.key").read_bytes()
        tls = tls_context(settings)
        listener = _listener(settings)
    except RoostError as error:
        where = f" ({error.subject})" if error.subject not in error.message else ""
        say(f"error: {error.message}{where}" + (f"\nhint: {error.hint}" if error.hint else ""))
        return EXIT_HOPELESS
    except OSError as error:
        say(f"error: The data plane cannot start: {error}.")
        return EXIT_HOPELESS
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(_serve(settings, key, listener, tls))
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    with contextlib.suppress(ImportError):
        from uvloop import new_event_loop

        return new_event_loop()
    return asyncio.new_event_loop()


def _listener(settings: Settings) -> socket.socket:
    inherited = os.environ.get(LISTEN_FD)
    return socket.socket(fileno=int(inherited)) if inherited else listen(settings)


async def _serve(settings: Settings, key: bytes, listener: socket.socket, tls: ssl.SSLContext | None) -> None:
    view = GateReader(settings)
    limits = Limits()
    limits = replace(limits, connections=min(limits.connections, _open_files() // _FILES_PER_CONNECTION))
    server = Server(FrontDoor(settings, view, key, limits), listener, tls)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    await server.start()
    gc.collect()
    gc.freeze()
    await stopping.wait()
    await server.stop()
    view.close()


def _open_files() -> int:
    """As many as the system lets us have; the default of 1,024 is for programs of another time."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536), hard))
        return min(hard, 65536)
    return soft


if __name__ == "__main__":
    sys.exit(main())

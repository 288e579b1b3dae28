"""`python -m roost.control`: the control plane on its unix socket. Settings come from ROOST_SETTINGS."""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import Any

from roost.model.errors import RoostError, Unavailable
from roost.settings import Settings
from roost.supervisor import EXIT_HOPELESS, SETTINGS

_SHUTDOWN_S = 5
log = logging.getLogger(__name__)


def main() -> None:
    """Open the store, make the app, serve until SIGTERM."""
    settings = Settings.from_json(os.environ[SETTINGS])
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of its plugins
    try:
        app = _app(settings)
    except RoostError as error:
        where = f" ({error.subject})" if error.subject else ""
        sys.stderr.write(f"error: {error.message}{where}\n" + (f"hint: {error.hint}\n" if error.hint else ""))
        sys.exit(EXIT_HOPELESS)
    _serve(settings, app)


def _app(settings: Settings) -> Any:
    from roost.api.app import create_app
    from roost.runtimes.local.runtime import LocalRuntime
    from roost.services.keys import ensure_keys
    from roost.store.database import open_store

    ensure_keys(settings)
    store = open_store(settings)
    try:
        _introduce(settings, store)
    except Unavailable as error:
        if error.code != "disk-full":
            raise
        log.warning("%s %s", error.message, error.hint)  # those who are known already get in, and can make room
    runtime = LocalRuntime(settings)
    return create_app(settings, store, runtime, disks=runtime.disks, builder=runtime.builder)


def _introduce(settings: Settings, store: Any) -> None:
    """The token file of programs, and the link by which the first administrator gets in."""
    from roost.services.first_administrator import ensure_first_administrator
    from roost.services.invitations import first_administrator_code

    now_us = time.time_ns() // 1000
    if settings.admin_token_file is not None:
        ensure_first_administrator(store, settings.admin_token_file, now_us=now_us)
    code = first_administrator_code(store, now_us=now_us)
    if code is not None:
        sys.stdout.write(
            "Nobody can sign in yet. Choose the name and password of the first administrator here (works once):\n"
            f"  {settings.origin}/join/{code}\n"
        )
        sys.stdout.flush()


def _server(config: Any, app: Any) -> Any:
    """A server that ends long answers as soon as it is told to stop, instead of waiting for them."""
    import asyncio

    import uvicorn

    class Server(uvicorn.Server):
        async def serve(self, sockets: Any = None) -> None:
            self.loop = asyncio.get_running_loop()
            await super().serve(sockets)

        def handle_exit(self, sig: int, frame: Any) -> None:
            self.loop.call_soon_threadsafe(app.state.platform.stopping.set)
            super().handle_exit(sig, frame)

    return Server(config)


def _serve(settings: Settings, app: Any) -> None:
    import uvicorn

    settings.control_socket.unlink(missing_ok=True)
    old = os.umask(0o177)  # the socket is for the data plane, which is the same user
    try:
        config = uvicorn.Config(
            app,
            uds=str(settings.control_socket),
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_SHUTDOWN_S,
            lifespan="on",
            ws="none",
        )
        server = _server(config, app)
        config.load()
        sock = config.bind_socket()
        settings.control_socket.chmod(0o600)
        os.umask(old)
        server.run(sockets=[sock])
    finally:
        os.umask(old)


if __name__ == "__main__":
    main()

"""What the Dask scheduler and worker programs share: certificates, addresses, and running until told to stop.

Everything is read from the environment when a program starts, never at import: programs are forked from a
parent that imported them long before.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import tornado.platform.asyncio  # noqa: F401  imported early, so that a forked program starts at once
from distributed.security import Security

_LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


def security() -> Security:
    """Mutual TLS from the files of the part: nobody without a certificate of this cluster gets in."""
    files = Path(os.environ["ROOST_FILES"])
    ca, certificate, key = (str(files / name) for name in ("ca.pem", "cert.pem", "key.pem"))
    return Security(
        require_encryption=True,
        tls_min_version=ssl.TLSVersion.TLSv1_3,
        tls_ca_file=ca,
        **{f"tls_{role}_cert": certificate for role in ("client", "scheduler", "worker")},
        **{f"tls_{role}_key": key for role in ("client", "scheduler", "worker")},
    )


def listen_host() -> str:
    """The address to listen on; loopback unless the runtime gives another."""
    return os.environ.get("ROOST_LISTEN_HOST", "127.0.0.1")


def scratch_directory() -> str:
    """Where a program may spill to disk: beside its other files, gone with the workload."""
    given = os.environ.get("ROOST_SCRATCH") or os.environ.get("TMPDIR")
    return given or str(Path(os.environ["ROOST_ADDRESSES"]).parent)


def publish(name: str, text: str) -> None:
    """Write a small file for the runtime, whole or not at all."""
    target = Path(os.environ["ROOST_ADDRESSES"]) / name
    draft = target.with_name(f".{name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(target)


def run(program: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run a program until it ends or SIGTERM or SIGINT sets its event; returns its exit code."""
    logging.basicConfig(level=logging.INFO, format=_LOG_FORMAT, force=True)

    async def main() -> int:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        return await program(stop)

    return asyncio.run(main())

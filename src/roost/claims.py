"""What a running platform claims of the machine: its home, by a lock, and its port, by a bound socket.

Both are refused with the process that holds them; a refused claim changes nothing.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from roost.model.errors import Conflict, RoostError
from roost.settings import Settings

BACKLOG = 2048


@contextlib.contextmanager
def held_home(settings: Settings) -> Iterator[None]:
    """Hold the home; a second holder is told who has it."""
    path = settings.home / "roost.lock"
    _make(settings, settings.home)
    try:
        lock = path.open("a+")
    except OSError as error:
        raise _not_writable(settings, path, error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise Conflict(
                f"{settings.home} is in use by process {lock.read().strip() or '?'}.",
                subject=str(settings.home),
                field="home",
                hint="Stop that `roost up` first, or use another --home.",
            ) from None
        with contextlib.suppress(OSError):  # on a full disk the lock holds without its name
            lock.seek(0)
            lock.truncate()
            lock.write(str(os.getpid()))
            lock.flush()
        yield


def make_home(settings: Settings) -> None:
    """Create the directories of a home. Other users may pass through, not look around."""
    for path in (
        settings.keys,
        settings.volumes,
        settings.images,
        settings.workloads,
        settings.logs,
        settings.sockets,
    ):
        _make(settings, path)
    settings.keys.chmod(0o700)


def _make(settings: Settings, path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o711)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise _not_writable(settings, path, error) from None


def _not_writable(settings: Settings, path: Path, error: OSError) -> RoostError:
    return RoostError(
        f"The home cannot be written: {path}: {error.strerror}.",
        subject=str(settings.home),
        field="home",
        code="home-not-writable",
        hint="Use --home with a directory of yours.",
    )


def bind(settings: Settings) -> socket.socket:
    """A socket that has the public port and does not listen yet, or an error that says what holds the port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((settings.host, settings.port))
    except OSError as error:
        bound.close()
        raise _port_taken(settings, error) from None
    bound.setblocking(False)
    return bound


def listen(settings: Settings) -> socket.socket:
    """The public listening socket, or an error that says what holds the port."""
    listener = bind(settings)
    try:
        listener.listen(BACKLOG)
    except OSError as error:  # somebody else bound it too, and was faster
        listener.close()
        raise _port_taken(settings, error) from None
    return listener


def _port_taken(settings: Settings, error: OSError) -> Conflict:
    held = error.errno == errno.EADDRINUSE
    holder = holder_of_port(settings.port) if held else ""
    return Conflict(
        f"Cannot listen on {settings.host} port {settings.port}: {error.strerror}"
        + (f" by {holder}." if holder else "."),
        subject=str(settings.port),
        field="port",
        code="port-taken",
        hint="Use another --port, or stop what holds it." if held else "Use another --port or --host.",
    )


def holder_of_port(port: int) -> str:
    """Which process listens on a TCP port, as `name (process 123)`; "" where that cannot be found out."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            inodes |= {r[9] for r in rows if r[3] == "0A" and int(r[1].rsplit(":", 1)[1], 16) == port}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*") if wanted else ():
        with contextlib.suppress(OSError):
            if any(str(fd.readlink()) in wanted for fd in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""

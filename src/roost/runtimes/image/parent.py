"""A pre-imported parent: imports a family of modules once, then forks each program in milliseconds.

It starts no thread and opens no network connection. It forks before it reads a request, so that nothing of one
person's request is ever in the memory of another's program. It listens on a unix socket that only its own user may
use, and lives in a session of its own: the control plane may come and go.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import BinaryIO, NoReturn

from roost.runtimes.image import sandbox, shim
from roost.runtimes.image.files import write_json
from roost.runtimes.image.launch import Launch
from roost.runtimes.image.processes import boot_id, start_time

#: What each family imports before it forks.
FAMILIES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "lab": ("roost.runtimes.image.lab",),
    "dask": ("roost.runtimes.image.dask_scheduler", "roost.runtimes.image.dask_worker"),
}
_REQUEST_LIMIT = 4 * 2**20
_LENGTH_BYTES = 8
_REQUEST_WAIT_S = 5.0
#: Threads of numerical libraries would not survive a fork.
SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def serve(family: str, path: Path) -> NoReturn:
    """Import, then fork on request for ever."""
    for name in FAMILIES[family]:
        module = importlib.import_module(name)
        getattr(module, "preload", lambda: None)()
    if count_threads() > 1:
        raise SystemExit(f"The imports of {family!r} started threads: forking would be unsafe.")
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # shims keep their own records
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with _alone(path), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        _publish(listener, path)
        while True:
            connection, _ = listener.accept()
            with connection:
                _answer(connection, listener)


def count_threads() -> int:
    """Threads of this process, those of libraries too."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208  Path would need another import
    except FileNotFoundError:
        return threading.active_count()


def _alone(path: Path) -> BinaryIO:
    """Make sure that there is one parent at an address: whoever asked for another one may have been killed."""
    lock = path.with_suffix(".lock").open("wb")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of this process only: forked programs do not hold it
    except OSError:
        raise SystemExit(0) from None
    return lock


def _publish(listener: socket.socket, path: Path) -> None:
    """Listen under a draft name, so that the socket appears only when it answers."""
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    listener.bind(str(draft))
    draft.chmod(0o600)
    listener.listen(512)
    identity = {"pid": os.getpid(), "boot": boot_id(), "started": start_time(os.getpid())}
    write_json(path.with_suffix(".json"), identity)
    draft.replace(path)


def _answer(connection: socket.socket, listener: socket.socket) -> None:
    try:
        pid = os.fork()
    except OSError as error:
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps({"error": f"cannot fork: {error.strerror}"}).encode() + b"\n")
        return
    if pid == 0:
        try:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _start(connection)
        finally:
            os._exit(1)


def _start(connection: socket.socket) -> None:
    """In the child: read the request, say who we are, become what was asked for."""
    with connection:
        connection.settimeout(_REQUEST_WAIT_S)
        try:
            request, descriptors = receive(connection)
        except (OSError, ValueError):
            return  # somebody only looked whether we answer
        connection.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
    launch = Launch.from_json(request)
    if descriptors:
        _beside(launch, descriptors)
    shim.run(launch)


def receive(connection: socket.socket) -> tuple[str, list[int]]:
    """A request: eight digits of length, then JSON; with a command to run beside a program, four descriptors."""
    head, descriptors, _flags, _address = socket.recv_fds(connection, _LENGTH_BYTES, 4)
    length = int(head)
    if length > _REQUEST_LIMIT:
        raise ValueError("request too large")
    body = bytearray()
    while len(body) < length:
        piece = connection.recv(length - len(body))
        if not piece:
            raise ValueError("request ended early")
        body += piece
    return body.decode(), descriptors


def _beside(launch: Launch, descriptors: list[int]) -> NoReturn:
    """Run a command with the rights and limits of a program; its exit code goes to the fourth descriptor.

    When nobody reads that one any more, the command is ended with all it started.
    """
    status = descriptors[3]
    if os.getsid(0) != os.getpid():
        os.setsid()
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors[:3]:
        if descriptor > 2:
            os.close(descriptor)
    os.set_inheritable(status, False)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the whole group is told; the exit code is still reported
    wake_read, wake_write = os.pipe()
    for end in (wake_read, wake_write):
        os.set_blocking(end, False)
        os.set_inheritable(end, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    if launch.sandbox > 0:
        sandbox.join(launch.sandbox)
    command = os.fork()
    if command == 0:
        signal.set_wakeup_fd(-1)
        _become_command(launch)
    for number in range(3):
        os.close(number)
    code = _wait_beside(command, wake_read, status)
    with contextlib.suppress(OSError):
        os.write(status, str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def _become_command(launch: Launch) -> NoReturn:
    try:
        for number in (signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        shim.enter(launch)
        argv = [*launch.prefix, *launch.argv]
        os.execvpe(argv[0], argv, dict(launch.environment))
    except OSError as error:
        os.write(2, f"error: cannot run {launch.argv[0]!r}: {error.strerror}\n".encode())
    except BaseException as error:
        os.write(2, f"error: {error}\n".encode())
    finally:
        os._exit(127)


def _wait_beside(command: int, wake: int, status: int) -> int:
    """The exit code of the command; ends its process group when nobody waits for the code."""
    poll = select.poll()
    poll.register(wake, select.POLLIN)
    poll.register(status, 0)  # errors and hang-ups are always told
    while True:
        ended, how = os.waitpid(command, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(how)
        for descriptor, _ in poll.poll():
            if descriptor == status:
                os.killpg(0, signal.SIGKILL)  # ourselves included
            else:
                os.read(wake, 512)


def encode(request: str) -> bytes:
    """A request as it travels."""
    body = request.encode()
    return f"{len(body):0{_LENGTH_BYTES}d}".encode() + body


def main(argv: list[str]) -> NoReturn:
    """`FAMILY SOCKET`, or `beside DESCRIPTORS` to run one command where forking is impossible."""
    family, path = argv
    if family == "beside":
        _beside(Launch.from_json(sys.stdin.read()), [int(number) for number in path.split(",")])
    for name in SINGLE_THREADED:
        os.environ[name] = "1"
    serve(family, Path(path))


if __name__ == "__main__":
    main(sys.argv[1:])

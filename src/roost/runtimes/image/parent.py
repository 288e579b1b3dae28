"""A pre-imported parent: imports a family of modules once, then forks each program in milliseconds.

It starts no thread and opens no network connection. It listens on a unix socket that only its own user may use,
and lives in a session of its own: the control plane may come and go.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import NoReturn

from roost.runtimes.image import shim

#: What each family imports before it forks.
FAMILIES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "lab": ("roost.runtimes.image.lab",),
    "dask": ("roost.runtimes.image.dask_scheduler", "roost.runtimes.image.dask_worker"),
}
_REQUEST_LIMIT = 4 * 2**20
_LENGTH_BYTES = 8
#: Threads of numerical libraries would not survive a fork.
SINGLE_THREADED = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def serve(family: str, path: Path) -> NoReturn:
    """Import, then fork on request for ever."""
    for name in FAMILIES[family]:
        module = importlib.import_module(name)
        getattr(module, "preload", lambda: None)()
    if threading.active_count() > 1 or len(list(Path("/proc/self/task").iterdir())) > 1:
        raise SystemExit(f"The imports of {family!r} started threads: forking would be unsafe.")
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # shims keep their own records
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        listener.bind(str(draft))
        draft.chmod(0o600)
        listener.listen(512)
        shim.write_json(
            path.with_suffix(".json"),
            {"pid": os.getpid(), "boot": shim.boot_id(), "started": shim.start_time(os.getpid())},
        )
        draft.replace(path)
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError, ValueError, KeyError):
                connection.settimeout(5.0)
                _answer(connection, listener)


def _answer(connection: socket.socket, listener: socket.socket) -> None:
    request, descriptors = receive(connection)
    try:
        pid = os.fork()
    except OSError as error:
        connection.sendall(json.dumps({"error": f"cannot fork: {error.strerror}"}).encode() + b"\n")
        return
    finally:
        for descriptor in descriptors if sys.exc_info()[0] else ():
            os.close(descriptor)
    if pid == 0:
        listener.close()
        connection.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        launch = shim.Launch.from_json(request)
        if descriptors:
            _execute(launch, descriptors)
        shim.run(launch)
    for descriptor in descriptors:
        os.close(descriptor)
    connection.sendall(json.dumps({"pid": pid}).encode() + b"\n")


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


def _execute(launch: shim.Launch, descriptors: list[int]) -> NoReturn:
    """Run a command with the rights and limits of a program; its exit code goes to the fourth descriptor."""
    status = descriptors[3]
    os.setsid()
    for number, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, number)
    for descriptor in descriptors[:3]:
        os.close(descriptor)
    program = os.fork()
    if program == 0:
        os.close(status)
        try:
            shim.enter(launch)
            argv = [*launch.prefix, *launch.argv]
            os.execvpe(argv[0], argv, dict(launch.environment))
        except OSError as error:
            os.write(2, f"error: cannot run {launch.argv[0]!r}: {error.strerror}\n".encode())
        except BaseException as error:
            os.write(2, f"error: {error}\n".encode())
        os._exit(127)
    for number in range(3):
        os.close(number)
    code = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    with contextlib.suppress(OSError):
        os.write(status, str(code if code >= 0 else 128 - code).encode())
    os._exit(0)


def encode(request: str) -> bytes:
    """A request as it travels."""
    body = request.encode()
    return f"{len(body):0{_LENGTH_BYTES}d}".encode() + body


def main(argv: list[str]) -> NoReturn:
    """`FAMILY SOCKET`, or `beside DESCRIPTORS` to run one command where forking is impossible."""
    family, path = argv
    if family == "beside":
        descriptors = [int(number) for number in path.split(",")]
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        _execute(shim.Launch.from_json(sys.stdin.read()), descriptors)
    for name in SINGLE_THREADED:
        os.environ[name] = "1"
    serve(family, Path(path))


if __name__ == "__main__":
    main(sys.argv[1:])

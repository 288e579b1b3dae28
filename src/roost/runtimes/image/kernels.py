"""Kernels of a workspace: forked from a parent that has imported them, on unix sockets.

The kernel parent is forked by JupyterLab before it starts any thread, so it has the same owner, limits and
sandbox. When it is gone, kernels are executed as usual.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import secrets
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any, NoReturn

import zmq
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from traitlets import Unicode, default

from roost.runtimes.image.packages import add_user_packages
from roost.runtimes.image.processes import set_title

PARENT_SOCKET = "ROOST_KERNEL_PARENT"
_LAUNCHER = "ipykernel_launcher"
_ANSWER_WAIT_S = 5.0
_LIMIT = 1 << 20
_RECONNECT_MS = 10
_ASK_AGAIN_S = (0.01, 0.02, 0.04, 0.08, 0.16)


def start_parent() -> None:
    """Fork the kernel parent; kernels find it by the variable ROOST_KERNEL_PARENT."""
    path = Path(os.environ["ROOST_ADDRESSES"]) / "kernels.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(64)
    alive, held_by_lab = os.pipe()  # kernels see the end of Lab as the end of this pipe
    if os.fork() == 0:
        os.close(held_by_lab)
        _serve(listener, alive)
    listener.close()
    os.close(alive)
    os.environ[PARENT_SOCKET] = str(path)


def _serve(listener: socket.socket, alive: int) -> NoReturn:
    """Fork a kernel for each request; tell its pid, and later its exit status, on the request's connection."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_title(f"roost-kernels {os.environ.get('ROOST_WORKLOAD', '')}")
    gc.freeze()
    waiting: dict[int, socket.socket] = {}
    wake_read, wake_write = socket.socketpair()
    wake_read.setblocking(False)
    wake_write.setblocking(False)
    signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    import select

    poll = select.poll()
    poll.register(listener, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    poll.register(alive, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == alive:
                os._exit(0)
            if descriptor == listener.fileno():
                connection, _address = listener.accept()
                pid = _fork_kernel(connection, (listener, wake_read, wake_write), waiting, alive)
                waiting[pid] = connection
                with contextlib.suppress(OSError):
                    connection.sendall(f"{pid}\n".encode())
            else:
                with contextlib.suppress(BlockingIOError):
                    wake_read.recv(512)
        _report_ended(waiting)


def _report_ended(waiting: dict[int, socket.socket]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if connection := waiting.pop(pid, None):
            with contextlib.suppress(OSError):
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
            connection.close()


def _fork_kernel(
    connection: socket.socket, ours: tuple[socket.socket, ...], waiting: dict[int, socket.socket], alive: int
) -> int:
    connection.settimeout(_ANSWER_WAIT_S)
    with connection.makefile("r") as lines:
        request = json.loads(lines.readline(_LIMIT))
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for inherited in (*ours, connection, *waiting.values()):
            inherited.close()
        os.setsid()
        set_title(f"roost-kernel {os.environ.get('ROOST_WORKLOAD', '')}")
        os.environ.clear()
        os.environ.update(request["environment"])
        os.chdir(request["directory"])
        sys.argv = [_LAUNCHER, *request["argv"]]
        added = request["environment"].get("PYTHONPATH", "")
        add_user_packages()
        sys.path[:0] = ["", *(path for path in added.split(os.pathsep) if path)]
        threading.Thread(target=_end_with, args=(alive,), daemon=True, name="end-with-lab").start()
        from ipykernel import kernelapp

        kernelapp.launch_new_instance(argv=request["argv"])
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _end_with(alive: int) -> None:
    os.read(alive, 1)
    os._exit(1)


class ForkedKernel:
    """A kernel forked by the kernel parent, with the part of the interface of a Popen that provisioners use."""

    def __init__(self, connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin = self.stdout = self.stderr = None
        self._connection = connection
        connection.setblocking(False)

    def poll(self) -> int | None:
        """The exit code once the kernel ended; negative for a signal."""
        if self.returncode is None:
            try:
                said = self._connection.recv(64)
            except BlockingIOError:
                return None
            except OSError:
                said = b""
            if said:
                self.returncode = int(said)
            elif not _exists(self.pid):  # the kernel parent is gone, and so is the kernel
                self.returncode = -signal.SIGKILL
            if self.returncode is not None:
                self._connection.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the end; the provisioner calls it when `poll` said so."""
        del timeout
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Signal the kernel."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class RoostProvisioner(LocalProvisioner):  # type: ignore[misc]
    """Forks Python kernels; executes any other kernel, and all of them when the parent is gone."""

    process: Any = None

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> dict[str, Any]:
        """Start the kernel; returns its connection information."""
        forked = await self._fork(cmd, kwargs)
        if forked is None:
            return dict(await super().launch_kernel(cmd, **kwargs))
        self.process = forked
        self.pid = forked.pid
        self.pgid = forked.pid
        return dict(self.connection_info)

    async def _fork(self, cmd: list[str], kwargs: dict[str, Any]) -> ForkedKernel | None:
        path = os.environ.get(PARENT_SOCKET, "")
        plain = len(cmd) > 2 and cmd[1:] and _LAUNCHER in cmd[1:4] and Path(cmd[0]).name.startswith("python")
        if not path or not plain or str(Path(cmd[0]).parent) not in (".", str(Path(sys.executable).parent)):
            return None
        environment = {str(key): str(value) for key, value in (kwargs.get("env") or os.environ).items()}
        environment.pop("JPY_PARENT_PID", None)  # its parent is the kernel parent, not this process
        request = {
            "argv": cmd[cmd.index(_LAUNCHER) + 1 :],
            "environment": environment,
            "directory": kwargs.get("cwd") or str(Path.cwd()),
        }
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_ANSWER_WAIT_S):
                await loop.sock_connect(connection, path)
                await loop.sock_sendall(connection, json.dumps(request).encode() + b"\n")
                said = await loop.sock_recv(connection, 64)
            return ForkedKernel(connection, int(said))
        except (OSError, ValueError, TimeoutError):
            connection.close()
            return None

    async def wait(self) -> int | None:
        """Until the kernel ended."""
        process: Any = self.process
        while process is not None and process.poll() is None:  # noqa: ASYNC110  its end is told on a socket
            await asyncio.sleep(0.05)
        self.process = None
        return None if process is None else process.returncode


class QuickConnection(ZMQChannelsWebsocketConnection):  # type: ignore[misc]
    """Opens the websocket of a kernel as soon as its output is heard.

    Jupyter asks the kernel something and waits for what it publishes. The first question often comes before the
    subscription has arrived, and Jupyter repeats it only after half a second.
    """

    def nudge(self) -> asyncio.Future[None]:
        """Ask more often until the kernel is heard."""
        heard: asyncio.Future[None] = super().nudge()
        if not heard.done():
            asking = asyncio.ensure_future(self._ask_until(heard))
            heard.add_done_callback(lambda _: asking.cancel())
        return heard

    async def _ask_until(self, heard: asyncio.Future[None]) -> None:
        control = self.kernel_manager.connect_control()
        try:
            for pause_s in _ASK_AGAIN_S:
                await asyncio.sleep(pause_s)
                if heard.done() or control.closed():
                    return
                self.session.send(control, "kernel_info_request")
        finally:
            control.close()


class RoostKernelManager(ServerKernelManager):  # type: ignore[misc]
    """Kernels on unix sockets with short paths: a socket's path holds 107 bytes."""

    transport = Unicode("ipc")

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Jupyter connects before the kernel listens, and would try again only after a tenth of a second.
        self.context.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)

    @default("ip")  # type: ignore[untyped-decorator]
    def _ip_default(self) -> str:
        return str(Path(os.environ["ROOST_ADDRESSES"]) / f"k{secrets.token_hex(4)}")

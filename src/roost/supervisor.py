"""The parent of `roost up`: holds the home, owns the listening socket, keeps two children running.

It refuses to know what the children do. The listening socket is made here and inherited, so that a data plane
that died leaves no refused connection: new ones wait in the backlog for its successor. When the supervisor
itself is killed the children live on; the next one adopts the data plane (its websockets stay open) and
replaces the control plane.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from roost import __version__
from roost.claims import BACKLOG, bind, held_home, listen, make_home
from roost.model.errors import RoostError
from roost.settings import Settings

LISTEN_FD = "ROOST_LISTEN_FD"
SETTINGS = "ROOST_SETTINGS"
STOP_GRACE_S = 10.0
WORKLOADS_GRACE_S = 20.0  # more for the control plane where it stops workloads first
# A child that says this about itself would fail again: a start ends instead of trying for ever.
EXIT_HOPELESS = 4
_FIRST_DELAY_S, _LONGEST_DELAY_S, _HEALTHY_AFTER_S = 0.05, 5.0, 1.5


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that cannot be confused with a later one of the same number."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str:
    """When a process started, as an opaque text; "" when it is gone (or a zombie)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "" if Path("/proc/self/stat").exists() else _start_time_without_proc(pid)
    fields = stat[stat.rindex(")") + 2 :].split()
    return "" if fields[0] == "Z" else fields[19]


def _start_time_without_proc(pid: int) -> str:
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()


@dataclass(slots=True)
class Child:
    """One child: how to start it, and the process that is it now (ours, or adopted)."""

    name: str
    module: str
    identity: Identity | None = None
    process: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    started_at: float = 0.0
    delay_s: float = _FIRST_DELAY_S
    due: float = 0.0
    variables: dict[str, str] = field(default_factory=dict)
    keep_fds: tuple[int, ...] = ()

    @property
    def alive(self) -> bool:
        if self.process is not None:
            return self.process.poll() is None
        return self.identity is not None and self.identity.alive

    def spawn(self, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", self.module],
            env={**environment, **self.variables},
            pass_fds=self.keep_fds,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        self._watch(Identity(self.process.pid, start_time(self.process.pid)))

    def adopt(self, identity: Identity) -> None:
        self.process = None
        self.started_at = time.monotonic()
        self._watch(identity)

    def _watch(self, identity: Identity) -> None:
        self.close()
        self.identity = identity
        if hasattr(os, "pidfd_open"):
            with contextlib.suppress(OSError):
                self.pidfd = os.pidfd_open(identity.pid)

    def terminate(self, signum: int = signal.SIGTERM) -> None:
        if self.identity is not None and self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.identity.pid, signum)

    def close(self) -> None:
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class Supervisor:
    """Keeps control plane and data plane running until told to stop."""

    def __init__(self, settings: Settings, on_ready: Callable[[], None]) -> None:
        self._settings = settings
        self._on_ready = on_ready
        self._environment = {**os.environ, SETTINGS: settings.to_json(), "PYTHONUNBUFFERED": "1"}
        self.control = Child("control plane", "roost.control")
        self.dataplane = Child("data plane", "roost.dataplane")
        self._state = settings.home / "children.json"
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._stopping = False
        self._listener: socket.socket | None = None

    @property
    def children(self) -> tuple[Child, Child]:
        return (self.control, self.dataplane)

    def close(self) -> None:
        """Let go of what only this object holds."""
        self._wake_read.close()
        self._wake_write.close()

    def claim_port(self) -> None:
        """Take over what a killed supervisor left, or bind the port; before anything that takes long."""
        self._replace_orphan(self.control)
        if not self._adopt_dataplane():
            self._listener = bind(self._settings)

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT; 0, or 1 when a child says that trying again is hopeless."""
        self._catch_signals()
        try:
            self.control.spawn(self._environment)
            if self._listener is not None:
                self._listener.listen(BACKLOG)
                self._start_dataplane()
            self._write_state()
            return self._loop()
        finally:
            self._stop_children()
            if self._listener is not None:
                self._listener.close()

    def _loop(self) -> int:
        announced = False
        while not self._stopping:
            if not announced and healthy(self._settings):
                announced = True
                self._on_ready()
            self._wait(0.02 if not announced else 60.0)
            for child in self.children:
                if child.alive:
                    continue
                if not announced and child.process is not None and child.process.returncode == EXIT_HOPELESS:
                    return 1  # later it is tried again: websockets live on while somebody makes room on the disk
                if child is self.dataplane and self._listener is None:
                    self._listener = listen(self._settings)  # the adopted one took its socket along
                self._restart_when_due(child)
        return 0

    def _restart_when_due(self, child: Child) -> None:
        now = time.monotonic()
        if child.identity is not None:  # newly found dead
            lived_s = now - child.started_at
            child.delay_s = _FIRST_DELAY_S if lived_s > _HEALTHY_AFTER_S else min(child.delay_s * 2, _LONGEST_DELAY_S)
            child.due = now + child.delay_s
            child.close()
            child.identity = None
            say(f"The {child.name} ended; starting it again.")
        if now < child.due:
            self._wait(child.due - now)
            if self._stopping or time.monotonic() < child.due:
                return
        if child is self.dataplane:
            self._start_dataplane()
        else:
            child.spawn(self._environment)
        self._write_state()

    def _start_dataplane(self) -> None:
        assert self._listener is not None
        self.dataplane.variables = {LISTEN_FD: str(self._listener.fileno())}
        self.dataplane.keep_fds = (self._listener.fileno(),)
        self.dataplane.spawn(self._environment)

    def _wait(self, timeout_s: float) -> None:
        """Until a child ends, a signal comes or the time is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_read, selectors.EVENT_READ)
            watched = [child.pidfd for child in self.children if child.pidfd >= 0 and child.alive]
            for pidfd in watched:
                selector.register(pidfd, selectors.EVENT_READ)
            selector.select(timeout_s if len(watched) == 2 else min(timeout_s, 0.2))
        with contextlib.suppress(BlockingIOError):
            self._wake_read.recv(64)

    def _catch_signals(self) -> None:
        signal.set_wakeup_fd(self._wake_write.fileno())

        def stop(_signum: int, _frame: object) -> None:
            self._stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)

    def _stop_children(self) -> None:
        """The data plane goes last, so that people see a page while the control plane ends."""
        patience_s = {self.control.name: STOP_GRACE_S + (WORKLOADS_GRACE_S if self._settings.stop_workloads else 0)}
        for child in self.children:
            deadline = time.monotonic() + patience_s.get(child.name, STOP_GRACE_S)
            child.terminate()
            while child.alive and time.monotonic() < deadline:
                time.sleep(0.01)
            child.terminate(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()
            child.close()
        self._state.unlink(missing_ok=True)

    # What a killed supervisor left behind.
    def _write_state(self) -> None:
        content = {
            "version": __version__,
            "settings": self._settings.to_json(),
            "children": {c.module: [c.identity.pid, c.identity.started] for c in self.children if c.identity},
        }
        temporary = self._state.with_suffix(".new")
        try:
            temporary.write_text(json.dumps(content))
            temporary.replace(self._state)
        except OSError as error:  # a full disk is no reason to end; only a successor would miss it
            say(f"Cannot write {self._state}: {error.strerror}.")

    def _left_behind(self, child: Child) -> Identity | None:
        try:
            content = json.loads(self._state.read_text())
            identity = Identity(*content["children"][child.module])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not identity.alive:
            return None
        same = content["version"] == __version__ and content["settings"] == self._settings.to_json()
        if child is self.dataplane and same:
            return identity
        child.adopt(identity)
        return None

    def _replace_orphan(self, child: Child) -> None:
        self._left_behind(child)
        deadline = time.monotonic() + STOP_GRACE_S
        child.terminate()
        while child.alive and time.monotonic() < deadline:
            time.sleep(0.01)
        child.terminate(signal.SIGKILL)

    def _adopt_dataplane(self) -> bool:
        identity = self._left_behind(self.dataplane)
        if identity is None:
            self._replace_orphan(self.dataplane)
            return False
        self.dataplane.adopt(identity)
        return True


def healthy(settings: Settings) -> bool:
    """Whether the platform answers on its public port."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    try:
        with socket.create_connection((host, settings.port), timeout=1.0) as connection:
            if settings.tls_cert is None:
                return _answers(connection, settings)
        # The certificate names the domain, not this address: the control plane is asked behind the door.
        with socket.socket(socket.AF_UNIX) as behind:
            behind.settimeout(1.0)
            behind.connect(str(settings.control_socket))
            return _answers(behind, settings)
    except OSError:
        return False


def _answers(connection: socket.socket, settings: Settings) -> bool:
    connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: " + settings.domain.encode() + b"\r\nConnection: close\r\n\r\n")
    return connection.recv(64).startswith(b"HTTP/1.1 200")


def say(text: str) -> None:
    """One line for the person at the terminal; a closed terminal is no reason to die."""
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _check_certificate(settings: Settings) -> None:
    """Refuse a certificate that cannot be used before anything that takes long."""
    if settings.tls_cert is not None:
        from roost.dataplane.server import tls_context

        tls_context(settings)


def supervise(settings: Settings, prepare: Callable[[], None], on_ready: Callable[[], None]) -> int:
    """Hold the home and the port, prepare (keys, image), run until told to stop. Returns the exit code."""
    if not settings.home.exists():
        bind(settings).close()  # a start that is refused makes no home
    with held_home(settings):
        supervisor = Supervisor(settings, on_ready)
        supervisor.claim_port()
        _check_certificate(settings)
        make_home(settings)
        prepare()
        return supervisor.run()


__all__ = ["EXIT_HOPELESS", "LISTEN_FD", "SETTINGS", "RoostError", "listen", "supervise"]

"""A data plane as people run it: a process of its own over a real database, with one workspace, session and token."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.harness import free_port

from roost.model.access import Role
from roost.model.names import IdKind, new_id
from roost.model.tickets import hash_secret, issue_ticket, ticket_cookie
from roost.services.people import add_person
from roost.settings import Settings
from roost.store import routes, sessions
from roost.store.database import Store, open_store
from roost.store.gate import GateRoute
from roost.store.rows import SessionRow, TokenRow
from roost.supervisor import SETTINGS

KEY = b"k" * 32
SECRET, TOKEN = "the-session-secret", "rst_the-token"
HOUR_US = 3_600_000_000


@dataclass
class Process:
    """A running `python -m roost.dataplane`. `upstream` is the address its one workspace leads to."""

    settings: Settings
    store: Store
    workspace: str
    upstream: Path
    session_id: str
    popen: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"{self.workspace}.roost.{self.settings.domain}"

    @property
    def ticket(self) -> str:
        """A Cookie header value that opens the workspace."""
        ticket = issue_ticket(KEY, session_key=hash_secret(SECRET), workload_host=self.host)
        return f"{ticket_cookie(self.settings.instance, True)}={ticket}"

    def head(self, line: str, *headers: str) -> bytes:
        lines = [f"{line} HTTP/1.1", f"Host: {self.host}:{self.settings.port}", f"Cookie: {self.ticket}", *headers]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    def start(self, files: tuple[int, ...] = (), **environment: str) -> None:
        """Start and wait until it listens."""
        self.popen = self.launch(files, **environment)
        line = b"GET /.roost/static/pages.css HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.settings.tls_cert is not None or b" 200 " in talk(self.settings.port, line)[:20]:
                    return
            assert self.popen.poll() is None, "the data plane ended"
            time.sleep(0.02)
        raise AssertionError("the data plane does not listen")

    def launch(self, files: tuple[int, ...] = (), **environment: str) -> subprocess.Popen[bytes]:
        variables = {**os.environ, SETTINGS: self.settings.to_json(), **environment}
        command = [sys.executable, "-m", "roost.dataplane"]
        return subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, pass_fds=files)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.popen is not None
        self.popen.send_signal(signal.SIGTERM)
        code = self.popen.wait(10)
        assert self.popen.stderr is not None
        self.popen.stderr.close()
        self.popen = None
        return code

    def memory_bytes(self, field: str = "Pss") -> int:
        text = Path(f"/proc/{self.pid}/smaps_rollup").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith(f"{field}:"))

    def peak_bytes(self) -> int:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("VmHWM:"))

    def reset_peak(self) -> int:
        """Forget the peak so far; the memory resident now."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")
        return self.peak_bytes()

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def talk(port: int, raw: bytes) -> bytes:
    """Send, and read to the end, with a blocking socket."""
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(raw)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
        return b"".join(parts)


@contextlib.contextmanager
def prepared(**changes: object) -> Iterator[Process]:
    """Home, keys, database and rows; the process is started by the caller and gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="roost-"))
    settings = Settings(home=home, port=free_port(), **changes)  # type: ignore[arg-type]
    settings.keys.mkdir()
    (settings.keys / "ticket.key").write_bytes(KEY)
    settings.sockets.mkdir(parents=True, exist_ok=True)
    store = open_store(settings)
    process = _filled(settings, store)
    try:
        yield process
    finally:
        if process.popen is not None:
            process.popen.kill()
            process.popen.wait()
            if process.popen.stderr is not None:
                process.popen.stderr.close()
        store.close()
        shutil.rmtree(home, ignore_errors=True)
        shutil.rmtree(settings.sockets, ignore_errors=True)


def _filled(settings: Settings, store: Store) -> Process:
    now_us = time.time_ns() // 1000
    until_us = now_us + HOUR_US
    workspace, session_id = new_id(IdKind.WORKSPACE, os.urandom(16)), new_id(IdKind.SESSION, os.urandom(16))
    token_id = new_id(IdKind.TOKEN, os.urandom(16))
    upstream = settings.home / "up.sock"
    with store.write() as tx:
        person = add_person(tx, "Ada", Role.MEMBER, None, now_us=now_us).id
        session = SessionRow(
            session_id, hash_secret(SECRET), person, now_us, now_us, until_us, until_us, None, "127.0.0.1", "test"
        )
        sessions.add_session(tx, session)
        sessions.add_token(
            tx,
            TokenRow(token_id, hash_secret(TOKEN), person, "t", "rst_", "", "", now_us, None, until_us, None),
        )
        row = GateRoute(workspace, workspace, person, "demo", "workspace", f"unix:{upstream}", "running", "")
        routes.put(tx, [row])
    return Process(settings, store, workspace, upstream, session_id)

"""A real `roost up` for end-to-end tests: its own home, port and processes, all gone at the end."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from roost.settings import Settings

Result = TypeVar("Result")
REPOSITORY = Path(__file__).resolve().parent.parent


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def eventually(ask: Callable[[], Result], *, within_s: float = 30.0, every_s: float = 0.05, what: str = "") -> Result:
    """The first true answer; fails with the last one when time is over."""
    deadline = time.monotonic() + within_s
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what or 'it'} did not happen within {within_s} s; last answer: {answer!r}")
        time.sleep(every_s)


@dataclass
class Platform:
    """A running platform. `home` must exist on a file system that every user may pass through.

    `tls` trusts the certificate of a platform that has one.
    """

    home: Path
    port: int = field(default_factory=free_port)
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    domain: str = "localhost"
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.domain}:{self.port}"

    @property
    def token(self) -> str:
        return (self.home / "token").read_text().strip()

    @property
    def output(self) -> str:
        return (self.home.parent / f"{self.home.name}.out").read_text(errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ROOST_")}
        return {**clean, "ROOST_URL": self.url, "ROOST_TOKEN": self.token, "NO_COLOR": "1"}

    def start(self, within_s: float = 300.0) -> Self:
        """Start `roost up` and wait until /healthz answers."""
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ROOST_")}
        flags = ["--home", str(self.home), "--port", str(self.port), "--no-open"]
        flags += ["--admin-token-file", str(self.home / "token"), *self.flags]
        with (self.home.parent / f"{self.home.name}.out").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "roost", "up", *flags],
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=clean,
                start_new_session=True,
            )
        self.wait_healthy(within_s)
        return self

    def wait_healthy(self, within_s: float = 30.0) -> None:
        def ask() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise AssertionError(f"roost up ended with {self.process.returncode}:\n{self.output}")
            return self.healthy()

        eventually(ask, within_s=within_s, every_s=0.02, what="/healthz")

    def healthy(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("GET", "/healthz", timeout_s=2.0)[0] == 200
        return False

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        *,
        host: str = "",
        timeout_s: float = 30.0,
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """One request on a connection of its own, by name (`host`, else the platform's): status, headers, body."""
        name = host or self.domain
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            connection.connect()
            if self.tls is not None:
                connection.sock = self.tls.wrap_socket(connection.sock, server_hostname=name)
            given = {"Host": f"{name}:{self.port}", "Connection": "close", **(headers or {})}
            connection.request(method, path, body, given)
            response = connection.getresponse()
            return response.status, response.getheaders(), response.read()
        finally:
            connection.close()

    def cli(
        self, *arguments: str, check: bool = True, timeout_s: float = 120.0, token: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run the CLI against this platform as its first administrator, or as whoever has the token."""
        done = subprocess.run(
            [sys.executable, "-m", "roost", *arguments],
            env={**self.environment, **({"ROOST_TOKEN": token} if token else {})},
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"roost {' '.join(arguments)} exited {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def cli_json(self, *arguments: str) -> Any:
        return json.loads(self.cli(*arguments, "--json").stdout)

    def children(self) -> dict[str, int]:
        """Pids of control plane and data plane, by module name."""
        content = json.loads((self.home / "children.json").read_text())
        return {module: pid for module, (pid, _) in content["children"].items()}

    def stop(self, *, workloads: bool = True) -> int:
        """End it politely; workloads are deleted first unless told otherwise. Returns the exit code."""
        if self.process is None:
            return 0
        if workloads and self.process.poll() is None:
            for kind in ("cluster", "workspace"):
                listed = self.cli(kind, "list", "--json", check=False)
                for item in json.loads(listed.stdout)["items"] if listed.returncode == 0 else ():
                    if item["wanted"] == "running":
                        self.cli(kind, "stop", item["id"], "--wait", check=False)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process = None
        return code


@contextlib.contextmanager
def platform(home: Path, *flags: str, **known: Any) -> Iterator[Platform]:
    """A platform that is gone at the end, whatever happens: workloads and pre-imported parents too."""
    home.mkdir(parents=True, exist_ok=True)
    running = Platform(home=home, flags=flags, **known)
    try:
        yield running.start()
    finally:
        with contextlib.suppress(Exception):
            running.stop()
        sweep(home)
        remove_traces(home)


@contextlib.contextmanager
def small_disk(path: Path, size: str, options: str = "") -> Iterator[Path]:
    """A disk of its own at a directory; only root can make one."""
    given = ",".join(part for part in (f"size={size}", "mode=711", options) if part)
    subprocess.run(["mount", "-t", "tmpfs", "-o", given, "roost-test", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def processes_of(home: Path) -> dict[int, str]:
    """Every process that belongs to a home (by environment or arguments): pid -> command line."""
    needle = str(home).encode()
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            if (needle in (entry / "environ").read_bytes() or needle in command) and int(entry.name) != os.getpid():
                found[int(entry.name)] = command.replace(b"\0", b" ").decode(errors="replace").strip()
    return found


def sweep(home: Path) -> None:
    """Kill what is left of a home, by process id."""
    for _ in range(3):
        for pid in processes_of(home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def remove_traces(home: Path) -> None:
    """Sockets and control groups are not in a home; those of a test would stay until the machine starts again."""
    settings = Settings(home=home)
    shutil.rmtree(settings.sockets, ignore_errors=True)
    for folder in Path("/sys/fs/cgroup").glob(f"*/roost-{settings.instance}"):
        for group in [*folder.glob("*/"), folder]:
            with contextlib.suppress(OSError):
                group.rmdir()

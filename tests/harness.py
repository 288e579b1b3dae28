"""A real `roost up` for end-to-end tests: its own home, port and processes, all gone at the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

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
    """A running platform. `home` must exist on a file system that every user may pass through."""

    home: Path
    port: int = field(default_factory=free_port)
    flags: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

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
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=2) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
        return False

    def cli(self, *arguments: str, check: bool = True, timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run the CLI against this platform as its first administrator."""
        done = subprocess.run(
            [sys.executable, "-m", "roost", *arguments],
            env=self.environment,
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
                    self.cli(kind, "stop", item["id"], "--wait", check=False)
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        self.process = None
        return code


@contextlib.contextmanager
def platform(home: Path, *flags: str) -> Iterator[Platform]:
    """A platform that is gone at the end, whatever happens: workloads and pre-imported parents too."""
    home.mkdir(parents=True, exist_ok=True)
    running = Platform(home=home, flags=flags)
    try:
        yield running.start()
    finally:
        with contextlib.suppress(Exception):
            running.stop()
        sweep(home)


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

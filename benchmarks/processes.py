"""Processes a benchmark starts: found by pid, stopped by pid, weighed by PSS."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path


class Failed(Exception):
    """Something a benchmark needs did not happen."""


@contextlib.contextmanager
def running(
    argv: Sequence[str], *, log: Path, directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own; at the end all of its session is stopped."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            argv,
            cwd=directory,
            env={**_plain_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], grace_s: float = 15.0) -> None:
    """End a process politely, then whatever is left of its session."""
    members = set(session_of(process.pid))
    if process.poll() is None:
        process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    for pid in members | set(session_of(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def session_of(leader: int) -> list[int]:
    """Every process of a session."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found


def pss_megabytes(pids: Iterable[int]) -> float:
    """What these processes weigh together: shared pages are divided among those who share them."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def wait_for(
    ask: Callable[[], object], *, within_s: float, what: str, every_s: float = 0.01, log: Path | None = None
) -> None:
    """Ask until the answer is true."""
    deadline = time.monotonic() + within_s
    while not ask():
        if time.monotonic() > deadline:
            said = f"; its last words: {log.read_text(errors='replace')[-2000:]}" if log and log.exists() else ""
            raise Failed(f"{what} did not happen within {within_s:.0f} s{said}")
        time.sleep(every_s)


def free_port() -> int:
    """A TCP port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _plain_environment() -> dict[str, str]:
    unwanted = ("ROOST_", "JUPYTER", "JPY_", "DASK_", "VIRTUAL_ENV", "PYTHONPATH")
    return {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}

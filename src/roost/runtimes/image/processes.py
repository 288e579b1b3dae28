"""The processes of this machine: who is whose child, and which process a number means.

A process is identified by boot, number and start time: a number that was used again is somebody else. Read from
/proc; where there is none (macOS), `ps` is asked.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
_PS = ("ps", "-axo", "pid=,ppid=,stat=,rss=,time=")


class Process(NamedTuple):
    """One process. CPU time in seconds; `started` is opaque ("" where a listing does not tell)."""

    pid: int
    parent: int
    zombie: bool
    session: int
    resident_bytes: int
    cpu_seconds: float
    started: str


def processes() -> Iterator[Process]:
    """Every process, from one pass."""
    try:
        names = os.listdir(PROC)  # noqa: PTH208  a thousand paths would be made for nothing
    except FileNotFoundError:
        yield from _listed_by_ps()
        return
    for name in names:
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                yield _parse(int(name), Path(PROC, name, "stat").read_text())


def descendants(ancestor: int) -> list[int]:
    """Every living process below one."""
    return below(ancestor, {process.pid: process.parent for process in processes() if not process.zombie})


def below(ancestor: int, parents: dict[int, int]) -> list[int]:
    """The same from a table child -> parent.

    >>> below(1, {2: 1, 3: 2, 5: 4})
    [2, 3]
    """
    found, frontier = [], {ancestor}
    while frontier:
        frontier = {pid for pid, parent in parents.items() if parent in frontier}
        found += sorted(frontier)
    return found


def start_time(pid: int) -> str:
    """When a process started, as opaque text; "" when it is gone or a zombie."""
    try:
        found = _parse(pid, Path(PROC, str(pid), "stat").read_text())
    except FileNotFoundError:
        return "" if PROC.is_dir() else _start_time_by_ps(pid)
    except (OSError, ValueError, IndexError):
        return ""
    return "" if found.zombie else found.started


def boot_id() -> str:
    """Which boot of the machine this is; "" where the system does not say."""
    try:
        return Path(PROC, "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def set_title(title: str) -> None:
    """Have `ps` show what a forked process is now; it would show the command line of its parent for ever."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        Path(PROC, "self/comm").write_text(title.split()[0][:15])
        stat = Path(PROC, "self/stat").read_text()
        start, end = (int(field) for field in stat[stat.rindex(")") + 2 :].split()[45:47])  # arg_start, arg_end
        with Path(PROC, "self/mem").open("r+b", buffering=0) as memory:
            memory.seek(start)
            memory.write(title.encode()[: end - start - 1].ljust(end - start, b"\0"))


def kill_all(pids: Iterable[int], number: int = signal.SIGKILL) -> None:
    """Signal each process that is still there and ours to signal."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _parse(pid: int, stat: str) -> Process:
    # The name in brackets may itself hold brackets and spaces. Fields: man 5 proc_pid_stat.
    fields = stat[stat.rindex(")") + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        zombie=fields[0] in "ZX",
        session=int(fields[3]),
        resident_bytes=int(fields[21]) * _PAGE_BYTES,
        cpu_seconds=(int(fields[11]) + int(fields[12])) / _TICKS_PER_S,
        started=fields[19],
    )


def _listed_by_ps() -> Iterator[Process]:
    done = subprocess.run(_PS, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        pid, parent, state, resident, cpu = line.split()[:5]
        yield Process(int(pid), int(parent), state[0] == "Z", 0, int(resident) * 1024, _seconds(cpu), "")


def _seconds(text: str) -> float:
    """`[[days-]hours:]minutes:seconds` in seconds.

    >>> _seconds("1-02:03:04.5")
    93784.5
    """
    days, _, clock = text.rpartition("-")
    seconds = 0.0
    for piece in clock.split(":"):
        seconds = seconds * 60 + float(piece)
    return seconds + int(days or 0) * 86400


def _start_time_by_ps(pid: int) -> str:
    asked = ("ps", "-o", "stat=,lstart=", "-p", str(pid))
    state, _, started = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip().partition(" ")
    return "" if state.startswith("Z") else started.strip()


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")

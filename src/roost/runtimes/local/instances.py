"""The instances a local runtime has: found on disk, watched for readiness and for their end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from roost.model.lifecycle import Exit, ExitReason, Instance
from roost.model.workload import Port
from roost.runtimes.image.files import is_socket
from roost.runtimes.image.processes import kill_all, start_time
from roost.runtimes.local import records
from roost.runtimes.local.cgroups import ControlGroups
from roost.runtimes.local.records import Places, Record
from roost.settings import Settings

_FAST_S, _SLOW_S, _FAST_FOR_S, _PROBE_S = 0.008, 0.25, 3.0, 5.0
_EXIT_POLL_S = 0.2
_YOUNG_S, _SECOND_LOOK_S = 30.0, 1.5


@dataclass(slots=True, eq=False)
class Held:
    """One instance in memory."""

    record: Record
    at: Places
    pid: int = 0
    pidfd: int = -1
    ready: bool = False
    exit: Exit | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    stop_asked: bool = False
    members: dict[int, str] = field(default_factory=dict)  # pid -> start time, where there is no control group
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def seen(self) -> Instance:
        """As the seam shows it."""
        record = self.record
        alive = self.exit is None
        return Instance(
            part=record.part,
            index=record.index,
            generation=record.generation,
            started_at=records.moment(record.started_us),
            ready=self.ready and alive,
            exit=self.exit,
            addresses=records.addresses(record, self.at) if alive else {},
            evidence=records.evidence(record, self.at) if alive else {},
        )

    def signal(self, number: int) -> None:
        """Signal the shim; never a process that took its number."""
        with contextlib.suppress(ProcessLookupError, OSError):
            if self.pidfd >= 0:
                signal.pidfd_send_signal(self.pidfd, number)
            elif self.exit is None and self.pid and records.living_pid(self.at) == self.pid:
                os.kill(self.pid, number)


class Instances:
    """All instances of this home, by workload id and then by name."""

    def __init__(self, settings: Settings, groups: ControlGroups | None) -> None:
        self._settings = settings
        self._groups = groups
        self.held: dict[str, dict[str, Held]] = {}
        self.changed = asyncio.Event()
        self.stale: set[str] = set()

    async def load(self) -> None:
        """Find what is on disk; what lives is watched again, what is gone without a word is lost."""
        found = await asyncio.to_thread(self._read_all)
        await _look_again([held for held in found if not held.pid and held.exit is None])
        waiting = []
        for held in found:
            self.held.setdefault(held.record.id, {})[held.record.name] = held
            if held.pid:
                self.watch(held, known_ready=held.at.ready.exists())
            elif held.exit is None:
                held.exit = _lost()
                waiting.append(asyncio.to_thread(self._clear, held))
        await asyncio.gather(*waiting)

    def _read_all(self) -> list[Held]:
        found = []
        for record in records.load_all(self._settings):
            at = records.places(self._settings, record)
            held = Held(record, at, pid=records.living_pid(at))
            if not held.pid:
                held.exit = records.read_exit(at)
            found.append(held)
        return found

    def of(self, id: str) -> dict[str, Held]:
        """The instances of a workload."""
        return self.held.get(id, {})

    def all_alive(self) -> list[Held]:
        """Every instance that has not ended."""
        return [held for group in self.held.values() for held in group.values() if held.exit is None and held.pid]

    def add(self, held: Held) -> None:
        """A freshly started one."""
        self.held.setdefault(held.record.id, {})[held.record.name] = held
        self.watch(held)
        self.touch(held.record.id)

    def remove(self, held: Held) -> None:
        """No longer of interest."""
        self.close(held)
        group = self.held.get(held.record.id, {})
        if group.get(held.record.name) is held:
            del group[held.record.name]
        if not group:
            self.held.pop(held.record.id, None)
        self.touch(held.record.id)

    def touch(self, id: str) -> None:
        """Something about this workload changed."""
        self.stale.add(id)
        self.changed.set()

    def watch(self, held: Held, *, known_ready: bool = False) -> None:
        """Hear of the end, and of readiness."""
        loop = asyncio.get_running_loop()
        try:
            held.pidfd = os.pidfd_open(held.pid) if hasattr(os, "pidfd_open") else -1
        except ProcessLookupError:
            loop.call_soon(self._over, held)
            return
        if held.pidfd >= 0:
            loop.add_reader(held.pidfd, self._over, held)
        else:
            held.tasks.append(loop.create_task(self._poll_exit(held)))
        if known_ready:
            held.ready = True
        else:
            held.tasks.append(loop.create_task(self._await_ready(held)))

    def close(self, held: Held) -> None:
        """Stop watching; the process goes on."""
        for task in held.tasks:
            task.cancel()
        held.tasks.clear()
        if held.pidfd >= 0:
            asyncio.get_running_loop().remove_reader(held.pidfd)
            os.close(held.pidfd)
            held.pidfd = -1

    async def _poll_exit(self, held: Held) -> None:
        await asyncio.sleep(_EXIT_POLL_S)
        while records.living_pid(held.at) == held.pid:
            await asyncio.sleep(_EXIT_POLL_S)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(held.pid, os.WNOHANG)  # noqa: ASYNC222  does not wait
        self._over(held)

    def _over(self, held: Held) -> None:
        """The shim ended: its word about the program, or nothing at all."""
        if held.exit is not None:
            return
        self.close(held)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(held.pid, os.WNOHANG)
        if other := records.living_pid(held.at):
            held.pid = other  # it was asked for twice: the second shim left it to the first
            self.watch(held)
            return
        held.exit = records.read_exit(held.at)
        if held.exit is None:
            reason = ExitReason.STOPPED if held.stop_asked else ExitReason.LOST
            held.exit = _lost(reason)
        self._clear(held)
        held.ended.set()
        self.touch(held.record.id)

    def _clear(self, held: Held) -> None:
        """End what a killed shim left: the members of its control group, or the processes last seen below it."""
        if self._groups is None:
            kill_all(pid for pid, started in held.members.items() if start_time(pid) == started)
            held.members = {}
            return
        for _ in range(50):
            members = self._groups.members(held.record.group)
            if not members:
                break
            kill_all(members)
            time.sleep(0.002)
        self._groups.remove(held.record.group)

    async def _await_ready(self, held: Held) -> None:
        """Ask until every port answers; quickly at first."""
        began = time.monotonic()
        while not await _is_ready(held):
            young = time.monotonic() - began < _FAST_FOR_S
            starting = sum(1 for other in self.stale if other in self.held)
            await asyncio.sleep(max(_FAST_S, starting / 4000) if young else _SLOW_S)
        held.ready = True
        with contextlib.suppress(OSError):
            held.at.ready.touch()
        self.touch(held.record.id)


async def _is_ready(held: Held) -> bool:
    record, at = held.record, held.at
    if not record.ports:
        # A command is ready when it runs; a worker says so itself.
        if record.program == "command":
            return (at.record / "identity.json").exists()
        return (at.sockets / "ready").exists()
    if Port.DASK in record.ports and Port.DASK not in records.addresses(record, at):
        return False
    return Port.HTTP not in record.ports or await _answers(at.http, records.health_path(record))


async def _answers(path: Path, target: str) -> bool:
    """Whether an HTTP server on a unix socket answers with something better than a server error."""
    if not is_socket(path):
        return False
    try:
        async with asyncio.timeout(_PROBE_S):
            reader, writer = await asyncio.open_unix_connection(str(path))
            try:
                writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                status = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
    return status.startswith(b"HTTP/1.") and status.split()[1] < b"500"


async def _look_again(unsure: list[Held]) -> None:
    """Young instances without a word may be starting: whoever asked for them was killed meanwhile."""
    now_us = time.time_ns() // 1000
    unsure = [held for held in unsure if abs(now_us - held.record.started_us) < _YOUNG_S * 1e6]
    deadline = time.monotonic() + _SECOND_LOOK_S
    while unsure and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
        for held in unsure:
            held.pid = records.living_pid(held.at)
            held.exit = None if held.pid else records.read_exit(held.at)
        unsure = [held for held in unsure if not held.pid and held.exit is None]


def _lost(reason: ExitReason = ExitReason.LOST) -> Exit:
    return Exit(reason=reason, finished_at=records.moment(time.time_ns() // 1000))

"""Workloads as processes of this machine: forked from pre-imported parents, limited, found again after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from roost.model.errors import NotFound, RoostError, Unavailable
from roost.model.lifecycle import Observed
from roost.model.workload import Part, Workload
from roost.runtimes.base import Capability, ExecChunk, Usage
from roost.runtimes.image.files import write_json, write_secrets
from roost.runtimes.image.launch import Launch, Limits, View
from roost.runtimes.image.processes import descendants, kill_all
from roost.runtimes.local import records
from roost.runtimes.local.cgroups import find_control_groups
from roost.runtimes.local.execution import run_beside
from roost.runtimes.local.images import LocalBuilder
from roost.runtimes.local.instances import Held, Instances
from roost.runtimes.local.isolation import Level, isolation_report
from roost.runtimes.local.launching import Surroundings, accounts, launch_of
from roost.runtimes.local.owners import Owners
from roost.runtimes.local.parents import Parents, can_fork
from roost.runtimes.local.records import Record
from roost.runtimes.local.sandbox import bubblewrap, interpreter_of, view_of, why_no_own_sandbox
from roost.runtimes.local.volumes import LocalDisks
from roost.runtimes.local.watchdog import usage_of_trees, watch_memory
from roost.settings import Settings

_INSIST_WAIT_S = 3.0
_LOG_PIECE = 1 << 16
_FOLLOW_S = 0.1


class LocalRuntime:
    """Implements `Runtime` with processes.

    `fork` False executes programs (where forking is impossible); `kernel_limits` False watches memory (where there
    are no control groups); `own_sandbox` False has bubblewrap make sandboxes. All are found out unless given.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        fork: bool | None = None,
        kernel_limits: bool = True,
        own_sandbox: bool | None = None,
    ) -> None:
        self.settings = settings
        self.isolation = isolation_report(settings)
        self.level = self.isolation.level
        self.owners = Owners(
            settings.home / "runtime" / "owners.json",
            settings.instance,
            separate=os.geteuid() == 0 and self.level is not Level.PROCESS,
        )
        self.disks = LocalDisks(settings.volumes, self.owners)
        self.builder = LocalBuilder(settings)
        self.capabilities = frozenset({Capability.EXEC, Capability.USAGE}) | (
            frozenset() if self.level is Level.PROCESS else {Capability.SEPARATES_PEOPLE}
        )
        if own_sandbox is None:
            own_sandbox = self.level is Level.BUBBLEWRAP and not why_no_own_sandbox()
        self._own_sandbox = own_sandbox
        self._fork = can_fork() if fork is None else fork
        self._groups = find_control_groups(settings.instance) if kernel_limits else None
        self._parents = Parents(settings, fork=self._fork)
        self._instances = Instances(settings, self._groups)
        self._observed: dict[str, Observed] = {}
        self._locks: dict[str, asyncio.Lock] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Find what runs; warm the parents in the background."""
        for path in (self.settings.workloads, self.settings.sockets, self.settings.volumes, self.settings.logs):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o711)
        await self._instances.load()
        if self._fork:
            self._tasks.append(asyncio.create_task(self._keep_warm()))
        if self._groups is None:
            self._tasks.append(asyncio.create_task(watch_memory(self._instances)))

    async def close(self) -> None:
        """Let go of everything; workloads and parents go on."""
        for task in self._tasks:
            task.cancel()
        for group in self._instances.held.values():
            for held in group.values():
                self._instances.close(held)
        self._parents.close()

    async def warm(self) -> None:
        """Return when the parents of the default image are there: the next start is a fork."""
        if self._fork:
            await self._parents.ensure_all(self.builder.path("default").name)

    async def _keep_warm(self) -> None:
        """Keep the parents of the default image; remove what nothing uses any more."""
        while True:
            with contextlib.suppress(RoostError):
                build = self.builder.path("default").name
                await asyncio.to_thread(self._parents.end_others, build)
                await asyncio.to_thread(self.builder.remove_unused, self._builds_in_use())
                await self._parents.keep(build)
            await asyncio.sleep(_INSIST_WAIT_S)

    def _builds_in_use(self) -> frozenset[str]:
        return frozenset(held.record.build for held in self._instances.all_alive())

    # -- intent ---------------------------------------------------------------------------------------------------

    async def apply(self, workload: Workload) -> None:
        """Start what is missing, end what is outdated or surplus. See `Runtime.apply`."""
        async with self._locks.setdefault(workload.id, asyncio.Lock()):
            wanted = {(part.name, index): part for part in workload.parts for index in range(part.count)}
            await self._end_unwanted(workload, set(wanted))
            present = {(held.record.part, held.record.index) for held in self._instances.of(workload.id).values()}
            missing = [(part, index) for (name, index), part in wanted.items() if (name, index) not in present]
            if not missing:
                return
            build = self.builder.path(workload.image).name
            for mount in workload.volumes:
                await self.disks.ensure(mount.volume, workload.owner)
            for part, index in missing:
                await self._start(workload, part, index, build)

    async def _end_unwanted(self, workload: Workload, wanted: set[tuple[str, int]]) -> None:
        leaving = []
        for held in list(self._instances.of(workload.id).values()):
            record = held.record
            current = record.generation == workload.generation and (record.part, record.index) in wanted
            if current and (held.exit is None or record.index == 0):
                continue
            leaving.append(held)
        await asyncio.gather(*(self._end(held) for held in leaving))
        for held in leaving:
            self._instances.remove(held)
            if (held.record.part, held.record.index) not in wanted:
                await asyncio.to_thread(_remove_places, held)

    async def _start(self, workload: Workload, part: Part, index: int, build: str) -> None:
        uid = self.owners.uid(workload.owner)
        now_us = time.time_ns() // 1000
        record = records.new_record(workload, part, index, uid=uid, build=build, now_us=now_us)
        at = records.places(self.settings, record)
        launch = await asyncio.to_thread(self._prepare, workload, part, record, at)
        try:
            pid = await self._parents.launch(build, part.program, launch)
        except RoostError as error:
            (at.record / "instance.json").unlink(missing_ok=True)
            raise Unavailable(error.message, subject=workload.id, code=error.code, hint=error.hint) from None
        self._instances.add(Held(record, at, pid=pid))

    def _prepare(self, workload: Workload, part: Part, record: Record, at: records.Places) -> Launch:
        """Everything an instance needs on disk, intent first."""
        _end_leftover(at)
        records.prepare(record, at)
        write_secrets(at.files, part.files, record.uid, record.uid)
        home = self.disks.path(workload.volumes[0].volume) if workload.volumes else at.scratch
        if record.uid >= 0:
            at.accounts.mkdir(exist_ok=True)
            at.accounts.chmod(0o711)
            for name, text in accounts(record.uid, home).items():
                (at.accounts / name).write_text(text)
                (at.accounts / name).chmod(0o644)
        limits = Limits(memory_bytes=record.memory_bytes)
        if self._groups is not None:
            limits = self._groups.make(record.group, record.memory_bytes, part.cpu_millis)
        view = self._view(record, home, at)
        around = Surroundings(
            image=self.settings.images / record.build,
            home=home,
            at=at,
            limits=limits,
            view=view if self._own_sandbox else None,
            prefix=bubblewrap(view) if view is not None and not self._own_sandbox else (),
        )
        launch = launch_of(workload, part, record, around)
        # Kept for commands that are run beside the program; secrets are files, not part of it.
        beside = replace(launch, record="", log="", argv=(), module="")
        write_json(at.record / "beside.json", json.loads(beside.to_json()))
        (at.record / "beside.json").chmod(0o600)
        return launch

    def _view(self, record: Record, home: Path, at: records.Places) -> View | None:
        """What a program sees at a level with sandboxes."""
        if self.level is not Level.BUBBLEWRAP:
            return None
        image = self.settings.images / record.build
        return view_of(
            hides=(self.settings.home, self.settings.sockets),
            reads=(image, *interpreter_of(image), at.sockets.parent, at.accounts),
            owns=dict.fromkeys((home, at.sockets, at.scratch)),
        )

    async def delete(self, id: str, *, grace_s: float = 10.0) -> None:
        """End all instances, politely first."""
        async with self._locks.setdefault(id, asyncio.Lock()):
            await asyncio.gather(*(self._end(held, grace_s) for held in list(self._instances.of(id).values())))

    async def _end(self, held: Held, grace_s: float = 10.0) -> None:
        if held.exit is not None:
            return
        held.stop_asked = True
        for wait_s in (grace_s, _INSIST_WAIT_S):
            held.signal(signal.SIGTERM)  # the second one ends the shim's patience
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(held.ended.wait(), wait_s)
                return
        left = descendants(held.pid)
        held.signal(signal.SIGKILL)
        kill_all(left)
        await asyncio.wait_for(held.ended.wait(), _INSIST_WAIT_S)

    async def forget(self, id: str) -> None:
        """Remove logs and records of an ended workload."""
        async with self._locks.setdefault(id, asyncio.Lock()):
            for held in list(self._instances.of(id).values()):
                await self._end(held)
                self._instances.remove(held)
            for folder in (self.settings.workloads / id, self.settings.sockets / id):
                await asyncio.to_thread(shutil.rmtree, folder, True)
            self._observed.pop(id, None)
        self._locks.pop(id, None)

    # -- observation ----------------------------------------------------------------------------------------------

    async def observe(self) -> Mapping[str, Observed]:
        """Everything this home has, ended instances included until they are forgotten."""
        instances = self._instances
        stale = instances.stale if self._observed else set(instances.held)
        instances.stale = set()
        stale |= {held.record.id for held in instances.all_alive() if held.record.program in records.SAYS_USE}
        for id in stale:
            group = instances.held.get(id)
            if group:
                self._observed[id] = Observed(id=id, instances=tuple(held.seen() for held in group.values()))
            else:
                self._observed.pop(id, None)
        return dict(self._observed)

    async def wait_change(self, timeout_s: float) -> bool:
        """Whether something changed since the last observe, as soon as it does."""
        try:
            await asyncio.wait_for(self._instances.changed.wait(), timeout_s)
        except TimeoutError:
            return False
        self._instances.changed.clear()
        return True

    async def logs(
        self, id: str, part: str, *, index: int = 0, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[bytes]:
        """Log bytes from `offset` on; with `follow`, until the instance ends."""
        held = self._one(id, part, index, alive=False)
        while True:
            ended = held.exit is not None  # before reading: what came before the end is read too
            piece, offset = await asyncio.to_thread(_read_piece, held.at.log, offset)
            if piece:
                yield piece
            elif ended or not follow:
                return
            else:
                await asyncio.sleep(_FOLLOW_S)

    async def usage(self) -> Mapping[str, Usage]:
        """What each running workload uses now."""
        found: dict[str, Usage] = {}
        alive = self._instances.all_alive()
        for held, used in zip(alive, await asyncio.to_thread(self._measure, alive), strict=True):
            if used is None:
                continue
            before = found.get(held.record.id, Usage(memory_bytes=0, memory_limit_bytes=0, cpu_seconds=0.0))
            found[held.record.id] = Usage(
                memory_bytes=before.memory_bytes + used[0],
                memory_limit_bytes=before.memory_limit_bytes + held.record.memory_bytes,
                cpu_seconds=before.cpu_seconds + used[1],
            )
        return found

    def _measure(self, alive: Sequence[Held]) -> Sequence[tuple[int, float] | None]:
        """Memory in bytes and CPU seconds of each."""
        if self._groups is None:
            return usage_of_trees(alive)
        return [self._groups.usage(held.record.group) for held in alive]

    async def exec(self, id: str, part: str, argv: Sequence[str], *, stdin: bytes = b"") -> AsyncIterator[ExecChunk]:
        """Run a command inside an instance: same user, limits and environment."""
        held = self._one(id, part, 0, alive=True)
        content = json.loads((held.at.record / "beside.json").read_text())
        launch = Launch.from_json(json.dumps({**content, "argv": list(argv), "sandbox": records.sandbox(held.at)}))
        async for chunk in run_beside(self._parents, held.record.build, launch, stdin, held.ended):
            yield chunk

    async def write_files(self, id: str, part: str, files: Mapping[str, bytes]) -> None:
        """Replace secret files of running instances."""
        for held in self._instances.of(id).values():
            if held.record.part == part and held.exit is None:
                uid = held.record.uid
                await asyncio.to_thread(write_secrets, held.at.files, files, uid, uid)

    def _one(self, id: str, part: str, index: int, *, alive: bool) -> Held:
        for held in self._instances.of(id).values():
            if (held.record.part, held.record.index) == (part, index) and (held.exit is None or not alive):
                return held
        raise NotFound(
            f"There is no {'running ' if alive else ''}part {part} {index}.",
            subject=id,
            field="part",
            hint="Start it first." if alive else "It has never run.",
        )


def _end_leftover(at: records.Places) -> None:
    """End an earlier instance in this place that nobody holds any more; normally there is none."""
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _INSIST_WAIT_S
        if pid := records.living_pid(at):
            kill_all([pid], number)
        while records.living_pid(at) and time.monotonic() < deadline:
            time.sleep(0.01)


def _remove_places(held: Held) -> None:
    for path in (held.at.record, held.at.sockets, held.at.files):
        shutil.rmtree(path, ignore_errors=True)


def _read_piece(path: Path, offset: int) -> tuple[bytes, int]:
    """A piece of a log from `offset` on, and where the next one starts."""
    try:
        with path.open("rb") as file:
            if file.seek(0, os.SEEK_END) < offset:
                offset = 0  # the older half was dropped meanwhile
            file.seek(offset)
            piece = file.read(_LOG_PIECE)
    except FileNotFoundError:
        return b"", offset
    return piece, offset + len(piece)

"""A control plane without its web application: a real store, a real local runtime, programs of one line."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from tests.harness import remove_traces, sweep
from tests.store.making import NOW, person, workspace_row

from roost.control.live import Live
from roost.control.reconcile import Reconciler
from roost.model.access import Caller
from roost.model.lifecycle import Observed, Phase
from roost.model.names import IdKind, new_id
from roost.model.specs import parse_spec
from roost.model.workload import Kind, Mount, Part, Program, Workload
from roost.runtimes.local.runtime import LocalRuntime
from roost.services import workloads as services
from roost.services.workloads import By, part_counts
from roost.settings import Settings
from roost.store import workloads
from roost.store.database import Store, open_store
from roost.store.rows import WorkloadRow

PROGRAM = ("sleep", "600")


def now_us() -> int:
    return time.time_ns() // 1000


async def until(true: Callable[[], bool | Awaitable[bool]], what: str, within_s: float = 20.0) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + within_s
    while True:
        answer = true()
        if await answer if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, f"{what} did not happen"
        await asyncio.sleep(0.005)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path / "roost.db")
    yield opened
    opened.close()


@pytest.fixture
def ada(store: Store) -> Caller:
    return person(store)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.us = NOW

    def __call__(self) -> int:
        return self.us

    def later(self, us: int) -> None:
        self.us += us


@pytest.fixture
def clock() -> Clock:
    return Clock()


def running(store: Store, owner: str, kind: Kind = Kind.WORKSPACE, **changes: Any) -> WorkloadRow:
    """A workload that runs since the beginning of the test."""
    id = new_id(IdKind.WORKSPACE if kind is Kind.WORKSPACE else IdKind.CLUSTER, os.urandom(16))
    base = workspace_row(owner, id)
    row = replace(base, id=id, kind=kind, phase=Phase.RUNNING, started_us=NOW, **changes)
    with store.write() as tx:
        workloads.add(tx, row)
    return row


def row_of(store: Store, id: str) -> WorkloadRow:
    with store.read() as tx:
        row = workloads.by_id(tx, id)
    assert row is not None
    return row


def as_program(row: WorkloadRow, argv: tuple[str, ...] = PROGRAM) -> Workload:
    """The workload of a row with a small program in the place of JupyterLab and Dask."""
    parts = tuple(
        Part(
            name=name,
            program=Program.COMMAND,
            arguments=argv,
            memory_bytes=128 << 20,
            cpu_millis=100,
            count=count,
        )
        for name, count in part_counts(row).items()
    )
    volumes = (Mount(volume=row.volume),) if row.volume else ()
    return Workload(
        id=row.id,
        owner=row.owner,
        kind=row.kind,
        name=row.name,
        generation=row.generation,
        image="default",
        parts=parts,
        pool="local",
        zone="",
        volumes=volumes,
    )


@dataclass
class Control:
    """A reconciler at work. `render` may be replaced while it runs."""

    store: Store
    runtime: LocalRuntime
    owner: Caller
    render: Callable[[WorkloadRow], Workload] = as_program
    live: Live = field(default_factory=Live)
    reconciler: Reconciler = field(init=False)
    task: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """A new reconciler, as after a start of the control plane."""
        self.reconciler = Reconciler(self.store, self.runtime, lambda row: self.render(row), self.live)
        self.task = asyncio.create_task(self.reconciler.run())

    async def end(self) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self.task
            self.task = None

    @property
    def by(self) -> By:
        return By(person=self.owner.person, name=self.owner.name, now_us=now_us())

    def create(self, name: str = "demo", **spec: object) -> str:
        asked = parse_spec({"kind": "workspace", **spec})
        return services.create(self.store, self.by, name, asked)[0].id

    def row(self, id: str) -> WorkloadRow:
        return row_of(self.store, id)

    async def seen(self, id: str) -> Observed | None:
        return (await self.runtime.observe()).get(id)

    async def until_phase(self, id: str, phase: Phase) -> WorkloadRow:
        await until(lambda: self.row(id).phase is phase, f"{phase}; it is {self.row(id).phase}")
        return self.row(id)


async def started(home: Path) -> LocalRuntime:
    """A runtime whose programs may be counted: not in sandboxes, and executed where root may not separate people."""
    runtime = LocalRuntime(Settings(home=home, isolation="auto" if os.geteuid() == 0 else "process"))
    await runtime.start()
    return runtime


@pytest.fixture
async def control(short_home: Path, store: Store, ada: Caller) -> AsyncIterator[Control]:
    made = Control(store, await started(short_home), ada)
    made.begin()
    yield made
    await made.end()
    for id in await made.runtime.observe():
        await made.runtime.delete(id, grace_s=0.2)
    await made.runtime.close()
    sweep(short_home)
    remove_traces(short_home)

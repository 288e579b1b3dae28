"""The reconciler on a real store and real processes: what runs becomes what is wanted, and nothing else ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest
from tests.control.conftest import Control, as_program, now_us, started, until
from tests.store.making import person

from roost.control import reconcile
from roost.model.errors import InvalidInput, RoostError, Unavailable
from roost.model.lifecycle import Exit, Observed, Phase, Wanted
from roost.model.workload import Workload
from roost.runtimes.local.runtime import LocalRuntime
from roost.services import workloads as services
from roost.store import workloads
from roost.store.database import Store, open_store
from roost.store.rows import WorkloadRow

pytestmark = pytest.mark.image


def pids(observed: Observed | None, runtime: LocalRuntime) -> dict[tuple[str, int], int]:
    """The shims of the living instances."""
    found = {}
    for instance in observed.alive if observed is not None else ():
        name = instance.part if instance.index == 0 else f"{instance.part}-{instance.index}"
        assert observed is not None
        identity = runtime.settings.workloads / observed.id / name / "identity.json"
        with contextlib.suppress(FileNotFoundError):  # it was just asked for
            found[instance.part, instance.index] = int(json.loads(identity.read_text())["pid"])
    return found


async def exits(control: Control, id: str) -> list[Exit | None]:
    observed = await control.seen(id)
    return [instance.exit for instance in observed.instances] if observed is not None else []


async def test_what_is_wanted_runs_and_what_is_not_wanted_ends(control: Control) -> None:
    id = control.create()
    await control.until_phase(id, Phase.RUNNING)
    services.stop(control.store, control.by, id)
    assert control.row(id).phase is Phase.STOPPING, "told at once"
    await control.until_phase(id, Phase.STOPPED)
    assert all(await exits(control, id))
    services.start(control.store, control.by, id)
    await control.until_phase(id, Phase.RUNNING)
    services.delete(control.store, control.by, id, keep_s=60)
    await until(lambda: _forgotten(control, id), "forgotten")
    volume = control.row(id).volume
    assert volume is not None
    assert await control.runtime.disks.exists(volume), "the files stay"


async def _forgotten(control: Control, id: str) -> bool:
    return await control.seen(id) is None


async def test_a_new_generation_replaces_what_runs(control: Control) -> None:
    id = control.create()
    await control.until_phase(id, Phase.RUNNING)
    before = pids(await control.seen(id), control.runtime)
    services.restart(control.store, control.by, id)
    assert control.row(id).phase is Phase.STARTING
    await control.until_phase(id, Phase.RUNNING)
    after = await control.seen(id)
    assert after is not None
    assert [instance.generation for instance in after.instances] == [2]
    assert pids(after, control.runtime) != before


async def test_the_intent_is_written_before_anything_starts(control: Control) -> None:
    told: list[WorkloadRow | None] = []

    def look(row: WorkloadRow) -> Workload:
        told.append(control.row(row.id))
        assert not (control.runtime.settings.workloads / row.id).exists()
        return as_program(row)

    control.render = look
    id = control.create()
    await control.until_phase(id, Phase.RUNNING)
    assert told
    assert told[0] is not None
    assert told[0].wanted is Wanted.RUNNING


async def test_every_step_may_be_repeated_and_nothing_is_doubled(control: Control) -> None:
    id = control.create(kind="cluster", workers=2)
    await control.until_phase(id, Phase.RUNNING)
    await until(lambda: control.row(id).reason == "", "all workers")
    before = pids(await control.seen(id), control.runtime)
    assert len(before) == 3
    for _ in range(5):
        await control.reconciler.bring_closer(id)
        await control.reconciler.look()
        await control.runtime.apply(as_program(control.row(id)))
    assert pids(await control.seen(id), control.runtime) == before
    services.stop(control.store, control.by, id)
    await control.until_phase(id, Phase.STOPPED)
    for _ in range(3):
        await control.reconciler.bring_closer(id)
        await control.runtime.delete(id)
    assert control.row(id).phase is Phase.STOPPED


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_control_plane_that_dies_around_a_start_leaves_exactly_one(control: Control, moment: str) -> None:
    """The first attempt ends at the side effect; the next control plane knows only the store and the processes."""
    await control.end()
    died = asyncio.Event()
    apply = control.runtime.apply

    async def dies(workload: Workload) -> None:
        if moment == "after":
            await apply(workload)
        died.set()
        await asyncio.Event().wait()

    control.runtime.apply = dies  # type: ignore[method-assign]
    control.begin()
    id = control.create()
    await asyncio.wait_for(died.wait(), 10)
    await control.end()
    await control.runtime.close()
    control.runtime = await started(control.runtime.settings.home)
    control.begin()
    await control.until_phase(id, Phase.RUNNING)
    assert len(pids(await control.seen(id), control.runtime)) == 1


async def test_what_ends_by_itself_failed_and_stays_ended(control: Control) -> None:
    control.render = lambda row: as_program(row, ("sh", "-c", "exit 3"))
    id = control.create()
    row = await control.until_phase(id, Phase.FAILED)
    assert row.reason == "JupyterLab ended by itself with code 3; the log may say why."
    await control.reconciler.look()
    await control.reconciler.bring_closer(id)
    assert len(await exits(control, id)) == 1
    control.render = as_program
    services.start(control.store, control.by, id)
    await control.until_phase(id, Phase.RUNNING)


async def test_what_vanished_is_started_again_but_not_for_ever(control: Control) -> None:
    id = control.create()
    for generation in range(1, 2 + reconcile._RENEWALS):
        await until(partial(_runs, control, id, generation), f"generation {generation}")
        for pid in pids(await control.seen(id), control.runtime).values():
            os.kill(pid, signal.SIGKILL)
    row = await control.until_phase(id, Phase.FAILED)
    assert row.reason.startswith("JupyterLab ended without a trace")
    assert row.generation == 1 + reconcile._RENEWALS


async def _runs(control: Control, id: str, generation: int) -> bool:
    row = control.row(id)
    return (row.phase, row.generation) == (Phase.RUNNING, generation)


async def test_workers_that_end_are_replaced_and_the_cluster_runs_on(control: Control) -> None:
    id = control.create(kind="cluster", workers=3)
    await control.until_phase(id, Phase.RUNNING)
    await until(lambda: control.row(id).reason == "", "all workers")
    before = pids(await control.seen(id), control.runtime)
    os.kill(before["worker", 2], signal.SIGKILL)
    await until(lambda: _replaced(control, id, before), "another worker")
    after = pids(await control.seen(id), control.runtime)
    assert {key: pid for key, pid in after.items() if key != ("worker", 2)} == {
        key: pid for key, pid in before.items() if key != ("worker", 2)
    }
    assert control.row(id).generation == 1


async def _replaced(control: Control, id: str, before: dict[tuple[str, int], int]) -> bool:
    after = pids(await control.seen(id), control.runtime)
    return after.keys() == before.keys() and after["worker", 2] != before["worker", 2]


@pytest.mark.parametrize("workers", [1, 4])
async def test_a_cluster_is_scaled_without_touching_the_others(control: Control, workers: int) -> None:
    id = control.create(kind="cluster", workers=2)
    await until(lambda: control.row(id).phase is Phase.RUNNING and control.row(id).reason == "", "all workers")
    before = pids(await control.seen(id), control.runtime)
    services.scale(control.store, control.by, id, workers)
    await until(lambda: _count(control, id, 1 + workers), f"{workers} workers")
    after = pids(await control.seen(id), control.runtime)
    assert {key: pid for key, pid in after.items() if key in before} == {
        key: pid for key, pid in before.items() if key in after
    }


async def _count(control: Control, id: str, count: int) -> bool:
    return len(pids(await control.seen(id), control.runtime)) == count


async def test_without_its_scheduler_the_rest_of_a_cluster_ends(control: Control) -> None:
    def scheduler_fails(row: WorkloadRow) -> Workload:
        made = as_program(row)
        first = replace(made.parts[0], arguments=("sh", "-c", "sleep 0.3; exit 4"))
        return replace(made, parts=(first, *made.parts[1:]))

    control.render = scheduler_fails
    id = control.create(kind="cluster", workers=2)
    row = await control.until_phase(id, Phase.FAILED)
    assert row.reason == "The Dask cluster ended by itself with code 4; the log may say why."
    await until(lambda: _count(control, id, 0), "the workers end")
    await control.reconciler.look()
    assert control.row(id).phase is Phase.FAILED, "it is not started again"


async def test_a_refusal_is_told_and_not_tried_again_until_asked(control: Control) -> None:
    tries = 0

    def refuse(row: WorkloadRow) -> Workload:
        nonlocal tries
        tries += 1
        raise InvalidInput("There is no size 'huge'.", hint="Use small.")

    control.render = refuse
    id = control.create()
    row = await control.until_phase(id, Phase.FAILED)
    assert row.reason == "There is no size 'huge'. Use small."
    for _ in range(3):
        await control.reconciler.look()
        await control.reconciler.bring_closer(id)
    assert tries == 1
    control.render = as_program
    services.start(control.store, control.by, id)
    await control.until_phase(id, Phase.RUNNING)


async def test_what_is_not_there_yet_is_waited_for_with_the_reason_shown(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "_UNAVAILABLE_RETRY_S", 0.02)
    tries = 0

    def later(row: WorkloadRow) -> Workload:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise Unavailable("The image is being built.")
        return as_program(row)

    control.render = later
    id = control.create()
    await until(lambda: control.row(id).reason == "The image is being built.", "the reason")
    assert control.row(id).phase is Phase.STARTING
    await control.until_phase(id, Phase.RUNNING)


# -- a missing row or an empty table never ends or removes anything ------------------------------------------------


async def test_another_database_without_the_workload_ends_and_removes_nothing(
    control: Control, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ids = [control.create("one"), control.create("two", kind="cluster", workers=1)]
    for id in (*ids, stopped := control.create("stopped")):
        await control.until_phase(id, Phase.RUNNING)
    services.stop(control.store, control.by, stopped)
    await control.until_phase(stopped, Phase.STOPPED)
    before = {id: pids(await control.seen(id), control.runtime) for id in ids}
    folders = _folders(control.runtime)
    volume = control.row(ids[0]).volume

    empty = open_store(tmp_path / "empty.db")
    try:
        await _as_if_restored(control, empty)
        assert control.live.strangers == {*ids, stopped}
        assert {id: pids(await control.seen(id), control.runtime) for id in ids} == before
        assert _folders(control.runtime) == folders
        assert volume is not None
        assert await control.runtime.disks.exists(volume)
        assert "left alone" in caplog.text
    finally:
        await control.end()
        empty.close()


async def test_an_old_copy_of_the_database_ends_nothing_that_is_younger(control: Control, tmp_path: Path) -> None:
    old = control.create("old")
    await control.until_phase(old, Phase.RUNNING)
    shutil.copy(control.store.subject, tmp_path / "copy.db")
    for suffix in ("-wal", "-shm"):
        if Path(control.store.subject + suffix).exists():
            shutil.copy(control.store.subject + suffix, str(tmp_path / "copy.db") + suffix)
    young = control.create("young")
    await control.until_phase(young, Phase.RUNNING)
    before = {id: pids(await control.seen(id), control.runtime) for id in (old, young)}
    folders = _folders(control.runtime)

    copy = open_store(tmp_path / "copy.db")
    try:
        await _as_if_restored(control, copy)
        assert control.live.strangers == {young}
        assert {id: pids(await control.seen(id), control.runtime) for id in (old, young)} == before
        assert _folders(control.runtime) == folders
        assert control.row(old).phase is Phase.RUNNING
    finally:
        await control.end()
        copy.close()


async def _as_if_restored(control: Control, store: Store) -> None:
    """A new control plane on another database, until it has looked at everything more than once."""
    await control.end()
    control.store = store
    control.begin()
    await asyncio.wait_for(control.reconciler.ready.wait(), 10)
    for _ in range(3):
        await control.reconciler.look(full=True)


def _folders(runtime: LocalRuntime) -> set[str]:
    roots = (runtime.settings.workloads, runtime.settings.volumes)
    return {str(path) for root in roots for path in root.glob("*")}


async def test_a_table_that_is_missing_ends_nothing(control: Control) -> None:
    id = control.create()
    await control.until_phase(id, Phase.RUNNING)
    before, folders = pids(await control.seen(id), control.runtime), _folders(control.runtime)
    rename_table(control.store, "workloads", "elsewhere")
    with pytest.raises(RoostError):
        await control.reconciler.look()
    with pytest.raises(RoostError):
        await control.reconciler.bring_closer(id)
    assert pids(await control.seen(id), control.runtime) == before
    assert _folders(control.runtime) == folders
    rename_table(control.store, "elsewhere", "workloads")
    services.stop(control.store, control.by, id)
    await control.until_phase(id, Phase.STOPPED)


async def test_a_table_that_is_empty_ends_nothing(control: Control) -> None:
    id = control.create()
    await control.until_phase(id, Phase.RUNNING)
    before, folders = pids(await control.seen(id), control.runtime), _folders(control.runtime)
    with contextlib.closing(sqlite3.connect(control.store.subject)) as connection, connection:
        connection.execute("DELETE FROM workloads")
    for _ in range(3):
        await control.reconciler.look()
        await control.reconciler.bring_closer(id)
    assert control.live.strangers == {id}
    assert pids(await control.seen(id), control.runtime) == before
    assert _folders(control.runtime) == folders


def rename_table(store: Store, name: str, new: str) -> None:
    with contextlib.closing(sqlite3.connect(store.subject)) as connection, connection:
        connection.execute("PRAGMA legacy_alter_table=ON")
        connection.execute(f"ALTER TABLE {name} RENAME TO {new}")


# -- the bill and the history ---------------------------------------------------------------------------------------


async def test_the_history_tells_each_phase_once(control: Control) -> None:
    id = control.create()
    await control.until_phase(id, Phase.RUNNING)
    services.stop(control.store, control.by, id)
    await control.until_phase(id, Phase.STOPPED)
    for _ in range(3):
        await control.reconciler.look()
    with control.store.read() as tx:
        history = workloads.history(tx, id)
    phases = [phase for phase, _ in groupby(happened.phase for happened in history)]
    assert phases == [Phase.STARTING, Phase.RUNNING, Phase.STOPPING, Phase.STOPPED]
    assert history[-1].reason == "Stopped by Ada."


async def test_somebody_elses_workloads_are_reconciled_alike(control: Control) -> None:
    bob = person(control.store, "Bob")
    id = control.create()
    by = services.By(person=bob.person, name="Bob", now_us=now_us())
    other = services.create(control.store, by, "demo", services.spec_of(control.row(id)))[0].id
    for one in (id, other):
        await control.until_phase(one, Phase.RUNNING)

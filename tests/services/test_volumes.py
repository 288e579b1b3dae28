import asyncio
from pathlib import Path

import pytest
from tests.harness import eventually, remove_traces
from tests.services.fixed import by, change_by_hand, dump
from tests.store.making import DAY, NOW, file_of, person

from roost.control.volumes import VolumeLoop
from roost.model.access import Caller
from roost.model.errors import Conflict, InvalidInput, NotFound
from roost.model.lifecycle import Phase
from roost.model.specs import WorkspaceSpec
from roost.runtimes.local.runtime import LocalRuntime
from roost.services import volumes, workloads
from roost.settings import Settings
from roost.store import workloads as table
from roost.store.database import Store, open_store
from roost.store.rows import WorkloadRow

WEEK_S = 7 * 86400


@pytest.fixture
def ada(store: Store) -> Caller:
    return person(store, "Ada")


@pytest.fixture
def home(store: Store, ada: Caller) -> WorkloadRow:
    return workloads.create(store, by(ada, NOW), "home", WorkspaceSpec())[0]


def id_of(row: WorkloadRow) -> str:
    assert row.volume is not None
    return row.volume


def test_a_volume_goes_to_the_bin_with_its_workspace_and_comes_back_with_it(
    store: Store, ada: Caller, home: WorkloadRow
) -> None:
    workloads.delete(store, by(ada, NOW), home.id, keep_s=WEEK_S)
    kept = volumes.get_volume(store, id_of(home))
    assert (kept.deleted_us, kept.keep_until_us, kept.destroy_wanted_us) == (NOW, NOW + 7 * DAY, None)
    assert volumes.to_destroy(store) == []
    workloads.restore(store, by(ada, NOW), home.id)
    assert volumes.get_volume(store, id_of(home)).deleted_us is None
    assert [user and user.id for _, user in volumes.list_volumes(store, ada.person)] == [home.id]


def test_only_an_explicit_second_request_by_name_destroys(store: Store, ada: Caller, home: WorkloadRow) -> None:
    volume, me = id_of(home), by(ada, NOW)
    with pytest.raises(Conflict) as caught:
        volumes.destroy_volume(store, me, volume, confirm="home")
    assert caught.value.code == "volume-in-use"
    workloads.delete(store, me, home.id, keep_s=WEEK_S)
    for wrong in ("", "Home", "home ", volume):
        with pytest.raises(InvalidInput) as bad:
            volumes.destroy_volume(store, me, volume, confirm=wrong)
        assert bad.value.field == "confirm"
    assert volumes.to_destroy(store) == []
    volumes.destroy_volume(store, me, volume, confirm="home")
    before = dump(file_of(store))
    volumes.destroy_volume(store, me, volume, confirm="home")
    assert dump(file_of(store)) == before
    assert volumes.to_destroy(store) == [], "what still stops may write to it"
    with store.write() as tx:
        table.change(tx, home.id, {"phase": Phase.STOPPED})
    assert [row.id for row in volumes.to_destroy(store)] == [volume]
    for back in (
        lambda: volumes.restore_volume(store, me, volume),
        lambda: workloads.restore(store, me, home.id),
    ):
        with pytest.raises(Conflict) as late:
            back()
        assert late.value.code == "volume-destroyed"
    volumes.destroyed(store, volume, now_us=NOW)
    assert volumes.to_destroy(store) == []
    assert volumes.list_volumes(store, ada.person) == []
    with pytest.raises(NotFound):
        volumes.get_volume(store, volume)


def test_a_volume_is_restored_without_its_workspace(store: Store, ada: Caller, home: WorkloadRow) -> None:
    workloads.delete(store, by(ada, NOW), home.id, keep_s=WEEK_S)
    for _ in range(2):
        row = volumes.restore_volume(store, by(ada, NOW + 30 * DAY), id_of(home))
        assert (row.deleted_us, row.keep_until_us) == (None, None)
    with pytest.raises(NotFound):
        volumes.restore_volume(store, by(ada, NOW), "vo-" + "a" * 26)


async def one_look(store: Store, runtime: LocalRuntime, now_us: int) -> None:
    """The loop that destroys looks once: it is done when a volume that may go is gone."""
    bob = by(person(store, "Bob"), NOW)
    row, _ = workloads.create(store, bob, "may go", WorkspaceSpec())
    workloads.delete(store, bob, row.id, keep_s=WEEK_S)
    volumes.destroy_volume(store, bob, id_of(row), confirm="may go")
    loop = asyncio.create_task(VolumeLoop(store, runtime.disks, lambda: now_us).run())
    await asyncio.to_thread(eventually, lambda: not volumes.to_destroy(store))
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_neither_time_nor_a_lost_row_nor_an_empty_database_removes_files(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", isolation="process")
    store = open_store(settings)
    runtime = LocalRuntime(settings, fork=False, kernel_limits=False)
    ada = person(store)
    rows = [workloads.create(store, by(ada, NOW), name, WorkspaceSpec())[0] for name in ("kept", "lost", "destroyed")]
    files = {}
    for row in rows:
        await runtime.disks.ensure(id_of(row), ada.person)
        files[row.name] = runtime.disks.path(id_of(row)) / "work.txt"
        files[row.name].write_text("a year of work")
        workloads.delete(store, by(ada, NOW), row.id, keep_s=WEEK_S)
        with store.write() as tx:
            table.change(tx, row.id, {"phase": Phase.STOPPED})
    change_by_hand(store, "DELETE FROM volumes WHERE id = ?", id_of(rows[1]))
    volumes.destroy_volume(store, by(ada, NOW), id_of(rows[2]), confirm="destroyed")
    await one_look(store, runtime, NOW + 3650 * DAY)
    assert {name: path.exists() for name, path in files.items()} == {"kept": True, "lost": True, "destroyed": False}
    store.close()
    settings.database.unlink()
    empty = open_store(settings)
    await one_look(empty, runtime, NOW + 3650 * DAY)
    assert {name: path.exists() for name, path in files.items()} == {"kept": True, "lost": True, "destroyed": False}
    empty.close()
    remove_traces(settings.home)


def test_a_home_belongs_to_one_workspace_at_a_time(store: Store, ada: Caller, home: WorkloadRow) -> None:
    volume, me = id_of(home), by(ada, NOW)
    workloads.delete(store, me, home.id, keep_s=WEEK_S)
    volumes.restore_volume(store, me, volume)
    other = workloads.create(store, me, "other", WorkspaceSpec(volume=volume))[0]
    before = dump(file_of(store))
    with pytest.raises(Conflict) as caught:
        workloads.restore(store, me, home.id)
    assert caught.value.code == "volume-in-use"
    assert dump(file_of(store)) == before
    workloads.delete(store, me, other.id, keep_s=WEEK_S)
    assert workloads.restore(store, me, home.id).deleted_us is None
    assert volumes.get_volume(store, volume).deleted_us is None

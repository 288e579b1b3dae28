import hashlib
import threading
from dataclasses import replace

import pytest
from tests.services.fixed import by, change_by_hand, dump
from tests.store.making import DAY, HOUR, NOW, file_of, person

from roost.model.access import Caller
from roost.model.errors import Conflict, InvalidInput, NotFound, RoostError
from roost.model.lifecycle import Phase, Wanted
from roost.model.specs import ClusterSpec, Environment, Spec, WorkspaceSpec
from roost.model.workload import Kind
from roost.services import audit, volumes, workloads
from roost.services.workloads import Retry
from roost.store import workloads as table
from roost.store.database import Store
from roost.store.rows import WorkloadRow

WEEK_S = 7 * 86400


@pytest.fixture
def ada(store: Store) -> Caller:
    return person(store, "Ada")


def make(store: Store, owner: Caller, name: str = "home", spec: Spec | None = None, now_us: int = NOW) -> WorkloadRow:
    return workloads.create(store, by(owner, now_us), name, spec or WorkspaceSpec())[0]


def history(store: Store, id: str) -> list[tuple[str, str]]:
    with store.read() as tx:
        return [(str(t.detail["action"]), t.reason) for t in table.history(tx, id)]


def refused(store: Store, attempt: object) -> RoostError:
    """The refusal, which changed nothing."""
    before = dump(file_of(store))
    assert callable(attempt)
    with pytest.raises(RoostError) as caught:
        attempt()
    assert dump(file_of(store)) == before
    return caught.value


def test_a_new_workspace_is_wanted_and_has_a_home(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    assert (row.owner, row.wanted, row.generation, row.phase) == (ada.person, Wanted.RUNNING, 1, Phase.STARTING)
    assert row.volume is not None
    assert volumes.get_volume(store, row.volume).owner == ada.person
    assert workloads.by_id(store, row.id) == replace(row, observed={})
    assert workloads.spec_of(row) == WorkspaceSpec()
    assert history(store, row.id) == [("create", "Created.")]
    assert make(store, ada, "dask", ClusterSpec(workers=3)).volume is None


def test_names_are_unique_per_owner_and_kind_however_they_are_written(store: Store, ada: Caller) -> None:
    make(store, ada, "Analyse Ⅳ")
    for same in ("ANALYSE IV", "analyse  iv", "Ａｎａｌｙｓｅ Ⅳ"):
        error = refused(store, lambda same=same: make(store, ada, same))
        assert (error.code, error.field, error.subject) == ("name-exists", "name", "Analyse Ⅳ")
    make(store, ada, "analyse iv", ClusterSpec())
    make(store, person(store, "Bob"), "analyse iv")


def test_a_deleted_one_gives_its_name_back(store: Store, ada: Caller) -> None:
    first = make(store, ada)
    workloads.delete(store, by(ada, NOW), first.id, keep_s=WEEK_S)
    second = make(store, ada)
    assert refused(store, lambda: workloads.restore(store, by(ada, NOW), first.id)).code == "name-exists"
    workloads.rename(store, by(ada, NOW), second.id, "another")
    assert workloads.restore(store, by(ada, NOW), first.id).name == "home"


def test_start_stop_and_restart_write_what_is_wanted(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    stopped = workloads.stop(store, by(ada, NOW + 1), row.id)
    assert (stopped.wanted, stopped.phase, stopped.reason) == (Wanted.STOPPED, Phase.STOPPING, "Stopped by Ada.")
    started = workloads.start(store, by(ada, NOW + 2), row.id)
    assert (started.wanted, started.phase, started.generation, started.reason) == (
        Wanted.RUNNING,
        Phase.STARTING,
        2,
        "",
    )
    assert workloads.restart(store, by(ada, NOW + 3), row.id).generation == 3
    assert [action for action, _ in history(store, row.id)] == ["create", "stop", "start", "restart"]


def test_what_is_so_already_leaves_no_trace(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    before = dump(file_of(store))
    workloads.start(store, by(ada, NOW + 1), row.id)
    workloads.rename(store, by(ada, NOW + 1), row.id, " home ")
    workloads.respecify(store, by(ada, NOW + 1), row.id, lambda spec: spec)
    assert dump(file_of(store)) == before
    workloads.stop(store, by(ada, NOW + 1), row.id)
    before = dump(file_of(store))
    workloads.stop(store, by(ada, NOW + 2), row.id)
    assert dump(file_of(store)) == before


def test_starting_what_failed_is_a_new_attempt(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    change_by_hand(store, "UPDATE workloads SET phase = 'failed' WHERE id = ?", row.id)
    assert workloads.start(store, by(ada, NOW), row.id).generation == 2


def test_safe_mode_is_another_start(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    safe = workloads.start(store, by(ada, NOW), row.id, safe_mode=True)
    assert (safe.generation, safe.spec["safe_mode"]) == (2, True)
    assert workloads.start(store, by(ada, NOW), row.id, safe_mode=True).generation == 2
    assert workloads.start(store, by(ada, NOW), row.id, safe_mode=False).generation == 3


def test_one_that_vanished_is_renewed_once(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    for _ in range(2):
        workloads.renew(store, row.id, 1, now_us=NOW, reason="Gone.")
    assert workloads.by_id(store, row.id).generation == 2
    workloads.stop(store, by(ada, NOW), row.id)
    workloads.renew(store, row.id, 2, now_us=NOW, reason="Gone.")
    assert workloads.by_id(store, row.id).generation == 2


def test_only_a_stopped_one_is_respecified(store: Store, ada: Caller) -> None:
    row = make(store, ada)

    def larger(spec: Spec) -> Spec:
        return replace(spec, environment=Environment(size="8gb"))

    error = refused(store, lambda: workloads.respecify(store, by(ada, NOW), row.id, larger))
    assert (error.code, error.hint) == ("not-stopped", "Stop it first.")
    workloads.stop(store, by(ada, NOW), row.id)
    assert workloads.respecify(store, by(ada, NOW), row.id, larger).spec["environment"]["size"] == "8gb"
    make(store, ada, "taken")
    edit = replace(WorkspaceSpec(), idle_timeout_s=60)
    assert refused(
        store, lambda: workloads.alter(store, by(ada, NOW), row.id, name="TAKEN", edit=lambda _: edit)
    ).code == ("name-exists")
    both = workloads.alter(store, by(ada, NOW), row.id, name="free", edit=lambda _: edit)
    assert (both.name, both.spec["idle_timeout_s"]) == ("free", 60)
    assert workloads.by_id(store, row.id) == replace(both, observed={})


def test_scaling_is_for_clusters_and_keeps_what_runs(store: Store, ada: Caller) -> None:
    row, home = make(store, ada, "dask", ClusterSpec(workers=1)), make(store, ada)
    assert workloads.part_counts(row) == {"scheduler": 1, "worker": 1}
    scaled = workloads.scale(store, by(ada, NOW), row.id, 5)
    assert (workloads.part_counts(scaled)["worker"], scaled.generation) == (5, 1)
    for workers in (-1, 1001):
        error = refused(store, lambda workers=workers: workloads.scale(store, by(ada, NOW), row.id, workers))
        assert error.field == "workers"
    assert refused(store, lambda: workloads.scale(store, by(ada, NOW), home.id, 2)).field == "workers"


def test_extending_never_shortens(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    assert workloads.extend(store, by(ada, NOW), row.id, 5).keep_running_until_us == NOW + 5 * HOUR
    assert workloads.extend(store, by(ada, NOW), row.id, 0.5).keep_running_until_us == NOW + 5 * HOUR
    assert workloads.extend(store, by(ada, NOW), row.id, 168).keep_running_until_us == NOW + 7 * DAY
    for hours in (0, -1, 168.1, float("nan"), float("inf")):
        error = refused(store, lambda hours=hours: workloads.extend(store, by(ada, NOW), row.id, hours))
        assert error.field == "hours"


def test_what_is_deleted_is_in_the_bin_and_refuses_all_but_its_return(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    gone = workloads.delete(store, by(ada, NOW), row.id, keep_s=WEEK_S)
    assert (gone.wanted, gone.deleted_us, gone.keep_until_us) == (Wanted.DELETED, NOW, NOW + 7 * DAY)
    before = dump(file_of(store))
    workloads.delete(store, by(ada, NOW + DAY), row.id, keep_s=WEEK_S)
    assert dump(file_of(store)) == before
    for attempt in (workloads.start, workloads.stop, workloads.restart):
        error = refused(store, lambda attempt=attempt: attempt(store, by(ada, NOW), row.id))
        assert (error.code, error.hint) == ("deleted", "Restore it first.")
    back = workloads.restore(store, by(ada, NOW + 6 * DAY), row.id)
    assert (back.wanted, back.deleted_us, back.keep_until_us) == (Wanted.STOPPED, None, None)
    assert workloads.restore(store, by(ada, NOW + 6 * DAY), row.id).wanted is Wanted.STOPPED


def test_what_is_not_there_is_not_found(store: Store, ada: Caller) -> None:
    nobody = "cl-" + "a" * 26
    error = refused(store, lambda: workloads.start(store, by(ada, NOW), nobody))
    assert isinstance(error, NotFound)
    assert (error.message, error.hint) == (f'There is no cluster "{nobody}".', "`roost cluster list` shows yours.")
    row = make(store, ada)
    with pytest.raises(NotFound):
        workloads.find(store, ada.person, Kind.CLUSTER, row.id)
    assert workloads.find(store, "nobody", Kind.WORKSPACE, row.id).id == row.id  # by id: who may is asked elsewhere
    assert workloads.find(store, ada.person, Kind.WORKSPACE, "HOME").id == row.id


def retry(key: str = "k", body: str = "a", route: str = "POST /x") -> Retry:
    return Retry(route=route, key=key, body_hash=hashlib.sha256(body.encode()).hexdigest())


def test_a_hundred_retries_at_once_make_one_workload(store: Store, ada: Caller) -> None:
    made: list[tuple[str, bool]] = []

    def create() -> None:
        row, new = workloads.create(store, by(ada, NOW), "once", WorkspaceSpec(), retry=retry())
        made.append((row.id, new))

    threads = [threading.Thread(target=create) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 100
    assert len({id for id, _ in made}) == 1
    assert [new for _, new in made].count(True) == 1
    assert len(workloads.page(store, Kind.WORKSPACE, owner=ada.person).items) == 1
    assert len(volumes.list_volumes(store, ada.person)) == 1


def test_a_key_is_for_one_body_one_route_and_one_person_for_a_day(store: Store, ada: Caller) -> None:
    def create(owner: Caller, name: str, told: Retry, now_us: int = NOW) -> WorkloadRow:
        return workloads.create(store, by(owner, now_us), name, WorkspaceSpec(), retry=told)[0]

    first = create(ada, "one", retry())
    error = refused(store, lambda: create(ada, "two", retry(body="b")))
    assert isinstance(error, InvalidInput)
    assert (error.code, error.field) == ("idempotency-key-reused", "Idempotency-Key")
    others = [
        create(ada, "three", retry(route="POST /y")),
        create(person(store, "Bob"), "one", retry()),
        create(ada, "four", retry(key="l")),
    ]
    assert first.id not in {row.id for row in others}
    assert create(ada, "one", retry(), NOW + DAY - 1).id == first.id
    create(ada, "five", retry(key="m"), NOW + DAY + 1)  # forgets what is older than a day
    assert refused(store, lambda: create(ada, "one", retry(), NOW + DAY + 2)).code == "name-exists"


def test_a_refused_create_is_not_remembered(store: Store, ada: Caller) -> None:
    make(store, ada, "taken")
    refused(store, lambda: workloads.create(store, by(ada, NOW), "taken", WorkspaceSpec(), retry=retry()))
    row, new = workloads.create(store, by(ada, NOW), "free", WorkspaceSpec(), retry=retry())
    assert (row.name, new) == ("free", True)


def test_every_change_has_its_audit_row(store: Store, ada: Caller) -> None:
    row = make(store, ada)
    caller = replace(by(ada, NOW), via="sn-x")
    workloads.stop(store, caller, row.id)
    workloads.delete(store, caller, row.id, keep_s=60)
    from roost.store import audit as log

    with store.read() as tx:
        rows = log.newest(tx, subject=row.id)
    assert [(r.actor, r.action) for r in rows] == [
        (ada.person, "workspace.delete"),
        (ada.person, "workspace.stop"),
        (ada.person, "workspace.create"),
    ]
    assert '"by":"sn-x"' in rows[0].detail
    assert audit.verify(store).intact


def test_a_home_is_used_by_one_workspace_of_its_owner(store: Store, ada: Caller) -> None:
    first = make(store, ada)
    assert first.volume
    mine = WorkspaceSpec(volume=first.volume)
    assert isinstance(refused(store, lambda: make(store, ada, "second", mine)), Conflict)
    bob = person(store, "Bob")
    workloads.delete(store, by(ada, NOW), first.id, keep_s=60)
    assert refused(store, lambda: make(store, bob, "theft", mine)).field == "spec.volume"
    assert refused(store, lambda: make(store, ada, "second", mine)).hint == "Restore it first."
    volumes.restore_volume(store, by(ada, NOW), first.volume)
    assert make(store, ada, "second", mine).volume == first.volume

"""What people are told: a phase and a sentence for everything that can be wanted and seen."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.store.making import NOW, workspace_row

from roost.control.status import Status, derive, lost, route_of, unfinished
from roost.model.lifecycle import Exit, ExitReason, Instance, Observed, Phase, Wanted
from roost.model.names import IdKind, new_id
from roost.model.workload import Kind
from roost.store.rows import WorkloadRow

OWNER = new_id(IdKind.PERSON, bytes(16))
AT = datetime(2026, 1, 1, tzinfo=UTC)
LAB, CLUSTER = {"lab": 1}, {"scheduler": 1, "worker": 2}
GIB = 2**30


def row(wanted: Wanted = Wanted.RUNNING, kind: Kind = Kind.WORKSPACE, **changes: Any) -> WorkloadRow:
    base = workspace_row(OWNER, "demo")
    values = {name: getattr(base, name) for name in WorkloadRow.__dataclass_fields__}
    return WorkloadRow(**{**values, "wanted": wanted, "kind": kind, "generation": 2, **changes})


def one(part: str = "lab", index: int = 0, generation: int = 2, **more: Any) -> Instance:
    return Instance(part=part, index=index, generation=generation, started_at=AT, **more)


def over(reason: ExitReason, **more: Any) -> Exit:
    return Exit(reason=reason, finished_at=AT, **more)


def seen(*instances: Instance) -> Observed:
    return Observed(id="ws", instances=instances)


def told(status: Status) -> tuple[Phase, str]:
    return status.phase, status.reason


READY, YOUNG = one(ready=True), one()
CRASHED = one(exit=over(ExitReason.EXITED, code=3))


@pytest.mark.parametrize(
    ("wanted", "looked", "phase", "said"),
    [
        (Wanted.RUNNING, None, Phase.STARTING, "JupyterLab is starting."),
        (Wanted.RUNNING, seen(), Phase.STARTING, "JupyterLab is starting."),
        (Wanted.RUNNING, seen(YOUNG), Phase.STARTING, "JupyterLab is starting."),
        (Wanted.RUNNING, seen(one(message="Fetching the image")), Phase.STARTING, "Fetching the image."),
        (Wanted.RUNNING, seen(one(generation=1, ready=True)), Phase.STARTING, "JupyterLab is starting."),
        (Wanted.RUNNING, seen(one(generation=1, exit=CRASHED.exit)), Phase.STARTING, "JupyterLab is starting."),
        (Wanted.RUNNING, seen(READY), Phase.RUNNING, ""),
        (Wanted.RUNNING, seen(CRASHED), Phase.FAILED, "JupyterLab ended by itself with code 3; the log may say why."),
        (Wanted.STOPPED, seen(READY), Phase.STOPPING, "Stopped by Ada."),
        (Wanted.STOPPED, seen(one(exit=over(ExitReason.STOPPED))), Phase.STOPPED, "Stopped by Ada."),
        (Wanted.STOPPED, seen(CRASHED), Phase.STOPPED, "Stopped by Ada."),
        (Wanted.STOPPED, None, Phase.STOPPED, "Stopped by Ada."),
        (Wanted.DELETED, seen(READY), Phase.STOPPING, "Stopped by Ada."),
        (Wanted.DELETED, None, Phase.STOPPED, "Stopped by Ada."),
    ],
)
def test_every_phase_of_a_workspace(wanted: Wanted, looked: Observed | None, phase: Phase, said: str) -> None:
    kept = "Stopped by Ada." if wanted is not Wanted.RUNNING else "from before"
    assert told(derive(row(wanted, reason=kept), LAB, looked)) == (phase, said)


ENDINGS = [
    (
        over(ExitReason.OUT_OF_MEMORY, peak_memory_bytes=4_187_593_113, limit_memory_bytes=4 * GIB),
        "JupyterLab stopped at 3.9 of 4.0 GB: the memory limit."
        " Choose a larger size or load less at once; the files are kept.",
    ),
    (
        over(ExitReason.OUT_OF_MEMORY, limit_memory_bytes=4 * GIB),
        "JupyterLab stopped at 4.0 of 4.0 GB: the memory limit."
        " Choose a larger size or load less at once; the files are kept.",
    ),
    (
        over(ExitReason.NOT_STARTED, message="the image default is not there"),
        "JupyterLab could not be started: the image default is not there.",
    ),
    (over(ExitReason.NOT_STARTED), "JupyterLab could not be started; the log may say why."),
    (
        over(ExitReason.LOST),
        "JupyterLab ended without a trace: the machine was probably restarted. Start it again.",
    ),
    (over(ExitReason.SIGNALLED, signal=9), "JupyterLab ended, not by itself (kill); the log may say why."),
    (over(ExitReason.SIGNALLED, signal=11), "JupyterLab ended, not by itself (memory fault); the log may say why."),
    (over(ExitReason.SIGNALLED, signal=34), "JupyterLab ended, not by itself (signal 34); the log may say why."),
    (over(ExitReason.STOPPED), "JupyterLab stopped, as asked."),
    (over(ExitReason.EXITED, code=0), "JupyterLab ended by itself with code 0."),
    (over(ExitReason.EXITED, code=127), "JupyterLab ended by itself with code 127; the log may say why."),
]


@pytest.mark.parametrize(("ending", "said"), ENDINGS)
def test_every_ending_has_its_sentence_and_is_shown_to_programs(ending: Exit, said: str) -> None:
    status = derive(row(), LAB, seen(one(exit=ending)))
    assert told(status) == (Phase.FAILED, said)
    assert status.observed["exit"]["reason"] == ending.reason.value
    assert status.observed["exit"]["limit_memory_bytes"] == ending.limit_memory_bytes
    assert status.started_us is None


def test_every_reason_to_end_is_in_the_table() -> None:
    assert {ending.reason for ending, _ in ENDINGS} == set(ExitReason)


def test_a_running_workload_says_since_when_and_where() -> None:
    looked = seen(one(ready=True, addresses={"http": "unix:/run/x"}))
    status = derive(row(), LAB, looked)
    assert status.started_us == int(AT.timestamp()) * 1_000_000
    assert route_of(row(), status).address == "unix:/run/x"


@pytest.mark.parametrize("looked", [seen(YOUNG), seen(CRASHED), None])
def test_nothing_leads_to_a_workload_that_does_not_run(looked: Observed | None) -> None:
    started = one(addresses={"http": "unix:/run/x"})
    for found in (looked, seen(started)):
        route = route_of(row(), derive(row(), LAB, found))
        assert route.address == ""
        assert route.phase != Phase.RUNNING.value


SCHEDULER, WORKERS = one("scheduler", ready=True), [one("worker", i, ready=True) for i in range(3)]


@pytest.mark.parametrize(
    ("looked", "phase", "said", "ready"),
    [
        (seen(SCHEDULER), Phase.STARTING, "The Dask cluster is starting.", 0),
        (seen(SCHEDULER, WORKERS[0]), Phase.RUNNING, "1 of 2 workers are ready.", 1),
        (seen(SCHEDULER, *WORKERS[:2]), Phase.RUNNING, "", 2),
        (seen(SCHEDULER, *WORKERS), Phase.RUNNING, "3 of 2 workers are ready.", 3),
        (
            seen(one("scheduler", exit=over(ExitReason.EXITED, code=1)), *WORKERS[:2]),
            Phase.FAILED,
            "The Dask cluster ended by itself with code 1; the log may say why.",
            2,
        ),
    ],
)
def test_a_cluster_tells_of_its_workers(looked: Observed, phase: Phase, said: str, ready: int) -> None:
    status = derive(row(kind=Kind.CLUSTER), CLUSTER, looked)
    assert (*told(status), status.observed["workers_ready"]) == (phase, said, ready)


@pytest.mark.parametrize(
    ("wanted", "looked", "expected"),
    [
        (LAB, None, True),
        (LAB, seen(), True),
        (LAB, seen(YOUNG), False),
        (LAB, seen(one(generation=1)), True),
        (LAB, seen(YOUNG, one(index=1)), True),
        (LAB, seen(YOUNG, one(part="other")), True),
        (LAB, seen(CRASHED), False),
        (CLUSTER, seen(SCHEDULER, *WORKERS[:2]), False),
        (CLUSTER, seen(SCHEDULER, WORKERS[0], one("worker", 1, exit=over(ExitReason.EXITED, code=1))), True),
        (CLUSTER, seen(SCHEDULER, *WORKERS), True),
        ({"scheduler": 1, "worker": 0}, seen(SCHEDULER), False),
    ],
)
def test_when_there_is_something_to_do(wanted: dict[str, int], looked: Observed | None, expected: bool) -> None:
    assert unfinished(2, wanted, looked) is expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"scheduler": ExitReason.LOST, "worker": ExitReason.LOST}, True),
        ({"scheduler": ExitReason.LOST, "worker": ExitReason.EXITED}, True),
        ({"scheduler": ExitReason.STOPPED, "worker": ExitReason.STOPPED}, True),
        ({"scheduler": ExitReason.EXITED, "worker": ExitReason.STOPPED}, False),
        ({"scheduler": ExitReason.OUT_OF_MEMORY, "worker": ExitReason.STOPPED}, False),
        ({"scheduler": ExitReason.NOT_STARTED}, False),
        ({}, False),
    ],
)
def test_only_what_did_not_end_by_its_own_fault_is_started_again(parts: dict[str, ExitReason], expected: bool) -> None:
    looked = seen(*(one(part, exit=over(reason, code=1)) for part, reason in parts.items()))
    assert lost(2, CLUSTER, looked) is expected


exits = st.none() | st.builds(over, st.sampled_from(ExitReason))
instances = st.builds(
    one,
    st.sampled_from(["lab", "scheduler", "worker", "other"]),
    st.integers(0, 3),
    st.integers(1, 3),
    ready=st.booleans(),
    exit=exits,
)


@given(st.sampled_from(Wanted), st.lists(instances, max_size=6), st.sampled_from([LAB, CLUSTER]))
def test_a_status_never_contradicts_itself(wanted: Wanted, found: list[Instance], parts: dict[str, int]) -> None:
    kind = Kind.WORKSPACE if parts is LAB else Kind.CLUSTER
    asked = row(wanted, kind, reason="Stopped by Ada.", created_us=NOW)
    status = derive(asked, parts, seen(*found))
    alive = any(instance.exit is None for instance in found)
    assert (status.phase in (Phase.STOPPED, Phase.STOPPING)) is (wanted is not Wanted.RUNNING)
    assert status.phase is not Phase.STOPPED or not alive
    assert bool(status.reason) or status.phase is Phase.RUNNING
    assert ("exit" in status.observed) is (status.phase is Phase.FAILED)
    assert (route_of(asked, status).address == "") or status.phase is Phase.RUNNING
    if not unfinished(2, parts, seen(*found)) and wanted is Wanted.RUNNING:
        assert all(i.generation == 2 for i in found if i.exit is None), "nothing old runs where nothing is to do"

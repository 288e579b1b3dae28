"""The idle loop: what nobody uses is foretold and stopped; what is used, kept or not known about runs on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.control.conftest import Clock, row_of, running
from tests.store.making import HOUR, MINUTE, NOW, SECOND

from roost.control.idle import IdleLoop
from roost.control.live import Live, Sample
from roost.control.reconcile import Reconciler
from roost.model.access import Caller
from roost.model.lifecycle import Instance, Observed, Phase, Wanted
from roost.model.workload import Kind
from roost.services import workloads as services
from roost.services.workloads import By
from roost.settings import Settings
from roost.store import workloads
from roost.store.database import Store
from roost.store.rows import WorkloadRow, moment


class Idle:
    """The idle loop with its evidence in the hands of the test."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store, self.clock, self.live = store, clock, Live()
        self.reconciler = Reconciler(store, None, lambda row: None, self.live)  # type: ignore[arg-type, return-value]
        self.begin()

    def begin(self) -> None:
        """As after a start of the control plane."""
        rules = Settings(home=Path("/nowhere"), workspace_idle_s=3600, cluster_idle_s=1800)
        self.loop = IdleLoop(rules, self.store, self.live, self.reconciler, self.clock)

    def use(self, id: str, *, cpu_percent: float = 0.0) -> None:
        self.live.sampled(id, Sample(self.clock.us, 1, 2, cpu_percent, None))

    def scheduler(self, id: str, **evidence: int) -> None:
        instance = Instance(
            part="scheduler", index=0, generation=1, started_at=moment(NOW), ready=True, evidence=evidence
        )
        self.reconciler.seen = {id: Observed(id=id, instances=(instance,))}

    async def look(self, row: WorkloadRow) -> WorkloadRow:
        await self.loop.look()
        return row_of(self.store, row.id)


@pytest.fixture
def idle(store: Store, clock: Clock) -> Idle:
    return Idle(store, clock)


async def test_what_nobody_uses_is_foretold_and_then_stopped_with_the_reason(
    idle: Idle, store: Store, ada: Caller, clock: Clock
) -> None:
    row = running(store, ada.person)
    clock.later(30 * MINUTE)
    idle.use(row.id)
    assert (await idle.look(row)).wanted is Wanted.RUNNING
    forecast = idle.live.forecasts[row.id]
    assert forecast.stops_at_us == NOW + HOUR
    assert forecast.why == "Idle for 30 min; stops in 30 min."
    clock.later(31 * MINUTE)
    idle.use(row.id)
    stopped = await idle.look(row)
    assert (stopped.wanted, stopped.phase) == (Wanted.STOPPED, Phase.STOPPING)
    assert stopped.reason.startswith("Stopped after 1 h")
    assert stopped.reason.endswith("without use.")
    await idle.loop.look()
    assert row.id not in idle.live.forecasts


@pytest.mark.parametrize("use", ["activity", "stored activity", "computing", "kept", "asked for never"])
async def test_what_is_used_or_kept_runs_on(idle: Idle, store: Store, ada: Caller, clock: Clock, use: str) -> None:
    spec = {"environment": {}, **({"idle_timeout_s": 0} if use == "asked for never" else {})}
    row = running(store, ada.person, spec=spec)
    clock.later(61 * MINUTE)
    idle.use(row.id, cpu_percent=50.0 if use == "computing" else 0.0)
    if use == "activity":
        idle.live.seen_active({row.id: (clock.us - MINUTE, 1)})
    if use == "stored activity":
        with store.write() as tx:
            workloads.change(tx, row.id, {"active_us": clock.us - MINUTE})
    if use == "kept":
        services.extend(store, By(person=ada.person, now_us=clock.us), row.id, 3)
    assert (await idle.look(row)).wanted is Wanted.RUNNING
    if use == "kept":
        assert idle.live.forecasts[row.id].stops_at_us == clock.us + 3 * HOUR
        clock.later(3 * HOUR + MINUTE)
        idle.use(row.id)
        assert (await idle.look(row)).wanted is Wanted.STOPPED


async def test_a_tab_that_is_only_open_is_no_use(idle: Idle, store: Store, ada: Caller, clock: Clock) -> None:
    row = running(store, ada.person)
    clock.later(61 * MINUTE)
    idle.use(row.id)
    idle.live.seen_active({row.id: (NOW, 5)})
    assert (await idle.look(row)).wanted is Wanted.STOPPED


async def test_nothing_is_stopped_within_a_minute_of_a_restart(
    idle: Idle, store: Store, ada: Caller, clock: Clock
) -> None:
    row = running(store, ada.person, spec={"environment": {}, "idle_timeout_s": 10})
    clock.later(5 * HOUR)
    idle.begin()
    for seconds in (1, 20, 38):
        clock.later(seconds * SECOND)
        idle.use(row.id)
        assert (await idle.look(row)).wanted is Wanted.RUNNING
    clock.later(3 * SECOND)
    idle.use(row.id)
    assert (await idle.look(row)).wanted is Wanted.STOPPED


async def test_without_fresh_evidence_nothing_is_stopped(idle: Idle, store: Store, ada: Caller, clock: Clock) -> None:
    row = running(store, ada.person)
    idle.use(row.id)
    clock.later(2 * HOUR)
    assert (await idle.look(row)).wanted is Wanted.RUNNING
    idle.use(row.id)
    assert (await idle.look(row)).wanted is Wanted.STOPPED


async def test_a_cluster_without_a_client_is_stopped_and_one_with_a_client_is_not(
    idle: Idle, store: Store, ada: Caller, clock: Clock
) -> None:
    row = running(store, ada.person, Kind.CLUSTER)
    clock.later(31 * MINUTE)
    idle.use(row.id)
    idle.scheduler(row.id, clients=1, last_client_us=clock.us)
    assert (await idle.look(row)).wanted is Wanted.RUNNING
    idle.scheduler(row.id, clients=0, last_client_us=clock.us)
    clock.later(29 * MINUTE)
    idle.use(row.id)
    assert (await idle.look(row)).wanted is Wanted.RUNNING
    assert idle.live.forecasts[row.id].why == "No client for 29 min; stops in 1 min."
    clock.later(2 * MINUTE)
    idle.use(row.id)
    stopped = await idle.look(row)
    assert stopped.wanted is Wanted.STOPPED
    assert stopped.reason.endswith("without a client.")

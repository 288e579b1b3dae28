"""The bill: half-open intervals that never overlap, whatever the clock does; tokens end with what they belong to."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.control.conftest import Clock
from tests.store.making import NOW, SECOND, add_workspace

from roost.control.ledger import Ledger
from roost.control.status import Status
from roost.model.access import Caller
from roost.model.lifecycle import Phase, Wanted
from roost.services import tokens
from roost.store import billing, routes, workloads
from roost.store.database import Store
from roost.store.rows import BillingRow, WorkloadRow


@pytest.fixture
def ledger(store: Store, clock: Clock) -> Ledger:
    made = Ledger(store, clock)
    made.rows({}, (), full=True)
    return made


@pytest.fixture
def id(store: Store, ada: Caller) -> str:
    with store.write() as tx:
        return add_workspace(tx, ada.person, "demo")


def row_of(store: Store, id: str) -> WorkloadRow:
    with store.read() as tx:
        row = workloads.by_id(tx, id)
    assert row is not None
    return row


def write(ledger: Ledger, store: Store, id: str, phase: Phase, **more: object) -> None:
    ledger.write([(row_of(store, id), Status(phase=phase, **more))])  # type: ignore[arg-type]


def bill(store: Store, id: str) -> list[BillingRow]:
    with store.read() as tx:
        return billing.of(tx, id)


def test_running_is_billed_from_ready_to_end(ledger: Ledger, store: Store, clock: Clock, id: str) -> None:
    write(ledger, store, id, Phase.STARTING)
    assert bill(store, id) == []
    clock.us += 3 * SECOND
    write(ledger, store, id, Phase.RUNNING)
    write(ledger, store, id, Phase.RUNNING, reason="again")
    clock.us += 5 * SECOND
    write(ledger, store, id, Phase.STOPPING)
    assert [interval.until_us for interval in bill(store, id)] == [None], "it costs until it is gone"
    clock.us += SECOND
    write(ledger, store, id, Phase.STOPPED)
    (interval,) = bill(store, id)
    assert (interval.from_us, interval.until_us) == (NOW + 3 * SECOND, NOW + 9 * SECOND)
    assert interval.size == "small"


steps = st.lists(
    st.tuples(st.sampled_from(Phase), st.integers(-20, 20), st.sampled_from(["small", "large"])), max_size=15
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps)
def test_intervals_never_overlap_and_never_run_backwards(
    store: Store, ada: Caller, steps: list[tuple[Phase, int, str]]
) -> None:
    clock = Clock()
    ledger = Ledger(store, clock)
    with store.write() as tx:
        id = add_workspace(tx, ada.person, os.urandom(8).hex())
    for phase, seconds, size in steps:
        clock.us += seconds * SECOND
        with store.write() as tx:
            workloads.change(tx, id, {"spec": {"environment": {"size": size}}})
        write(ledger, store, id, phase)
    intervals = bill(store, id)
    for interval in intervals:
        assert interval.until_us is None or interval.from_us <= interval.until_us
    for before, after in pairwise(intervals):
        assert before.until_us is not None
        assert before.until_us <= after.from_us
    last = steps[-1][0] if steps else Phase.STOPPED
    open_ones = [interval for interval in intervals if interval.until_us is None]
    assert len(open_ones) <= 1
    assert bool(open_ones) or last is not Phase.RUNNING
    assert not open_ones or last not in (Phase.STOPPED, Phase.FAILED)


@pytest.mark.parametrize("phase", [Phase.STOPPED, Phase.FAILED])
def test_the_tokens_of_what_ended_are_dead(
    ledger: Ledger, store: Store, clock: Clock, ada: Caller, id: str, phase: Phase
) -> None:
    token = tokens.issue_workload_token(store, id, ada.person, now_us=clock.us)
    assert tokens.caller_of_token(store, token, now_us=clock.us) is not None
    write(ledger, store, id, Phase.RUNNING)
    assert tokens.caller_of_token(store, token, now_us=clock.us) is not None
    write(ledger, store, id, phase)
    assert tokens.caller_of_token(store, token, now_us=clock.us) is None


def test_a_status_of_an_intent_that_has_changed_is_not_written(ledger: Ledger, store: Store, id: str) -> None:
    looked = row_of(store, id)
    with store.write() as tx:
        workloads.change(tx, id, {"wanted": Wanted.STOPPED, "changed_us": NOW + 1, "phase": Phase.STOPPING})
    ledger.write([(looked, Status(phase=Phase.RUNNING))])
    assert row_of(store, id).phase is Phase.STOPPING
    assert bill(store, id) == []


def test_a_missing_row_is_no_error_and_makes_none(ledger: Ledger, store: Store, id: str) -> None:
    ghost = replace(row_of(store, id), id="ws-" + "a" * 26)
    ledger.write([(ghost, Status(phase=Phase.RUNNING))])
    assert ledger.row(ghost.id) is None


def test_the_data_plane_is_led_to_what_runs_and_to_nothing_deleted(ledger: Ledger, store: Store, id: str) -> None:
    def route() -> str | None:
        with store.read() as tx:
            return {route.host: route.address for route in routes.every(tx)}.get(id)

    write(ledger, store, id, Phase.RUNNING, observed={"addresses": {"http": "unix:/run/x"}})
    assert route() == "unix:/run/x"
    assert not ledger.differs(
        row_of(store, id), Status(phase=Phase.RUNNING, observed={"addresses": {"http": "unix:/run/x"}})
    )
    write(ledger, store, id, Phase.STOPPED)
    assert route() == ""
    with store.write() as tx:
        workloads.change(tx, id, {"deleted_us": NOW, "wanted": Wanted.DELETED})
    write(ledger, store, id, Phase.STOPPED, reason="Deleted.")
    assert route() is None
    assert row_of(store, id).deleted_us == NOW, "the row stays"

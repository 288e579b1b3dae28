"""Idle rules: more use never stops anything earlier, nothing is stopped blindly, and people are told why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.errors import InvalidInput
from roost.model.idle import FRESH_S, MAX_EXTENSION_HOURS, Evidence, IdleRule, decide_idle, extend

NOW = datetime(2026, 8, 1, 12, tzinfo=UTC)
HOUR = 3600
RULE = IdleRule(timeout_s=4 * HOUR)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


moments = st.integers(-10 * HOUR, 100 * HOUR).map(ago)
rules = st.builds(
    IdleRule,
    timeout_s=st.integers(0, 50 * HOUR),
    max_lifetime_s=st.integers(0, 50 * HOUR),
)
evidences = st.builds(
    Evidence,
    started_at=moments,
    seen_at=st.just(NOW),
    last_activity_at=st.none() | moments,
    connections=st.integers(0, 5),
    busy_kernels=st.none() | st.integers(0, 3),
    clients=st.none() | st.integers(0, 3),
    cpu_millis=st.none() | st.integers(0, 4000),
    keep_until=st.none() | moments,
)


def later_or_never(one: datetime | None, other: datetime | None) -> bool:
    return one is None or (other is not None and one >= other)


@given(rules, evidences, moments)
def test_later_activity_never_stops_anything_earlier(rule: IdleRule, evidence: Evidence, active_at: datetime) -> None:
    before = decide_idle(rule, evidence, NOW)
    latest = max(active_at, evidence.last_activity_at or active_at)
    after = decide_idle(rule, replace(evidence, last_activity_at=latest), NOW)
    assert later_or_never(after.stops_at, before.stops_at)
    assert before.stop or not after.stop


@given(rules, evidences)
def test_work_counts_as_use(rule: IdleRule, evidence: Evidence) -> None:
    before = decide_idle(rule, evidence, NOW)
    for busy in (
        replace(evidence, busy_kernels=1),
        replace(evidence, clients=1),
        replace(evidence, cpu_millis=1000),
    ):
        after = decide_idle(rule, busy, NOW)
        assert later_or_never(after.stops_at, before.stops_at)
        assert after.idle_since is None


@given(rules, evidences, st.integers(1, 10 * HOUR))
def test_a_longer_timeout_and_keeping_never_stop_anything_earlier(
    rule: IdleRule, evidence: Evidence, more_s: int
) -> None:
    before = decide_idle(rule, evidence, NOW)
    if rule.timeout_s:
        longer = decide_idle(replace(rule, timeout_s=rule.timeout_s + more_s), evidence, NOW)
        assert later_or_never(longer.stops_at, before.stops_at)
    kept_until = max(NOW + timedelta(seconds=more_s), evidence.keep_until or NOW)
    kept = decide_idle(rule, replace(evidence, keep_until=kept_until), NOW)
    assert not kept.stop
    assert later_or_never(kept.stops_at, before.stops_at)


@given(rules, evidences, st.integers(0, FRESH_S - 1))
def test_once_due_it_stays_due(rule: IdleRule, evidence: Evidence, later_s: int) -> None:
    if decide_idle(rule, evidence, NOW).stop:
        assert decide_idle(rule, evidence, NOW + timedelta(seconds=later_s)).stop


@given(rules, evidences)
def test_it_stops_exactly_when_its_time_has_come(rule: IdleRule, evidence: Evidence) -> None:
    decision = decide_idle(rule, evidence, NOW)
    assert decision.stop == (decision.stops_at is not None and decision.stops_at <= NOW)
    assert decision.why.endswith(".")
    assert "-" not in decision.why


@given(evidences)
def test_no_rule_never_stops(evidence: Evidence) -> None:
    assert decide_idle(IdleRule(), evidence, NOW).stops_at is None


def evidence(idle_s: float, **more: object) -> Evidence:
    base = Evidence(started_at=ago(30 * HOUR), seen_at=NOW, last_activity_at=ago(idle_s))
    return replace(base, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "given_evidence", "why"),
    [
        (RULE, evidence(12 * 60), "Idle for 12 min; stops in 3 h 48 min."),
        (
            RULE,
            evidence(12 * 60, connections=2),
            "Idle for 12 min (a tab is open, nobody uses it); stops in 3 h 48 min.",
        ),
        (RULE, evidence(5 * HOUR), "Stopped after 5 h without use."),
        (RULE, evidence(5 * HOUR, clients=0), "Stopped after 5 h without a client."),
        (RULE, evidence(60, clients=0), "No client for 1 min; stops in 3 h 59 min."),
        (RULE, evidence(5 * HOUR, busy_kernels=1), "A kernel is computing; it stops 4 h after that."),
        (RULE, evidence(5 * HOUR, clients=3), "3 clients are connected; it stops 4 h after that."),
        (RULE, evidence(5 * HOUR, keep_until=NOW + timedelta(hours=2)), "Kept running as asked; stops in 2 h."),
        (IdleRule(), evidence(5 * HOUR), "Runs until somebody stops it."),
        (IdleRule(max_lifetime_s=48 * HOUR), evidence(0), "Runs for 2 d at most; stops in 18 h."),
        (IdleRule(max_lifetime_s=24 * HOUR), evidence(0), "Stopped after 1 d, the longest it may run."),
    ],
)
def test_people_are_told_why(rule: IdleRule, given_evidence: Evidence, why: str) -> None:
    assert decide_idle(rule, given_evidence, NOW).why == why


def test_without_fresh_evidence_nothing_is_stopped() -> None:
    stale = evidence(5 * HOUR, seen_at=ago(FRESH_S + 1))
    decision = decide_idle(RULE, stale, NOW)
    assert not decision.stop
    assert "not known" in decision.why
    assert decide_idle(replace(RULE, max_lifetime_s=HOUR), stale, NOW).stop


def test_a_clock_that_went_back_counts_as_activity_now() -> None:
    assert decide_idle(RULE, evidence(-10 * 365 * 86_400), NOW).stops_at == NOW + timedelta(hours=4)


def test_extending_never_shortens() -> None:
    first = extend(None, 8, NOW)
    assert first == NOW + timedelta(hours=8)
    assert extend(first, 1, NOW) == first


@pytest.mark.parametrize("hours", [0, -1, MAX_EXTENSION_HOURS + 1, float("nan"), float("inf")])
def test_an_extension_has_a_limit(hours: float) -> None:
    with pytest.raises(InvalidInput) as refused:
        extend(None, hours, NOW)
    assert refused.value.field == "hours"

"""The pure parts of the pages: charts, choices, words, history."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import roost.web.choices
import roost.web.routes.listing
import roost.web.words
from roost.model.lifecycle import Phase, Span
from roost.store.rows import TransitionRow, micros
from roost.web.charts import Point, cpu_chart, disk_chart, memory_chart
from roost.web.choices import phase_boxes
from roost.web.history import events, spans

NOW = datetime(2026, 3, 2, 14, 40, tzinfo=UTC)
GIB = 1 << 30


@pytest.mark.parametrize("module", [roost.web.choices, roost.web.words, roost.web.routes.listing])
def test_examples_in_docstrings(module: object) -> None:
    result = doctest.testmod(module)  # type: ignore[arg-type]
    assert result.attempted > 0
    assert result.failed == 0


def points(*values: float, every_s: int = 10) -> list[Point]:
    start = NOW - timedelta(seconds=every_s * (len(values) - 1))
    return [Point(start + timedelta(seconds=every_s * n), value) for n, value in enumerate(values)]


def test_the_limit_is_in_sight_and_the_baseline_is_zero() -> None:
    chart = memory_chart(points(0, GIB, 4 * GIB), 4 * GIB, NOW - timedelta(minutes=1), NOW)
    assert chart.limit is not None
    assert 0 < chart.limit.position < 20
    assert "100.00" in chart.line.split(" L")[0], "nothing used is at the bottom"
    assert chart.last is not None
    assert chart.last[1] == pytest.approx(chart.limit.position, abs=0.01), "at the limit is on its line"


def test_a_gap_breaks_the_line() -> None:
    early, late = points(1, 2), points(3, 4)
    moved = [Point(p.at - timedelta(minutes=5), p.value) for p in early]
    chart = cpu_chart([*moved, *late], 1, NOW - timedelta(minutes=10), NOW)
    assert chart.line.count("M") == 2


def test_no_samples_is_said() -> None:
    for chart in (
        memory_chart([], GIB, NOW - timedelta(minutes=1), NOW),
        cpu_chart([], 2, NOW - timedelta(minutes=1), NOW),
        disk_chart([], NOW - timedelta(minutes=1), NOW),
    ):
        assert (chart.line, chart.value) == ("", "no samples yet")


@given(st.lists(st.floats(0, 1e13), max_size=50), st.integers(1, 1 << 42))
def test_a_chart_stays_in_its_box(values: list[float], limit: int) -> None:
    chart = memory_chart(points(*values), limit, NOW - timedelta(minutes=5), NOW)
    for pair in chart.line.replace("M", "").replace("L", "").split(" "):
        assert not pair or -0.01 <= float(pair) <= 1000.01
    assert all(0 <= tick.position <= 100 for tick in (*chart.rows, *chart.columns))


@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=12))
def test_no_phase_vanishes_and_all_fill_the_bar(seconds: list[int]) -> None:
    made = [Span(phase=Phase.RUNNING, since=NOW, until=NOW, duration=timedelta(seconds=length)) for length in seconds]
    boxes = phase_boxes(made)
    assert all(box.width > 0 for box in boxes)
    assert boxes[-1].x + boxes[-1].width == pytest.approx(100, abs=0.2)


def transition(number: int, what: str, phase: Phase | None, reason: str, actor: str, **detail: str) -> TransitionRow:
    at_us = micros(NOW - timedelta(minutes=10) + timedelta(seconds=number))
    return TransitionRow(number, "ws-a", at_us, what, phase, reason, actor, detail)


def test_history_in_words() -> None:
    happened = [
        transition(1, "intent", Phase.STARTING, "Created.", "pe-a", action="create"),
        transition(2, "phase", Phase.RUNNING, "", ""),
        transition(3, "intent", Phase.STOPPING, "Stopped by Ada.", "pe-a", action="stop"),
        transition(4, "phase", Phase.STOPPED, "Stopped by Ada.", ""),
    ]
    told = [(event.text, event.detail, event.actor) for event in events(happened, {"pe-a": "Ada"})]
    assert told == [
        ("Stopped", "Stopped by Ada.", ""),
        ("Stop asked for", "", "Ada"),
        ("Running", "", ""),
        ("Created", "", "Ada"),
    ]
    lasting = spans(happened, NOW)
    assert [span.phase for span in lasting] == [Phase.STARTING, Phase.RUNNING, Phase.STOPPING, Phase.STOPPED]
    assert lasting[-1].until is None

"""Line charts as numbers for an SVG template. Pure: samples in, positions out, in percent of the plot.

Amounts have a zero baseline and the limit is always in sight, so a chart never makes a small thing look large.
Where samples are missing the line is broken, not drawn through.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roost.model.units import GIB, KIB, MIB, TIB, format_bytes

HEADROOM = 1.12  # what stands above the limit line, for its label
TABLE_ROWS = 12
_GAP = timedelta(seconds=45)
_STEPS_S = (60, 120, 300, 600, 900, 1800, 3600)
_TICKS = 5


@dataclass(frozen=True, slots=True)
class Point:
    """A sample."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark on an axis; `at` is the time of a mark on the time axis."""

    position: float
    label: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart. `line` and `area` are path data in a box of 1000 x 100; positions are percents from the left and top."""

    title: str
    line: str
    area: str
    value: str
    limit: Tick | None
    rows: Sequence[Tick]
    columns: Sequence[Tick]
    table: Sequence[tuple[datetime, str]]
    summary: str
    last: tuple[float, float] | None = None  # where the newest sample is, in percent


def memory_chart(points: Sequence[Point], limit_bytes: int, start: datetime, end: datetime) -> Chart:
    """Memory against its limit."""
    label = f"{format_bytes(limit_bytes)} limit" if limit_bytes else ""
    top = limit_bytes or max((p.value for p in points), default=0) or GIB
    return _chart("Memory", points, top, label, lambda v: format_bytes(int(v)), _round_bytes(top), start, end)


def cpu_chart(points: Sequence[Point], cores: float, start: datetime, end: datetime) -> Chart:
    """CPU in percent of one core; `cores` is what it may use."""
    top = max(100.0, cores * 100, max((p.value for p in points), default=0.0))
    whole = int(top // 100)
    label = "1 core" if whole == 1 else f"{whole} cores"
    return _chart("CPU", points, top, label, lambda v: f"{v:.0f} %", (top / 2,), start, end)


def disk_chart(points: Sequence[Point], start: datetime, end: datetime) -> Chart:
    """What the files of the home take; there is no limit per volume."""
    top = max((point.value for point in points), default=0) or GIB
    return _chart("Disk", points, top, "", lambda v: format_bytes(int(v)), _round_bytes(top), start, end)


def _chart(
    title: str,
    points: Sequence[Point],
    top: float,
    limit: str,
    say: Callable[[float], str],
    rows: Sequence[float],
    start: datetime,
    end: datetime,
) -> Chart:
    scale = top * HEADROOM
    shown = [point for point in points if start <= point.at <= end]
    places = [(_across(point.at, start, end) * 10, 100 - 100 * min(1.0, point.value / scale)) for point in shown]
    runs = _runs(shown, places)
    value = say(shown[-1].value) if shown else "no samples yet"
    peak = say(max(point.value for point in shown)) if shown else ""
    return Chart(
        title=title,
        line=" ".join("M" + " L".join(f"{x:.1f} {y:.2f}" for x, y in run) for run in runs),
        area=" ".join(
            f"M{run[0][0]:.1f} 100 L" + " L".join(f"{x:.1f} {y:.2f}" for x, y in run) + f" L{run[-1][0]:.1f} 100Z"
            for run in runs
        ),
        value=value,
        limit=Tick(position=round(100 - 100 / HEADROOM, 2), label=limit) if limit else None,
        rows=[Tick(position=round(100 - 100 * value / scale, 2), label=say(value)) for value in rows if value < top],
        columns=_columns(start, end),
        table=_table(shown, say),
        summary=f"{title}: {value} now, {peak} at most" if shown else f"{title}: {value}",
        last=(round(places[-1][0] / 10, 2), round(places[-1][1], 2)) if shown else None,
    )


def _runs(points: Sequence[Point], places: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = []
    for index, place in enumerate(places):
        if not index or points[index].at - points[index - 1].at > _GAP:
            runs.append([])
        runs[-1].append(place)
    return runs


def _across(at: datetime, start: datetime, end: datetime) -> float:
    """Percent from the left."""
    return 100 * (at - start) / (end - start) if end > start else 100.0


def _columns(start: datetime, end: datetime) -> list[Tick]:
    """Round times, as many as have room."""
    span_s = (end - start).total_seconds()
    step_s = next((step for step in _STEPS_S if span_s / step <= _TICKS), _STEPS_S[-1])
    first = -(-start.timestamp() // step_s) * step_s
    times = (start + timedelta(seconds=first - start.timestamp() + n * step_s) for n in range(_TICKS + 2))
    found = [Tick(position=round(_across(at, start, end), 2), at=at) for at in times if at <= end]
    return [tick for tick in found if 4 <= tick.position <= 94]


def _table(points: Sequence[Point], say: Callable[[float], str]) -> list[tuple[datetime, str]]:
    """Evenly chosen samples, the newest first."""
    step = max(1, -(-len(points) // TABLE_ROWS))
    return [(point.at, say(point.value)) for point in points[::-1][::step]]


def _round_bytes(top: float) -> tuple[float, ...]:
    """Half of the limit, where that is a round amount."""
    unit = next(scale for scale in (TIB, GIB, MIB, KIB, 1) if top >= scale)
    half = top / 2
    return (half,) if (half / unit * 4) % 1 == 0 else ()

"""What the pages offer to choose from, and other small decisions of theirs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from roost.model.lifecycle import Phase, Span
from roost.model.names import fold
from roost.model.units import format_duration
from roost.model.workload import Kind
from roost.web.views import Template, WorkloadView

_IDLE_S = (15 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 24 * 3600)
_SHARE_AT_LEAST = 0.6  # percent of the bar that even the shortest phase gets
SHOWN_SPANS = 8
SORT_KEYS = ("name", "phase", "size", "memory", "started", "cost", "created")
_PHASE_ORDER = {
    Phase.FAILED: 0,
    Phase.STARTING: 1,
    Phase.RUNNING: 2,
    Phase.STOPPING: 3,
    Phase.STOPPED: 4,
}

#: What somebody who has nothing yet may begin with.
TEMPLATES = (
    Template(
        title="Notebook",
        text="JupyterLab with NumPy, pandas, scikit-learn and Bokeh, and a home that stays.",
        icon="notebook",
        href="/workspaces/new",
    ),
    Template(
        title="Large notebook",
        text="The same with as much memory as this machine can give one program.",
        icon="memory",
        href="/workspaces/new?size=largest&name=large",
    ),
    Template(
        title="Dask cluster",
        text="A scheduler and two workers, ready for RoostCluster in any notebook.",
        icon="cluster",
        href="/clusters/new",
    ),
)


@dataclass(frozen=True, slots=True)
class Box:
    """A stretch of the phase bar, in percent of its width."""

    phase: str
    x: float
    width: float


def idle_choices(default_s: int) -> list[tuple[str, str]]:
    """The values of an idle select and what they say; "" = the platform's rule."""
    rule = f"{format_duration(default_s)} (the platform's rule)" if default_s else "Never (the platform's rule)"
    return [("", rule), *((str(seconds), format_duration(seconds)) for seconds in _IDLE_S), ("0", "Never")]


def phase_boxes(spans: Sequence[Span]) -> list[Box]:
    """The last phases side by side, widths in proportion; none vanishes."""
    lengths = [max(span.duration, timedelta()) / timedelta(seconds=1) for span in spans]
    total = sum(lengths) or 1.0
    raised = [max(100 * length / total, _SHARE_AT_LEAST) for length in lengths]
    scale = 100 / sum(raised) if raised else 1.0
    boxes, x = [], 0.0
    for span, width in zip(spans, raised, strict=True):
        boxes.append(Box(span.phase.value, round(x * scale, 2), round(width * scale, 2)))
        x += width
    return boxes


def arranged(items: Iterable[WorkloadView], sort: str) -> list[WorkloadView]:
    """The items in the order of a sort key, "-" before it for descending; unknown keys mean newest first."""
    key, descending = sort.removeprefix("-"), sort.startswith("-")
    if key not in SORT_KEYS:
        key, descending = "created", True
    ordered = sorted(items, key=lambda item: (fold(item.name), item.id))
    if key == "name":
        return ordered[::-1] if descending else ordered
    ranks = {
        "phase": lambda item: _PHASE_ORDER[item.phase],
        "size": lambda item: item.memory_bytes,
        "memory": lambda item: item.usage.memory_bytes if item.usage else -1,
        "started": lambda item: item.started_at.timestamp() if item.started_at and item.busy else 0.0,
        "cost": lambda item: (item.spent_usd or 0, item.eks_usd or 0),
        "created": lambda item: item.created_at.timestamp(),
    }
    return sorted(ordered, key=ranks[key], reverse=descending)


def free_name(kind: Kind, taken: Iterable[str]) -> str:
    """A name for the next one that nobody of the owner's has yet.

    >>> free_name(Kind.WORKSPACE, ["Notebook"])
    'notebook-2'
    """
    beginning = "notebook" if kind is Kind.WORKSPACE else "cluster"
    folded = {fold(name) for name in taken}
    if beginning not in folded:
        return beginning
    number = 2
    while f"{beginning}-{number}" in folded:
        number += 1
    return f"{beginning}-{number}"

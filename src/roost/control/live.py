"""What is true only now and is shown to people: activity, connections, usage, and when something will stop by itself.

It lives in memory. Losing it at a restart loses no decision: activity is stored now and then (`active_us`), and a
workload whose activity is unknown counts as active since the restart.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RECENT = 150  # samples kept per workload: five minutes at two seconds


@dataclass(frozen=True, slots=True)
class Sample:
    """What a workload used at one time; `cpu_percent` 100 = one core."""

    at_us: int
    memory_bytes: int
    memory_limit_bytes: int
    cpu_percent: float
    disk_bytes: int | None

    def as_json(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "at_us": self.at_us,
            "memory_bytes": self.memory_bytes,
            "memory_limit_bytes": self.memory_limit_bytes,
            "cpu_percent": round(self.cpu_percent, 1),
            "disk_bytes": self.disk_bytes,
        }


@dataclass(slots=True)
class Activity:
    """Use of a workload by people: when last, and how many connections are open now."""

    last_us: int = 0
    connections: int = 0


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a workload will stop by itself (None = not foreseen), and why, as a sentence."""

    stops_at_us: int | None = None
    why: str = ""


@dataclass(slots=True)
class Live:
    """The present of all workloads, by id."""

    activity: dict[str, Activity] = field(default_factory=dict)
    recent: dict[str, deque[Sample]] = field(default_factory=dict)
    forecasts: dict[str, Forecast] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()  # run here, but no row knows them

    def used(self, id: str) -> Sample | None:
        """The newest sample."""
        samples = self.recent.get(id)
        return samples[-1] if samples else None

    def sampled(self, id: str, sample: Sample) -> None:
        """Keep a sample."""
        self.recent.setdefault(id, deque(maxlen=RECENT)).append(sample)

    def seen_active(self, reports: Mapping[str, tuple[int, int]]) -> None:
        """Take in (last activity, connections) by id; a report never moves activity back."""
        for id, (last_us, connections) in reports.items():
            known = self.activity.setdefault(id, Activity())
            known.last_us = max(known.last_us, last_us)
            known.connections = connections

    def ended(self, id: str) -> None:
        """Forget the present of a workload that no longer runs."""
        self.activity.pop(id, None)
        self.recent.pop(id, None)
        self.forecasts.pop(id, None)

"""What people are told about a workload: derived from its intent and what the runtime sees, by pure functions.

The result is stored for lists and pages; nothing reads it back to decide what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from roost.model.lifecycle import (
    Exit,
    ExitReason,
    Observed,
    Phase,
    Wanted,
    leading_instances,
    phase,
    ready_count,
    reason,
)
from roost.model.workload import Kind, Port, Workload
from roost.store.gate import GateRoute
from roost.store.rows import WorkloadRow, micros


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Phase, its reason as a sentence, and what else is shown. `observed` is plain JSON."""

    phase: Phase
    reason: str = ""
    started_us: int | None = None
    observed: Mapping[str, Any] = field(default_factory=dict)


def counts(workload: Workload) -> dict[str, int]:
    """The wanted number of instances of each part."""
    return {part.name: part.count for part in workload.parts}


def unfinished(generation: int, wanted: Mapping[str, int], seen: Observed | None) -> bool:
    """Whether `Runtime.apply` has something to do: an instance is missing, outdated, surplus, or to be replaced."""
    current = set()
    for instance in seen.instances if seen is not None else ():
        if instance.exit is None and (
            instance.generation != generation or instance.index >= wanted.get(instance.part, 0)
        ):
            return True
        # One that ended at this generation stays ended, except those after the first: they are replaced.
        if instance.generation == generation and (instance.exit is None or instance.index == 0):
            current.add((instance.part, instance.index))
    return any((name, index) not in current for name, count in wanted.items() for index in range(count))


def derive(row: WorkloadRow, wanted: Mapping[str, int], seen: Observed | None) -> Status:
    """The status of a workload now."""
    now = phase(row.wanted, row.generation, wanted, seen)
    leading = leading_instances(row.generation, wanted, seen)
    ended = next((instance.exit for instance in leading if instance.exit is not None), None)
    observed: dict[str, Any] = {}
    if "worker" in wanted:
        observed["workers_ready"] = ready_count("worker", row.generation, seen)
    first = leading[0] if leading else None
    if first is not None and first.exit is None and now in (Phase.RUNNING, Phase.STARTING):
        observed["addresses"] = dict(first.addresses)
    if ended is not None and now is Phase.FAILED:
        observed["exit"] = exit_json(ended)
    started = micros(first.started_at) if first is not None and first.exit is None else None
    return Status(phase=now, reason=_reason(row, now, wanted, seen), started_us=started, observed=observed)


def route_of(row: WorkloadRow, status: Status) -> GateRoute:
    """Where the workload's own host name leads now."""
    address = status.observed.get("addresses", {}).get(Port.HTTP.value, "")
    return GateRoute(
        host=row.id,
        workload=row.id,
        owner=row.owner,
        name=row.name,
        kind=row.kind.value,
        address=address if status.phase is Phase.RUNNING else "",
        phase=status.phase.value,
        reason=status.reason,
    )


def lost(generation: int, wanted: Mapping[str, int], seen: Observed | None) -> bool:
    """Whether it ended, but neither by itself nor because it should: gone with the machine, or stopped from outside.

    That is not its own failure, so it is started again.
    """
    reasons = {i.exit.reason for i in leading_instances(generation, wanted, seen) if i.exit is not None}
    # What is left of a workload whose first part failed is stopped by us: that alone is no reason.
    return ExitReason.LOST in reasons or reasons == {ExitReason.STOPPED}


def exit_json(ended: Exit) -> dict[str, Any]:
    """How an instance ended, as the API shows it."""
    return {
        "reason": ended.reason.value,
        "finished_at": ended.finished_at.isoformat(),
        "code": ended.code,
        "signal": ended.signal,
        "peak_memory_bytes": ended.peak_memory_bytes,
        "limit_memory_bytes": ended.limit_memory_bytes,
        "message": ended.message,
    }


def _reason(row: WorkloadRow, now: Phase, wanted: Mapping[str, int], seen: Observed | None) -> str:
    if now in (Phase.STARTING, Phase.FAILED):
        return reason(now, row.generation, wanted, seen, what=_PROGRAM_WORDS[row.kind])
    if now is Phase.RUNNING:
        count, ready = wanted.get("worker", 0), ready_count("worker", row.generation, seen)
        return f"{ready} of {count} workers are ready." if count and ready != count else ""
    return row.reason if row.wanted is not Wanted.RUNNING else ""  # written with the intent: who or what stopped it


_PROGRAM_WORDS: Mapping[Kind, str] = {
    Kind.WORKSPACE: "JupyterLab",
    Kind.CLUSTER: "The Dask cluster",
    Kind.APP: "The app",
    Kind.JOB: "The job",
}

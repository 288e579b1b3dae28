"""What was observed of a workload, and the phase derived from it. A phase is never stored to decide anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Wanted(StrEnum):
    """What a person asked for."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class Phase(StrEnum):
    """Where a workload is, derived from intent and observation."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class ExitReason(StrEnum):
    """Why an instance ended."""

    EXITED = "exited"  # by itself, with `code`
    SIGNALLED = "signalled"  # by `signal`, not asked for by us
    STOPPED = "stopped"  # asked for by us
    OUT_OF_MEMORY = "out-of-memory"
    LOST = "lost"  # gone without a trace (reboot, node death)
    NOT_STARTED = "not-started"  # could not be started; `message` says why


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """How an instance ended; sizes in bytes, times UTC."""

    reason: ExitReason
    finished_at: datetime
    code: int | None = None
    signal: int | None = None
    peak_memory_bytes: int | None = None
    limit_memory_bytes: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance of a part as the runtime sees it. `addresses`: Port -> `unix:/path` or `tcp:host:port`."""

    part: str
    index: int
    generation: int
    started_at: datetime
    ready: bool = False
    exit: Exit | None = None
    addresses: Mapping[str, str] = field(default_factory=dict)
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Everything a runtime sees of one workload. An absent workload is absent from `observe()`."""

    id: str
    instances: tuple[Instance, ...] = ()

    @property
    def alive(self) -> tuple[Instance, ...]:
        """Instances that have not ended."""
        return tuple(instance for instance in self.instances if instance.exit is None)


def phase(wanted: Wanted, generation: int, parts: Mapping[str, int], seen: Observed | None) -> Phase:
    """Derive the phase of a workload.

    `parts` maps the name of each wanted part to its count. A workload runs when the leading instance (index 0) of
    every part with a count above 0 is ready; it failed when one of those has ended at the wanted generation.
    Workers beyond the first never decide.
    """
    alive = seen.alive if seen is not None else ()
    if wanted is not Wanted.RUNNING:
        return Phase.STOPPING if alive else Phase.STOPPED
    if seen is None:
        return Phase.STARTING
    leading = {i.part: i for i in seen.instances if i.index == 0 and i.generation == generation}
    needed = [name for name, count in parts.items() if count > 0]
    if any(name in leading and leading[name].exit is not None for name in needed):
        return Phase.FAILED
    if all(name in leading and leading[name].ready for name in needed):
        return Phase.RUNNING
    return Phase.STARTING

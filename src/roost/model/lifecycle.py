"""What was observed of a workload, and the phase derived from it. A phase is never stored to decide anything.

Beside the phase stands a reason: one sentence for people, in their words and with the cause, never with the name of
a mechanism.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from roost.model.units import format_used


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
    evidence: Mapping[str, int] = field(default_factory=dict)


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


def leading_instances(generation: int, parts: Mapping[str, int], seen: Observed | None) -> tuple[Instance, ...]:
    """The instances that decide the phase: the first of each wanted part at this generation, in the parts' order."""
    first = {i.part: i for i in seen.instances if i.index == 0 and i.generation == generation} if seen else {}
    return tuple(first[name] for name, count in parts.items() if count > 0 and name in first)


def ready_count(part: str, generation: int, seen: Observed | None) -> int:
    """How many instances of a part are ready at this generation."""
    alive = seen.alive if seen is not None else ()
    return sum(i.part == part and i.generation == generation and i.ready for i in alive)


def reason(
    now: Phase, generation: int, parts: Mapping[str, int], seen: Observed | None, *, what: str = "The program"
) -> str:
    """One sentence that says why a workload is in its phase; `what` runs in it, such as JupyterLab.

    STOPPED has its cause in what was asked, which is not known here: the sentence says no more than the phase.
    """
    leading = leading_instances(generation, parts, seen)
    if now is Phase.FAILED:
        ended = next((i.exit for i in leading if i.exit is not None), None)
        return explain_exit(ended, what=what) if ended is not None else f"{what} failed."
    if now is Phase.STARTING:
        said = next((i.message for i in leading if not i.ready and i.exit is None and i.message), "")
        return _sentence(said) if said else f"{what} is starting."
    if now is Phase.RUNNING:
        return _running(generation, parts, seen, what)
    return f"{what} is stopping." if now is Phase.STOPPING else "Stopped."


def explain_exit(ended: Exit, *, what: str = "") -> str:
    """One sentence about how something ended, and the next step where there is one.

    >>> from datetime import UTC
    >>> explain_exit(Exit(reason=ExitReason.OUT_OF_MEMORY, finished_at=datetime(2026, 1, 1, tzinfo=UTC),
    ...                   peak_memory_bytes=4187593113, limit_memory_bytes=4 << 30))
    'Stopped at 3.9 of 4.0 GB: the memory limit. Choose a larger size or load less at once; the files are kept.'
    """
    match ended.reason:
        case ExitReason.OUT_OF_MEMORY:
            limit, peak = ended.limit_memory_bytes, ended.peak_memory_bytes
            amount = f" at {format_used(limit if peak is None else peak, limit)}" if limit else ""
            cause = f"{_begin(what, 'stopped')}{amount}: the memory limit."
            return f"{cause} Choose a larger size or load less at once; the files are kept."
        case ExitReason.NOT_STARTED:
            cause = f"{_begin(what, 'could not be started')}"
            return _sentence(f"{cause}: {ended.message}") if ended.message else f"{cause}; the log may say why."
        case ExitReason.LOST:
            return f"{_begin(what, 'ended without a trace')}: the machine was probably restarted. Start it again."
        case ExitReason.SIGNALLED:
            by = f" ({_SIGNALS.get(ended.signal, f'signal {ended.signal}')})" if ended.signal is not None else ""
            return f"{_begin(what, 'ended, not by itself')}{by}; the log may say why."
        case ExitReason.STOPPED:
            return f"{_begin(what, 'stopped')}, as asked."
        case ExitReason.EXITED:
            how = "" if ended.code is None else f" with code {ended.code}"
            more = "." if ended.code == 0 else "; the log may say why."
            return f"{_begin(what, 'ended by itself')}{how}{more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time in one phase, half-open; `until` None = it lasts."""

    phase: Phase
    since: datetime
    until: datetime | None
    duration: timedelta


def timeline(transitions: Sequence[tuple[datetime, Phase]], now: datetime) -> tuple[Span, ...]:
    """The phases a workload went through and how long each lasted, oldest first.

    Repeated phases are one span. A clock that went back gives a span of no length, never a negative one.
    """
    changes: list[tuple[datetime, Phase]] = []
    for at, entered in transitions:
        moment = max(at, changes[-1][0]) if changes else at
        if not changes or changes[-1][1] is not entered:
            changes.append((moment, entered))
    spans = [
        Span(phase=entered, since=since, until=until, duration=until - since)
        for (since, entered), (until, _) in pairwise(changes)
    ]
    if changes:
        since, entered = changes[-1]
        spans.append(Span(phase=entered, since=since, until=None, duration=max(now - since, timedelta())))
    return tuple(spans)


def time_to_ready(spans: Sequence[Span]) -> timedelta | None:
    """How long the last start took, from asking to running; None where none has succeeded yet."""
    for before, after in reversed(list(pairwise(spans))):
        if before.phase is Phase.STARTING and after.phase is Phase.RUNNING:
            return before.duration
    return None


# Linux numbers: what people may meet in a log. https://man7.org/linux/man-pages/man7/signal.7.html
_SIGNALS = {1: "hang-up", 2: "interrupt", 6: "abort", 9: "kill", 11: "memory fault", 15: "termination"}


def _running(generation: int, parts: Mapping[str, int], seen: Observed | None, what: str) -> str:
    several = {name: count for name, count in parts.items() if count > 1 or name == "worker"}
    missing = {n: c for n, c in several.items() if ready_count(n, generation, seen) < c}
    if missing:
        name, count = next(iter(missing.items()))
        return f"{ready_count(name, generation, seen)} of {count} {name}s ready."
    return f"{what} is running."


def _begin(what: str, verb: str) -> str:
    return f"{what} {verb}" if what else verb[0].upper() + verb[1:]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "…", "?")) else f"{text}."

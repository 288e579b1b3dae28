"""When something that nobody uses is stopped: a rule, the evidence, and a decision that can be explained.

A forgotten machine is the most expensive thing on the platform, a computation that was stopped over night the most
annoying one. So work counts as use (a busy kernel, a Dask client, the CPU), an open connection by itself does not (a
tab left open is not a person), and without fresh evidence nothing is stopped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from roost.model.errors import InvalidInput
from roost.model.units import format_duration

BUSY_CPU_MILLIS = 100  # a tenth of a core: an idle JupyterLab takes a hundredth
FRESH_S = 120  # evidence older than this does not stop anything
MAX_EXTENSION_HOURS = 7 * 24


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleRule:
    """Stop after so long without use, and in any case after so long; 0 = never."""

    timeout_s: int = 0
    max_lifetime_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of the use of a workload. Times UTC; None = cannot be known here.

    `seen_at`: when this was collected. `last_activity_at`: the last request or message of a person. `connections`:
    open ones. `busy_kernels`: computing now. `clients`: Dask clients connected now. `cpu_millis`: used now.
    `keep_until`: a person asked not to stop it before.
    """

    started_at: datetime
    seen_at: datetime
    last_activity_at: datetime | None = None
    connections: int = 0
    busy_kernels: int | None = None
    clients: int | None = None
    cpu_millis: int | None = None
    keep_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleDecision:
    """`stops_at`: when it will be stopped if nothing changes (None = never); `why` says it to people."""

    stop: bool
    stops_at: datetime | None
    why: str
    idle_since: datetime | None = None


def decide_idle(rule: IdleRule, evidence: Evidence, now: datetime) -> IdleDecision:
    """Decide whether to stop, when, and say why. More use and longer times never stop anything earlier."""
    use = in_use(evidence)
    # A time in the future is a clock that went back: it counts as now.
    since = now if use else min(max(evidence.started_at, evidence.last_activity_at or evidence.started_at), now)
    ends = _ends(rule, evidence, since, use=bool(use))
    idle_since = None if use else since
    if ends is None or ends > now:
        why = _why(rule, evidence, since, ends, use, now)
        return IdleDecision(stop=False, stops_at=ends, why=why, idle_since=idle_since)
    if not _too_old(rule, evidence, now) and (now - evidence.seen_at).total_seconds() > FRESH_S:
        why = "Whether it is used is not known at the moment; it is left running."
        return IdleDecision(stop=False, stops_at=ends, why=why, idle_since=idle_since)
    return IdleDecision(stop=True, stops_at=ends, why=_stopped(rule, evidence, since, now), idle_since=idle_since)


def in_use(evidence: Evidence) -> str:
    """What it is used for now, as the beginning of a sentence; "" = nothing that counts."""
    if evidence.busy_kernels:
        return (
            "A kernel is computing" if evidence.busy_kernels == 1 else f"{evidence.busy_kernels} kernels are computing"
        )
    if evidence.clients:
        return "A client is connected" if evidence.clients == 1 else f"{evidence.clients} clients are connected"
    if evidence.cpu_millis is not None and evidence.cpu_millis >= BUSY_CPU_MILLIS:
        return "It is computing"
    return ""


def extend(keep_until: datetime | None, hours: float, now: datetime) -> datetime:
    """Keep it until so many hours from now, never shorter than was promised; InvalidInput outside of a week."""
    if not 0 < hours <= MAX_EXTENSION_HOURS:
        raise InvalidInput(
            f"hours is {hours:g}.", field="hours", hint=f"Use more than 0, at most {MAX_EXTENSION_HOURS} hours."
        )
    until = now + timedelta(hours=hours)
    return until if keep_until is None else max(until, keep_until)


def _ends(rule: IdleRule, evidence: Evidence, since: datetime, *, use: bool) -> datetime | None:
    ends = []
    if rule.timeout_s > 0 and not use:
        ends.append(since + timedelta(seconds=rule.timeout_s))
    if rule.max_lifetime_s > 0:
        ends.append(evidence.started_at + timedelta(seconds=rule.max_lifetime_s))
    if not ends:
        return None
    return max(min(ends), evidence.keep_until) if evidence.keep_until is not None else min(ends)


def _why(rule: IdleRule, evidence: Evidence, since: datetime, ends: datetime | None, use: str, now: datetime) -> str:
    if ends is None:
        after = f"; it stops {format_duration(rule.timeout_s)} after that" if rule.timeout_s else ""
        return f"{use}{after}." if use and after else "Runs until somebody stops it."
    left = f"stops in {_span(now, ends)}"
    if evidence.keep_until is not None and ends == evidence.keep_until:
        return f"Kept running as asked; {left}."
    if rule.max_lifetime_s and ends == evidence.started_at + timedelta(seconds=rule.max_lifetime_s):
        return f"Runs for {format_duration(rule.max_lifetime_s)} at most; {left}."
    return f"{_idle(evidence, since, now)}; {left}."


def _too_old(rule: IdleRule, evidence: Evidence, now: datetime) -> bool:
    return rule.max_lifetime_s > 0 and now >= evidence.started_at + timedelta(seconds=rule.max_lifetime_s)


def _stopped(rule: IdleRule, evidence: Evidence, since: datetime, now: datetime) -> str:
    if _too_old(rule, evidence, now):
        return f"Stopped after {format_duration(rule.max_lifetime_s)}, the longest it may run."
    without = "a client" if evidence.clients is not None else "use"
    return f"Stopped after {_span(since, now)} without {without}."


def _idle(evidence: Evidence, since: datetime, now: datetime) -> str:
    if evidence.clients is not None:
        return f"No client for {_span(since, now)}"
    tab = " (a tab is open, nobody uses it)" if evidence.connections and now - since > timedelta(minutes=5) else ""
    return f"Idle for {_span(since, now)}{tab}"


def _span(start: datetime, end: datetime) -> str:
    return format_duration(max(0, int((end - start).total_seconds())))

"""Rows and live state to views: what the pages show of workloads, sizes and the machine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from roost.api.routes.platform import isolation_json
from roost.control.live import Sample
from roost.control.platform import Platform
from roost.model.access import Caller
from roost.model.errors import RoostError
from roost.model.lifecycle import Phase, Wanted
from roost.model.sizes import LocalSize, eks_cost
from roost.model.specs import MAX_WORKERS
from roost.model.workload import Kind
from roost.services.machine import Machine
from roost.store import workloads as table
from roost.store.rows import WorkloadRow, moment
from roost.web.views import (
    IsolationView,
    Meter,
    Running,
    SizeOption,
    SizeView,
    UsageView,
    WorkloadView,
)

HOURLY_USD = Decimal(0)  # of whatever runs on this machine


async def workload_views(platform: Platform, caller: Caller, rows: Iterable[WorkloadRow]) -> list[WorkloadView]:
    """Workloads as cards, rows and pages show them."""
    return [workload_view(platform, caller, row, await platform.name_of(row.owner)) for row in rows]


def workload_view(platform: Platform, caller: Caller, row: WorkloadRow, owner_name: str) -> WorkloadView:
    """A workload of somebody whose name is known."""
    size, eks_usd = size_view(platform, str(row.spec.get("environment", {}).get("size", "")))
    running = row.phase is Phase.RUNNING
    forecast = platform.live.forecasts.get(row.id) if running else None
    workers = int(row.spec.get("workers", 0)) if row.kind is Kind.CLUSTER else 0
    return WorkloadView(
        id=row.id,
        kind=row.kind,
        name=row.name,
        owner_name=owner_name,
        mine=row.owner == caller.person,
        phase=row.phase,
        since=moment(row.phase_since_us or row.created_us),
        created_at=moment(row.created_us),
        url=platform.settings.workload_origin(row.id) + ("/status" if row.kind is Kind.CLUSTER else "/"),
        size=size,
        wanted_running=row.wanted is Wanted.RUNNING,
        reason=row.reason,
        started_at=moment(row.started_us) if row.started_us else None,
        usd=HOURLY_USD,
        eks_usd=None if eks_usd is None else eks_usd * max(1, workers),
        usage=usage_view(platform.live.used(row.id)) if running else None,
        stops_at=moment(forecast.stops_at_us) if forecast and forecast.stops_at_us else None,
        idle_why=forecast.why if forecast else "",
        workers=workers,
        workers_ready=int((row.observed or {}).get("workers_ready", 0)),
        safe_mode=bool(row.spec.get("safe_mode", False)),
        idle_timeout_s=row.spec.get("idle_timeout_s"),
        deleted_at=moment(row.deleted_us) if row.deleted_us else None,
    )


def usage_view(sample: Sample | None) -> UsageView | None:
    """What a workload uses now."""
    if sample is None:
        return None
    return UsageView(
        memory_bytes=sample.memory_bytes,
        memory_limit_bytes=sample.memory_limit_bytes,
        cpu_percent=sample.cpu_percent,
        disk_bytes=sample.disk_bytes,
    )


def size_view(platform: Platform, name: str) -> tuple[SizeView, Decimal | None]:
    """A size by name and what its machine would cost on EKS; one this machine no longer has keeps its name only."""
    try:
        size = platform.catalog.find(name)
    except RoostError:
        return SizeView(name=name, memory_bytes=0, cpu_millis=0), None
    offer = eks_cost(size)
    view = SizeView(name=size.name, memory_bytes=size.memory_bytes, cpu_millis=size.cpu_millis, gpus=size.gpus)
    return view, offer.hourly_usd if offer else None


def size_options(platform: Platform) -> list[SizeOption]:
    """The rows of the size picker."""
    return [_option(local) for local in platform.catalog.sizes]


def _option(local: LocalSize) -> SizeOption:
    size, offer = local.size, eks_cost(local.size)
    return SizeOption(
        size=SizeView(name=size.name, memory_bytes=size.memory_bytes, cpu_millis=size.cpu_millis, gpus=size.gpus),
        fits=local.fits,
        why=local.why,
        usd=HOURLY_USD,
        eks_usd=offer.hourly_usd if offer else None,
        start="Ready at once" if local.fits else "",
    )


def max_workers(platform: Platform) -> int:
    """The most workers a number field offers; whether so many of a size fit is decided when they are asked for."""
    return max(1, min(MAX_WORKERS, platform.catalog.pool.room.pods - 1))


def running_line(items: Sequence[WorkloadView]) -> Running:
    """What runs and what it costs per hour now; one unknown price makes the sum unknown."""
    busy = [item for item in items if item.busy]
    prices = [item.eks_usd for item in busy]
    return Running(
        running=sum(item.phase is Phase.RUNNING for item in busy),
        starting=sum(item.phase is Phase.STARTING for item in busy),
        usd=HOURLY_USD * len(busy),
        eks_usd=None if None in prices else sum((price for price in prices if price), Decimal(0)),
    )


def isolation_view(platform: Platform) -> IsolationView:
    """What keeps people apart on this machine, in whole sentences."""
    told = isolation_json(platform)
    said = {name: _sentence(told[name]) for name in ("explanation", "remedy", "limits")}
    return IsolationView(level=told["level"] or "unknown", separates_people=told["separates_people"], **said)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def memory_meter(machine: Machine) -> Meter:
    """The machine's memory."""
    return Meter(used=machine.memory_used_bytes, total=machine.memory_bytes)


def active(platform: Platform) -> list[WorkloadRow]:
    """Everything that should run, newest first."""
    with platform.store.read() as tx:
        return sorted(table.wanted_running(tx), key=lambda row: (-row.created_us, row.id))


def soon(items: Iterable[WorkloadView], now: datetime, within_s: float) -> list[WorkloadView]:
    """Those that stop by themselves before long, the first one first."""
    found = [item for item in items if item.stops_at and (item.stops_at - now).total_seconds() <= within_s]
    return sorted(found, key=lambda item: (item.stops_at or now, item.id))

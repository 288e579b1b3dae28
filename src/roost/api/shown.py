"""How workloads look in the API: plain dictionaries, made without a query per row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from roost.api.answers import time_of
from roost.control.platform import Platform
from roost.model.errors import RoostError
from roost.model.lifecycle import Phase
from roost.model.sizes import eks_cost
from roost.model.workload import Kind, Port
from roost.services.sizes import Catalog, size_json
from roost.store.rows import BillingRow, TransitionRow, UsageRow, VolumeRow, WorkloadRow


async def workload_json(platform: Platform, row: WorkloadRow) -> dict[str, Any]:
    """A workload as it is now."""
    return shown(platform, row, await platform.name_of(row.owner))


def shown(platform: Platform, row: WorkloadRow, owner_name: str) -> dict[str, Any]:
    """A workload of somebody whose name is known."""
    size, eks_hourly = _size(platform.catalog, row.spec.get("environment", {}).get("size", ""))
    observed = row.observed or {}
    running = row.phase is Phase.RUNNING
    content: dict[str, Any] = {
        "id": row.id,
        "kind": row.kind.value,
        "name": row.name,
        "owner": row.owner,
        "owner_name": owner_name,
        "wanted": row.wanted.value,
        "phase": row.phase.value,
        "reason": row.reason,
        "created_at": time_of(row.created_us),
        "started_at": time_of(row.started_us),
        "since": time_of(row.phase_since_us),
        "deleted_at": time_of(row.deleted_us),
        "kept_until": time_of(row.keep_until_us),
        "url": platform.settings.workload_origin(row.id) + "/",
        "spec": {key: value for key, value in row.spec.items() if key != "kind"},
        "size": size,
        "hourly_usd": "0",
        "eks_hourly_usd": eks_hourly,
        "usage": usage_now(platform, row.id) if running else None,
        "idle": _idle(platform, row.id) if running else {"stops_at": None, "why": ""},
        "volume": row.volume,
        "generation": row.generation,
        "exit": observed.get("exit"),
    }
    if row.kind is Kind.CLUSTER:
        address = observed.get("addresses", {}).get(Port.DASK.value, "")
        content["workers"] = {"wanted": row.spec.get("workers", 0), "ready": observed.get("workers_ready", 0)}
        content["scheduler_address"] = address.replace("tcp:", "tls://", 1) or None
        content["dashboard_url"] = platform.settings.workload_origin(row.id) + "/status"
    return content


def usage_now(platform: Platform, id: str) -> dict[str, Any] | None:
    """What it uses now, or None where nobody looked yet."""
    sample = platform.live.used(id)
    return sample.as_json() if sample is not None else None


def usage_row(row: UsageRow) -> dict[str, Any]:
    """A stored sample, in the form of a live one."""
    return {
        "at": time_of(row.at_us),
        "at_us": row.at_us,
        "memory_bytes": row.memory_bytes,
        "memory_limit_bytes": row.memory_limit_bytes,
        "cpu_percent": row.cpu_millis / 10,
        "disk_bytes": row.disk_bytes,
    }


def transition_json(row: TransitionRow, actor_name: str) -> dict[str, Any]:
    """Something that happened."""
    return {
        "id": row.id,
        "at": time_of(row.at_us),
        "what": row.what,
        "phase": row.phase.value if row.phase is not None else None,
        "reason": row.reason,
        "actor": row.actor,
        "actor_name": actor_name,
        "detail": dict(row.detail),
    }


def volume_json(row: VolumeRow, user: WorkloadRow | None, owner_name: str) -> dict[str, Any]:
    """A volume, and the workspace whose home it is."""
    return {
        "id": row.id,
        "name": row.name,
        "owner": row.owner,
        "owner_name": owner_name,
        "created_at": time_of(row.created_us),
        "deleted_at": time_of(row.deleted_us),
        "kept_until": time_of(row.keep_until_us),
        "being_destroyed": row.destroy_wanted_us is not None,
        "used_bytes": row.used_bytes,
        "used_by": {"id": user.id, "name": user.name} if user is not None else None,
    }


def interval_json(row: BillingRow) -> Mapping[str, Any]:
    """A stretch of time at one size and price."""
    return {"from": time_of(row.from_us), "until": time_of(row.until_us), "size": row.size, "count": row.count}


@lru_cache(maxsize=256)
def _size(catalog: Catalog, name: str) -> tuple[dict[str, Any] | None, str | None]:
    """A size as shown, and what its machine would cost on EKS; None for one this machine no longer has."""
    try:
        size = catalog.find(name)
    except RoostError:
        return None, None
    offer = eks_cost(size)
    return size_json(size), None if offer is None or offer.hourly_usd is None else str(offer.hourly_usd)


def _idle(platform: Platform, id: str) -> dict[str, Any]:
    forecast = platform.live.forecasts.get(id)
    if forecast is None:
        return {"stops_at": None, "why": ""}
    return {"stops_at": time_of(forecast.stops_at_us), "why": forecast.why}

"""How a workload looks in a terminal: a row of a list that fits 80 columns, and its facts one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roost.cli import output
from roost.model.units import format_bytes

if TYPE_CHECKING:
    from roost.client.values import Workload

LIST_COLUMNS = ("NAME", "PHASE", "SIZE", "WORKERS", "MEMORY", "STARTED", "STOPS", "WHY")


def list_row(seen: Workload) -> list[str]:
    """One row. The address is left to `show` and `open`: it is as long as a line."""
    kept = seen.json.get("kept_until")
    stops = (seen.json.get("idle") or {}).get("stops_at")
    return [
        seen.name,
        seen.phase,
        seen.size,
        f"{seen.workers_ready}/{seen.workers}" if seen.kind == "cluster" else "",
        used_memory(seen),
        output.ago(seen.json.get("started_at")),
        output.ago(stops) if seen.phase == "running" else "",
        f"Kept until {output.clock(kept)[:10]}." if kept else seen.reason if seen.phase != "running" else "",
    ]


def facts(seen: Workload) -> list[tuple[str, str]]:
    """All there is to say, empty where there is nothing."""
    told = seen.json
    environment = (told.get("spec") or {}).get("environment") or {}
    return [
        ("name", seen.name),
        ("id", seen.id),
        ("phase", " for ".join(filter(None, (seen.phase, output.lasting(told.get("since")))))),
        ("reason", seen.reason),
        ("size", seen.size),
        ("image", str(environment.get("image") or "")),
        ("mode", "safe: no extensions" if (told.get("spec") or {}).get("safe_mode") else ""),
        ("memory", used_memory(seen)),
        ("workers", f"{seen.workers_ready} of {seen.workers} ready" if seen.kind == "cluster" else ""),
        ("cost", cost(seen)),
        ("idle", (told.get("idle") or {}).get("why") or ""),
        ("kept until", output.clock(told.get("kept_until"))),
        ("url", seen.url if seen.kind == "workspace" else ""),
        ("dashboard", seen.dashboard_url),
        ("owner", seen.owner_name),
    ]


def used_memory(seen: Workload) -> str:
    """What it uses of its limit, empty where nobody looked yet."""
    usage = seen.json.get("usage") or {}
    if not usage.get("memory_limit_bytes"):
        return ""
    return f"{format_bytes(usage['memory_bytes'])} of {format_bytes(usage['memory_limit_bytes'])}"


def cost(seen: Workload) -> str:
    """What an hour costs here, and what one machine of its size would cost on EKS."""
    here = f"{output.money(seen.json.get('hourly_usd'))} / h"
    there = seen.json.get("eks_hourly_usd")
    each = " for each worker" if seen.kind == "cluster" else ""
    return f"{here}; on EKS {output.money(there)} / h{each}" if there is not None else here

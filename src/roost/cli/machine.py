"""`roost machine`: what the machine is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roost.cli import output
from roost.cli.options import AsJson, platform


def machine(as_json: AsJson = False) -> None:
    """Show memory, disk, isolation and what runs on the machine.

    Example: roost machine
    """
    with platform() as roost:
        found = roost.machine()
    if as_json:
        output.print_json(found)
        return
    isolation = found.get("isolation") or {}
    used, total = output.memory(found.get("memory_used_bytes")), output.memory(found.get("memory_bytes"))
    free, disk = output.memory(found.get("disk_free_bytes")), output.memory(found.get("disk_total_bytes"))
    output.print_details(
        [
            ("cores", f"{found['cores']:g}" if found.get("cores") is not None else ""),
            ("memory", f"{used} of {total} used"),
            ("disk", f"{free} of {disk} free"),
            ("isolation", f"{isolation.get('level', '')}: {isolation.get('explanation', '')}"),
            ("limits", output.flat(isolation.get("limits"))),
        ]
    )
    rows = [_row(each) for each in found.get("workloads") or ()]
    if rows:
        print()
        output.print_table(("NAME", "KIND", "OWNER", "PHASE", "MEMORY", "CPU"), rows, "")


def _row(told: Mapping[str, Any]) -> list[str]:
    usage = told.get("usage") or {}
    used, limit, cpu = usage.get("memory_bytes"), usage.get("memory_limit_bytes"), usage.get("cpu_percent")
    return [
        *(output.flat(told.get(key)) for key in ("name", "kind", "owner_name", "phase")),
        f"{output.memory(used)} of {output.memory(limit)}" if used is not None and limit else "",
        "" if cpu is None else f"{cpu:.0f} %",
    ]

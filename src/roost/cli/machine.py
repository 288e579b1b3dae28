"""`roost machine`: what the machine is doing."""

from __future__ import annotations

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
            ("cores", output.flat(found.get("cores"))),
            ("memory", f"{used} of {total} used"),
            ("disk", f"{free} of {disk} free"),
            ("isolation", f"{isolation.get('level', '')}: {isolation.get('explanation', '')}"),
        ]
    )
    rows = [
        [output.flat(each.get("name")), output.flat(each.get("owner_name")), output.memory(each.get("memory_bytes"))]
        for each in found.get("workloads") or ()
    ]
    if rows:
        print()
        output.print_table(("NAME", "OWNER", "MEMORY"), rows, "")

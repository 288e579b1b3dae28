"""`roost sizes`: what can be had, and what it costs."""

from __future__ import annotations

from roost.cli import output
from roost.cli.options import AsJson, platform


def sizes(as_json: AsJson = False) -> None:
    """List the sizes, what each costs here and on EKS, and why one cannot be had here.

    Example: roost sizes
    """
    with platform() as roost:
        found = roost.sizes()
    if as_json:
        output.print_json(found)
        return
    rows = [
        [
            each["name"] + ("*" if each["name"] == found.get("default") else ""),
            output.memory(each["memory_bytes"]),
            f"{each['cpu_millis'] / 1000:g}",
            output.flat(each.get("gpus") or ""),
            output.money(each.get("hourly_usd")),
            output.money(each.get("eks_hourly_usd")),
            "" if each["fits"] else each.get("why") or "It does not fit now.",
        ]
        for each in found["items"]
    ]
    columns = ("SIZE", "MEMORY", "CPU", "GPU", "HOUR", "ON EKS", "WHY NOT")
    output.print_table(columns, rows, "There are no sizes.")
    output.note("* is the size when none is given.")

"""Memory limits where the kernel keeps none for us: look often, stop what is over its limit, say so."""

from __future__ import annotations

import asyncio
import signal

from roost.runtimes.image.shim import processes, write_json
from roost.runtimes.local.instances import Held, Instances, proportional_bytes

_EVERY_S = 0.5
_NEAR = 0.7  # shared pages count several times in the sum of resident sets: look closer from here on
_PAGE_BYTES = 4096


async def watch_memory(instances: Instances) -> None:
    """Look until cancelled."""
    while True:
        await asyncio.sleep(_EVERY_S)
        alive = instances.all_alive()
        if alive:
            for held, used in await asyncio.to_thread(_over_limit, alive):
                write_json(held.at.record / "oom.json", {"peak_memory_bytes": used})
                held.signal(signal.SIGCHLD)  # wakes the shim, which ends the program and says why


def _over_limit(alive: list[Held]) -> list[tuple[Held, int]]:
    """One pass over all processes: those whose tree uses more than its limit, with what it uses."""
    resident: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for pid, fields in processes():
        resident[pid] = int(fields[21]) * _PAGE_BYTES
        children.setdefault(int(fields[1]), []).append(pid)
    found = []
    for held in alive:
        members = _tree(held.pid, children)
        if sum(resident[pid] for pid in members) > held.record.memory_bytes * _NEAR:
            used = proportional_bytes(members)
            if used > held.record.memory_bytes:
                found.append((held, used))
    return found


def _tree(root: int, children: dict[int, list[int]]) -> list[int]:
    found, frontier = [], [root]
    while frontier:
        pid = frontier.pop()
        found.append(pid)
        frontier += children.get(pid, [])
    return found

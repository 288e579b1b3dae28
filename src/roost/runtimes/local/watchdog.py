"""What programs use and whether they are over their limit, where the kernel keeps no count for us.

One pass over all processes serves every workload: a pass per workload would cost a second for two hundred.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

from roost.runtimes.image.files import write_json
from roost.runtimes.image.processes import Process, processes
from roost.runtimes.local.instances import Held, Instances

_EVERY_S = 0.5
_NEAR = 0.7  # shared pages count several times in the sum of resident sets: look closer from here on


async def watch_memory(instances: Instances) -> None:
    """Look until cancelled."""
    while True:
        await asyncio.sleep(_EVERY_S)
        alive = instances.all_alive()
        if not alive:
            continue
        for held, used in await asyncio.to_thread(_look, alive):
            with contextlib.suppress(OSError):
                write_json(held.at.record / "oom.json", {"peak_memory_bytes": used})
                held.signal(signal.SIGCHLD)  # wakes the shim, which ends the program and says why


def _look(alive: Sequence[Held]) -> list[tuple[Held, int]]:
    """Those whose tree uses more than its limit, with what it uses; remembers who belongs to each."""
    found = []
    for held, tree in zip(alive, trees(held.pid for held in alive), strict=True):
        held.members = {process.pid: process.started for process in tree}
        if sum(process.resident_bytes for process in tree) > held.record.memory_bytes * _NEAR:
            used = proportional_bytes(tree)
            if used > held.record.memory_bytes:
                found.append((held, used))
    return found


def usage_of_trees(alive: Sequence[Held]) -> list[tuple[int, float]]:
    """Memory in bytes and CPU seconds of everything below each shim."""
    return [
        (proportional_bytes(tree), sum(process.cpu_seconds for process in tree))
        for tree in trees(held.pid for held in alive)
    ]


def trees(roots: Iterable[int]) -> list[list[Process]]:
    """The living processes below each of some processes, from one pass over all."""
    children: dict[int, list[Process]] = {}
    for process in processes():
        if not process.zombie:
            children.setdefault(process.parent, []).append(process)
    found = []
    for root in roots:
        tree = list(children.get(root, ()))
        for process in tree:  # grows while we go
            tree += children.get(process.pid, ())
        found.append(tree)
    return found


def proportional_bytes(tree: Iterable[Process]) -> int:
    """Memory of processes that share pages, each page counted once (PSS); the resident set where that is unknown."""
    total = 0
    for process in tree:
        try:
            text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            total += int(text[text.index("\nPss:") + 5 :].split(maxsplit=1)[0]) * 1024
        except (OSError, ValueError, IndexError):
            total += process.resident_bytes if not Path("/proc").is_dir() else 0
    return total

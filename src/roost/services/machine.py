"""Facts of this machine: cores, memory and disk, as far as this process may use them.

Read from /proc and the cgroup files; nothing here starts a process. Where a container limits us below the machine,
the limit counts.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60  # cgroup v1 says "no limit" with a number near 2^63


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is and what is used. Sizes in bytes; `cores` may be a fraction under a container's quota."""

    cores: float
    memory_bytes: int
    memory_used_bytes: int
    disk_total_bytes: int
    disk_free_bytes: int

    @property
    def memory_free_bytes(self) -> int:
        return max(0, self.memory_bytes - self.memory_used_bytes)


def read_machine(home: Path, *, proc: Path = PROC, cgroup: Path = CGROUP) -> Machine:
    """Facts of the machine now; the disk is the one that holds `home` (or its nearest existing parent)."""
    total, used = _memory(proc, cgroup)
    place = next(path for path in (home, *home.absolute().parents) if path.exists())
    disk = shutil.disk_usage(place)
    return Machine(
        cores=_cores(cgroup),
        memory_bytes=total,
        memory_used_bytes=used,
        disk_total_bytes=disk.total,
        disk_free_bytes=disk.free,
    )


def _cores(cgroup: Path) -> float:
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    quota, _, period = _text(cgroup / "cpu.max").partition(" ")
    if quota.isdigit() and period.strip().isdigit():
        return min(cores, round(int(quota) / int(period), 2))
    quota, period = _text(cgroup / "cpu/cpu.cfs_quota_us"), _text(cgroup / "cpu/cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit():
        return min(cores, round(int(quota) / int(period), 2))
    return cores


def _memory(proc: Path, cgroup: Path) -> tuple[int, int]:
    """Total and used bytes."""
    facts = {}
    for line in _text(proc / "meminfo").splitlines():
        name, _, value = line.partition(":")
        facts[name] = int(value.split()[0]) * 1024
    if "MemTotal" in facts:
        total = facts["MemTotal"]
        used = total - facts.get("MemAvailable", facts.get("MemFree", 0))
    else:  # not Linux
        total, used = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), 0
    for limit_file, used_file in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit = _text(cgroup / limit_file)
        if limit.isdigit() and int(limit) < min(total, _UNLIMITED):
            charged = _text(cgroup / used_file)
            total, used = int(limit), min(int(limit), int(charged) if charged.isdigit() else used)
    return total, used


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""

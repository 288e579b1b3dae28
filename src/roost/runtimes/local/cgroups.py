"""Memory limits by control groups, version 1 or 2, where we may write them."""

from __future__ import annotations

import contextlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from roost.runtimes.image.launch import Limits

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """Where groups of this instance live. Version 1 has a tree per controller, version 2 one for all."""

    version: int
    memory: Path
    accounting: Path | None = None  # version 1: cpuacct
    shares: Path | None = None  # version 1: cpu

    def make(self, name: str, memory_bytes: int, cpu_millis: int) -> Limits:
        """Make the groups of one instance of a part (new and empty) and set its limits."""
        folders = [folder / name for folder in self._trees]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        group = self.memory / name
        if self.version == 1:
            self._limit_version_1(name, memory_bytes, cpu_millis)
            events, peak = group / "memory.oom_control", group / "memory.max_usage_in_bytes"
        else:
            (group / "memory.max").write_text(str(memory_bytes))
            _try(group / "memory.swap.max", 0)
            _try(group / "memory.oom.group", 1)
            _try(group / "cpu.weight", min(10_000, max(1, cpu_millis // 10)))  # 100 is one processor
            events, peak = group / "memory.events", group / "memory.peak"
        return Limits(
            join=tuple(str(folder / "cgroup.procs") for folder in folders),
            events=str(events),
            peak=str(peak) if peak.exists() else "",
            version=self.version,
            memory_bytes=memory_bytes,
        )

    def _limit_version_1(self, name: str, memory_bytes: int, cpu_millis: int) -> None:
        group = self.memory / name
        # The limit with swap may never be below the one without.
        _try(group / "memory.memsw.limit_in_bytes", memory_bytes)
        (group / "memory.limit_in_bytes").write_text(str(memory_bytes))
        _try(group / "memory.memsw.limit_in_bytes", memory_bytes)
        _try(group / "memory.max_usage_in_bytes", 0)
        _try(group / "memory.oom_control", 1)  # the shim hears of it and ends the whole, not one process of it
        if self.shares is not None:
            _try(self.shares / name / "cpu.shares", max(2, cpu_millis * 1024 // 1000))

    @property
    def _trees(self) -> list[Path]:
        return [tree for tree in dict.fromkeys((self.memory, self.accounting, self.shares)) if tree is not None]

    def usage(self, name: str) -> tuple[int, float] | None:
        """Memory in bytes without the page cache that can go, and CPU seconds so far; None where there is no group."""
        group = self.memory / name
        try:
            if self.version == 1:
                used = int((group / "memory.usage_in_bytes").read_text())
                cache = _row(group / "memory.stat", "total_inactive_file")
                spent = (self.accounting / name / "cpuacct.usage").read_text() if self.accounting is not None else "0"
                cpu = int(spent) / 1e9
            else:
                used = int((group / "memory.current").read_text())
                cache = _row(group / "memory.stat", "inactive_file")
                cpu = _row(group / "cpu.stat", "usage_usec") / 1e6
        except OSError:
            return None
        return max(0, used - cache), cpu

    def members(self, name: str) -> list[int]:
        """The processes of a group."""
        try:
            return [int(line) for line in (self.memory / name / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def remove(self, name: str) -> None:
        """Remove an empty group; harmless when it is gone or still has members."""
        for folder in self._trees:
            with contextlib.suppress(OSError):
                (folder / name).rmdir()


def find_control_groups(instance: str) -> ControlGroups | None:
    """The groups this process may make children of; None where there are none."""
    own = _own_groups()
    if "memory" in own and (folder := _writable(_ROOT / "memory", own["memory"], instance)):
        accounting, shares = (_writable(_ROOT / name, own.get(name, "/"), instance) for name in ("cpuacct", "cpu"))
        if shares is not None and accounting is not None and shares.samefile(accounting):
            shares = accounting  # many systems mount the two as one
        return ControlGroups(1, folder, accounting, shares)
    if "" in own and (_ROOT / "cgroup.controllers").exists():
        return _version_2(_ROOT / own[""].lstrip("/"), instance)
    return None


def _own_groups() -> dict[str, str]:
    """Controller -> path of our own group; "" is version 2."""
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                found[controller] = path
    return found


def _writable(mount: Path, own: str, instance: str) -> Path | None:
    # Directly below the mount: a limit on the group of whoever started us must not be shared by all workloads,
    # and groups must outlive that group.
    for base in (mount, mount / own.lstrip("/")):
        folder = base / f"roost-{instance}"
        try:
            folder.mkdir(exist_ok=True)
            (folder / "memory.limit_in_bytes").read_text() if mount.name == "memory" else None
        except OSError:
            continue
        if os.access(folder / "cgroup.procs", os.W_OK):
            return folder
    return None


def _version_2(own: Path, instance: str) -> ControlGroups | None:
    """A delegated subtree: as root anywhere, else below the user's own service."""
    for base in (_ROOT, own, own.parent):
        folder = base / f"roost-{instance}"
        try:
            if "memory" not in (base / "cgroup.controllers").read_text().split():
                continue
            (base / "cgroup.subtree_control").write_text("+memory +cpu")
            folder.mkdir(exist_ok=True)
            (folder / "cgroup.subtree_control").write_text("+memory +cpu")
        except OSError:
            continue
        if _joinable(folder / "probe"):
            return ControlGroups(2, folder)
    return None


def _joinable(group: Path) -> bool:
    """Whether a process of ours may enter a group: that needs rights on what both groups are below."""
    try:
        group.mkdir(exist_ok=True)
        join = ("sh", "-c", 'echo 0 > "$1"', "sh", str(group / "cgroup.procs"))
        return subprocess.run(join, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


def _row(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _try(file: Path, value: int) -> None:
    """Set what a kernel may not know or allow."""
    with contextlib.suppress(OSError):
        file.write_text(str(value))

"""Memory limits by control groups, version 1 or 2, where we may write them."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from roost.runtimes.image.launch import Limits

_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class ControlGroups:
    """Where groups of this instance live: one folder per controller (version 2: one for all)."""

    version: int
    memory: Path
    cpu: Path | None

    def make(self, name: str, memory_bytes: int) -> Limits:
        """Make the group of one instance of a part (new and empty) and set its limit."""
        group = self.memory / name
        joins = [group / "cgroup.procs"]
        group.mkdir(parents=True, exist_ok=True)
        if self.version == 1:
            # Lower the swap limit last and raise it first: it may never be below the memory limit.
            (group / "memory.limit_in_bytes").write_text(str(memory_bytes))
            with contextlib.suppress(OSError):
                (group / "memory.memsw.limit_in_bytes").write_text(str(memory_bytes))
            with contextlib.suppress(OSError):
                (group / "memory.max_usage_in_bytes").write_text("0")
            with contextlib.suppress(OSError):  # the shim hears of it and ends the whole, not one process of it
                (group / "memory.oom_control").write_text("1")
            if self.cpu is not None:
                (self.cpu / name).mkdir(parents=True, exist_ok=True)
                joins.append(self.cpu / name / "cgroup.procs")
            events, peak = group / "memory.oom_control", group / "memory.max_usage_in_bytes"
        else:
            (group / "memory.max").write_text(str(memory_bytes))
            for file, value in (("memory.swap.max", "0"), ("memory.oom.group", "1")):
                with contextlib.suppress(OSError):
                    (group / file).write_text(value)
            events, peak = group / "memory.events", group / "memory.peak"
        return Limits(
            join=tuple(map(str, joins)),
            events=str(events),
            peak=str(peak) if peak.exists() else "",
            version=self.version,
            memory_bytes=memory_bytes,
        )

    def usage(self, name: str) -> tuple[int, float] | None:
        """Memory in bytes without the page cache that can go, and CPU seconds so far; None where there is no group."""
        group = self.memory / name
        try:
            if self.version == 1:
                used = int((group / "memory.usage_in_bytes").read_text())
                cache = _row(group / "memory.stat", "total_inactive_file")
                cpu = int((self.cpu / name / "cpuacct.usage").read_text()) / 1e9 if self.cpu is not None else 0.0
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
        for folder in (self.memory, self.cpu):
            if folder is not None:
                with contextlib.suppress(OSError):
                    (folder / name).rmdir()


def find_control_groups(instance: str) -> ControlGroups | None:
    """The groups this process may make children of; None where there are none."""
    own = _own_groups()
    if "memory" in own and (folder := _writable(_ROOT / "memory", own["memory"], instance)):
        cpu = _writable(_ROOT / "cpuacct", own.get("cpuacct", "/"), instance)
        return ControlGroups(1, folder, cpu)
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
        return ControlGroups(2, folder, None)
    return None


def _row(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0

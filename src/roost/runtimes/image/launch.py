"""What a runtime asks of a shim: one program, its surroundings and its limits. Travels as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where to join and watch limits; empty where the machine has no control groups for us."""

    join: tuple[str, ...] = ()  # cgroup.procs files
    events: str = ""  # memory.oom_control (version 1) or memory.events (version 2)
    peak: str = ""  # file that holds the peak in bytes
    version: int = 0
    memory_bytes: int = 0
    open_files: int = 65536
    processes: int = 8192  # of one owner, where every owner has a user id


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to start. `module` runs inside this process (`main(argv)`); without one `argv` is executed."""

    record: str  # directory of identity.json, exit.json, lock
    log: str
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    directory: str
    module: str = ""
    uid: int = -1
    gid: int = -1
    accounts: str = ""  # directory of `passwd` and `group` that name the user id, where it has no name here
    prefix: tuple[str, ...] = ()  # a sandbox to execute the program in
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> str:
        """One line for the parent."""
        shallow = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps({**shallow, "limits": {f.name: getattr(self.limits, f.name) for f in fields(Limits)}})

    @staticmethod
    def from_json(text: str) -> Launch:
        """What `to_json` wrote."""
        content = json.loads(text)
        limits = content.pop("limits")
        limits["join"] = tuple(limits["join"])
        content["argv"], content["prefix"] = tuple(content["argv"]), tuple(content["prefix"])
        return Launch(limits=Limits(**limits), **content)

"""What a runtime asks of a shim: one program, its surroundings and its limits. Travels as one line of JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any


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
class View:
    """What a sandboxed program sees: `reads` and `owns` over a machine whose `hides` are empty and rest read-only."""

    hides: tuple[str, ...]
    reads: tuple[str, ...]
    owns: tuple[str, ...]


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
    view: View | None = None  # a sandbox to enter
    sandbox: int = 0  # for a command beside a program: the first process of the sandbox to join
    prefix: tuple[str, ...] = ()  # a sandbox to execute the program in
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> str:
        """One line for the parent."""
        view = None if self.view is None else _shallow(self.view)
        return json.dumps({**_shallow(self), "limits": _shallow(self.limits), "view": view})

    @staticmethod
    def from_json(text: str) -> Launch:
        """What `to_json` wrote."""
        content = json.loads(text)
        limits, view = content.pop("limits"), content.pop("view")
        limits["join"] = tuple(limits["join"])
        content["argv"], content["prefix"] = tuple(content["argv"]), tuple(content["prefix"])
        seen = None if view is None else View(**{name: tuple(paths) for name, paths in view.items()})
        return Launch(limits=Limits(**limits), view=seen, **content)


def _shallow(value: Launch | Limits | View) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}

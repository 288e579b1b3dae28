"""What a program finds around it: the pure half of starting an instance."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from roost.model.workload import Part, Program, Workload
from roost.runtimes.image.launch import Launch, Limits, View
from roost.runtimes.local.parents import MODULES
from roost.runtimes.local.records import Places, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """Where an instance runs: its image's build, its home, its files, limits and sandbox."""

    image: Path
    home: Path
    at: Places
    limits: Limits
    view: View | None = None
    prefix: tuple[str, ...] = ()


def launch_of(workload: Workload, part: Part, record: Record, around: Surroundings) -> Launch:
    """The launch of one instance."""
    return Launch(
        record=str(around.at.record),
        log=str(around.at.log),
        argv=part.arguments,
        environment=environment_of(workload, part, record, around),
        directory=str(around.home),
        module=MODULES[part.program],
        uid=record.uid,
        gid=record.uid,
        accounts=str(around.at.accounts) if record.uid >= 0 else "",
        view=around.view,
        prefix=around.prefix,
        limits=around.limits,
    )


def accounts(uid: int, home: Path) -> Mapping[str, str]:
    """The account files of this machine with a name for an owner's user id."""
    user, group = f"roost:x:{uid}:{uid}::{home}:{shell()}\n", f"roost:x:{uid}:\n"
    return {"passwd": _machine_file("passwd") + user, "group": _machine_file("group") + group}


def _machine_file(name: str) -> str:
    try:
        text = Path("/etc", name).read_text()
    except OSError:
        return ""
    return text if text.endswith("\n") or not text else f"{text}\n"


def shell() -> str:
    """The shell of terminals."""
    return "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"


def environment_of(workload: Workload, part: Part, record: Record, around: Surroundings) -> Mapping[str, str]:
    """The environment of a program. What its owner set comes first, so that nothing of ours is overwritten."""
    at, home = around.at, str(around.home)
    ours = {
        "PATH": f"{home}/.local/bin:{around.image}/bin:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": str(around.image),
        "HOME": home,
        "USER": "roost",
        "LOGNAME": "roost",
        "SHELL": shell(),
        "LANG": os.environ.get("LANG", "C.UTF-8"),
        "TMPDIR": str(at.scratch),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "JUPYTER_RUNTIME_DIR": str(at.sockets / "jupyter"),
        "JUPYTER_CONFIG_DIR": f"{home}/.jupyter",
        "JUPYTER_CONFIG_PATH": f"{home}/.local/etc/jupyter",
        "JUPYTER_DATA_DIR": f"{home}/.local/share/jupyter",
        "IPYTHONDIR": f"{home}/.ipython",
        "BOKEH_RESOURCES": "inline",  # plots load nothing from elsewhere
        "ROOST_WORKLOAD": workload.id,
        "ROOST_INDEX": str(record.index),
        "ROOST_MEMORY_BYTES": str(part.memory_bytes),
        "ROOST_CPU_MILLIS": str(part.cpu_millis),
        "ROOST_FILES": str(at.files),
        "ROOST_ADDRESSES": str(at.sockets),
        "ROOST_PEERS": str(at.sockets.parent),
        "ROOST_SOCKET_HTTP": str(at.http),
        "ROOST_SCRATCH": str(at.scratch),
    }
    if part.program is Program.DASK_SCHEDULER:
        ours["ROOST_PORT_DASK"] = "0"
    if "token" in part.files:
        ours["ROOST_TOKEN_FILE"] = str(at.files / "token")
    if "url" in part.files:
        ours["ROOST_URL_FILE"] = str(at.files / "url")
    return {**part.variables, **ours}

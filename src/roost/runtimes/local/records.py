"""What the local runtime keeps on disk of each instance, so that a new control plane finds everything again.

`<workloads>/<id>/<part>[-n]/` holds `instance.json` (written before the start), `identity.json` and `exit.json`
(written by the shim) and the log. A process is identified by boot, pid and start time: a reused pid is nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roost.model.lifecycle import Exit, ExitReason
from roost.model.workload import Part, Port, Program, Workload
from roost.runtimes.image.files import read_untrusted, write_json
from roost.runtimes.image.processes import boot_id, start_time
from roost.settings import Settings

_TCP = re.compile(r"tcp:127\.0\.0\.1:[0-9]{1,5}")
_EVIDENCE = ("clients", "last_client_us", "busy_kernels")
SAYS_USE = {Program.DASK_SCHEDULER.value: "clients", Program.JUPYTERLAB.value: "use"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One instance of a part, as it was started."""

    id: str
    part: str
    index: int
    generation: int
    program: str
    ports: tuple[str, ...]
    memory_bytes: int
    uid: int
    build: str  # directory name of the image's build
    started_us: int

    @property
    def name(self) -> str:
        """The directory name of the instance; its peers find a part's first instance under the part's name."""
        return self.part if self.index == 0 else f"{self.part}-{self.index}"

    @property
    def group(self) -> str:
        """The name of its control group."""
        return f"{self.id}.{self.name}"


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of an instance are."""

    record: Path
    sockets: Path

    @property
    def log(self) -> Path:
        return self.record / "log"

    @property
    def scratch(self) -> Path:
        return self.record / "scratch"

    @property
    def files(self) -> Path:
        """Secret files. Beside the sockets, not below: the program must not be able to replace the directory."""
        return self.sockets.with_name(f"{self.sockets.name}.files")

    @property
    def http(self) -> Path:
        return self.sockets / "http.sock"

    @property
    def accounts(self) -> Path:
        return self.record / "accounts"

    @property
    def ready(self) -> Path:
        return self.record / "ready"


def places(settings: Settings, record: Record) -> Places:
    """Where this instance's files are."""
    return Places(settings.workloads / record.id / record.name, settings.sockets / record.id / record.name)


def new_record(workload: Workload, part: Part, index: int, *, uid: int, build: str, now_us: int) -> Record:
    """The record of an instance about to be started."""
    return Record(
        id=workload.id,
        part=part.name,
        index=index,
        generation=workload.generation,
        program=part.program.value,
        ports=tuple(port.value for port in part.ports),
        memory_bytes=part.memory_bytes,
        uid=uid,
        build=build,
        started_us=now_us,
    )


def prepare(record: Record, at: Places) -> None:
    """Make the directories of an instance; what an earlier one left there goes, except its log."""
    for left in ("identity.json", "exit.json", "oom.json", "ready"):
        (at.record / left).unlink(missing_ok=True)
    shutil.rmtree(at.scratch, ignore_errors=True)
    shutil.rmtree(at.sockets, ignore_errors=True)
    shutil.rmtree(at.files, ignore_errors=True)
    group_reads = 0o700 if record.uid < 0 else 0o750
    for path, mode, user, group in (
        (at.record.parent, 0o711, -1, -1),
        (at.record, 0o711, -1, -1),
        (at.scratch, 0o700, record.uid, record.uid),
        (at.sockets.parent, 0o711, -1, -1),
        (at.sockets, 0o700, record.uid, record.uid),
        (at.files, group_reads, -1, record.uid),
    ):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if group >= 0:
            os.chown(path, user, group)
    write_json(at.record / "instance.json", asdict(record))


def load_all(settings: Settings) -> Iterator[Record]:
    """Every instance on disk; unreadable records are left alone."""
    if not settings.workloads.is_dir():
        return
    for path in settings.workloads.glob("*/*/instance.json"):
        content = _read(path) or {}
        with contextlib.suppress(KeyError, TypeError):
            yield Record(**{**content, "ports": tuple(content["ports"])})


def living_pid(at: Places) -> int:
    """The pid of the instance's shim when that very process lives; 0 otherwise."""
    content = _read(at.record / "identity.json")
    if content is None or content["boot"] != boot_id():
        return 0
    pid = int(content["pid"])
    return pid if start_time(pid) == content["started"] else 0


def sandbox(at: Places) -> int:
    """The pid of the first process of the instance's sandbox; 0 where it has none."""
    return int((_read(at.record / "identity.json") or {}).get("sandbox", 0))


def read_exit(at: Places) -> Exit | None:
    """How the instance ended, as its shim wrote it; None when it wrote nothing."""
    content = _read(at.record / "exit.json")
    if content is None:
        return None
    return Exit(
        reason=ExitReason(content["reason"]),
        finished_at=moment(content["finished_us"]),
        code=content["code"],
        signal=content["signal"],
        peak_memory_bytes=content["peak_memory_bytes"],
        limit_memory_bytes=content["limit_memory_bytes"],
        message=content.get("message", ""),
    )


def addresses(record: Record, at: Places) -> dict[str, str]:
    """Where the ports of a running instance are."""
    found: dict[str, str] = {}
    if Port.HTTP in record.ports:
        found[Port.HTTP.value] = f"unix:{at.http}"
    if Port.DASK in record.ports:
        said = read_untrusted(at.sockets / "dask").strip()
        if _TCP.fullmatch(said):
            found[Port.DASK.value] = said
    return found


def evidence(record: Record, at: Places) -> dict[str, int]:
    """What a program itself says about its use: the clients of a Dask scheduler, the busy kernels of JupyterLab."""
    file = SAYS_USE.get(record.program)
    if file is None:
        return {}
    content = _parse(read_untrusted(at.sockets / file)) or {}
    return {name: number for name in _EVIDENCE if isinstance(number := content.get(name), int) and number >= 0}


def health_path(record: Record) -> str:
    """What to ask an HTTP port for to see that it answers."""
    return "/api/status" if record.program == Program.JUPYTERLAB else "/"


def moment(us: int) -> datetime:
    """A time from integer microseconds."""
    return datetime.fromtimestamp(us / 1e6, UTC)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return _parse(path.read_text())
    except (OSError, ValueError):
        return None


def _parse(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None

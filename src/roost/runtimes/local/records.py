"""What the local runtime keeps on disk of each instance, so that a new control plane finds everything again.

`<workloads>/<id>/<part>[-n]/` holds `instance.json` (written before the start), `identity.json` and `exit.json`
(written by the shim) and the log. A process is identified by boot, pid and start time: a reused pid is nobody.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from roost.model.lifecycle import Exit, ExitReason
from roost.model.workload import Part, Port, Program, Workload
from roost.runtimes.image.shim import boot_id, start_time, write_json
from roost.settings import Settings


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
        return self.sockets / "files"

    @property
    def http(self) -> Path:
        return self.sockets / "http.sock"

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
    for path, mode, own in (
        (at.record.parent, 0o711, False),
        (at.record, 0o711, False),
        (at.scratch, 0o700, True),
        (at.sockets.parent, 0o711, False),
        (at.sockets, 0o700, True),
        (at.files, 0o700, True),
    ):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if own and record.uid >= 0:
            import os

            os.chown(path, record.uid, record.uid)
    write_json(at.record / "instance.json", asdict(record))


def load_all(settings: Settings) -> Iterator[Record]:
    """Every instance on disk; unreadable records are left alone."""
    if not settings.workloads.is_dir():
        return
    for path in settings.workloads.glob("*/*/instance.json"):
        content = _read(path)
        if content is not None:
            content["ports"] = tuple(content["ports"])
            yield Record(**content)


def living_pid(at: Places) -> int:
    """The pid of the instance's shim when that very process lives; 0 otherwise."""
    content = _read(at.record / "identity.json")
    if content is None or content["boot"] != boot_id():
        return 0
    pid = int(content["pid"])
    return pid if start_time(pid) == content["started"] else 0


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
        try:
            found[Port.DASK.value] = (at.sockets / "dask").read_text().strip()
        except OSError:
            pass
    return found


def evidence(record: Record, at: Places) -> dict[str, int]:
    """What a program itself says about its use: the clients of a Dask scheduler."""
    if record.program != Program.DASK_SCHEDULER:
        return {}
    content = _read(at.sockets / "clients") or {}
    return {name: int(content[name]) for name in ("clients", "last_client_us") if name in content}


def health_path(record: Record) -> str:
    """What to ask an HTTP port for to see that it answers."""
    return "/api/status" if record.program == Program.JUPYTERLAB else "/"


def moment(us: int) -> datetime:
    """A time from integer microseconds."""
    return datetime.fromtimestamp(us / 1e6, UTC)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None

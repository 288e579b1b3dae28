"""A workload: what should run, said without any runtime's words.

Services make it from a spec and a placement; a runtime renders it (processes on a laptop, objects in a
cluster). It holds no status. A part with `count` n has instances 0 to n-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What people see."""

    WORKSPACE = "workspace"
    CLUSTER = "cluster"
    APP = "app"
    JOB = "job"


class Program(StrEnum):
    """What a part runs. A runtime knows how to start each one inside an image."""

    JUPYTERLAB = "jupyterlab"
    DASK_SCHEDULER = "dask-scheduler"
    DASK_WORKER = "dask-worker"
    COMMAND = "command"


class Port(StrEnum):
    """The ports a part may offer; a runtime says where each one really is (`Instance.addresses`)."""

    HTTP = "http"  # reached by people, through the data plane
    DASK = "dask"  # reached by Dask clients and workers, mutual TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One program of a workload, `count` times.

    `files` are small secret files (certificates, tokens) given to the program as mode 0600 in the directory
    named by the variable ROOST_FILES. `arguments` are the argv of a COMMAND.
    """

    name: str
    program: Program
    memory_bytes: int
    cpu_millis: int
    gpus: int = 0
    count: int = 1
    arguments: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A volume of the workload's owner, at a path below the program's home ("" = the home itself)."""

    volume: str
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A port of a part that the data plane may lead people to; `name` "" is the workload's own host name."""

    name: str
    part: str
    port: Port = Port.HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What should run now. `generation` grows with each change of intent that needs a restart of parts.

    `connects` are ids of workloads of other owners that may connect to it (empty: its owner only).
    """

    id: str
    owner: str
    kind: Kind
    name: str
    generation: int
    image: str
    parts: tuple[Part, ...]
    pool: str
    zone: str
    volumes: tuple[Mount, ...] = ()
    routes: tuple[Route, ...] = ()
    connects: tuple[str, ...] = ()

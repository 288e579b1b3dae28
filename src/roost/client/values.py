"""What the platform says about a workload, as frozen values. Unknown keys are kept in `json` and otherwise ignored,
because the platform may be newer than this client."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A workspace or a Dask cluster as it was when asked. `json` is all the platform said."""

    id: str
    kind: str
    name: str
    owner_name: str
    wanted: str
    phase: str
    reason: str
    url: str
    size: str
    generation: int
    workers: int
    workers_ready: int
    scheduler_address: str
    dashboard_url: str
    json: Mapping[str, Any] = field(repr=False)


#: Called while waiting, with what is known now.
Progress = Callable[[Workload], None]


def workload(told: Mapping[str, Any]) -> Workload:
    """Read Workload JSON."""
    workers = told.get("workers") or {}
    return Workload(
        id=told["id"],
        kind=told["kind"],
        name=told["name"],
        owner_name=told.get("owner_name") or "",
        wanted=told.get("wanted") or "",
        phase=told["phase"],
        reason=told.get("reason") or "",
        url=told.get("url") or "",
        size=(told.get("size") or {}).get("name") or "",
        generation=told.get("generation") or 0,
        workers=workers.get("wanted") or 0,
        workers_ready=workers.get("ready") or 0,
        scheduler_address=told.get("scheduler_address") or "",
        dashboard_url=told.get("dashboard_url") or "",
        json=dict(told),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a Dask client needs to join a cluster: certificate and key are PEM texts, kept in memory only."""

    scheduler_address: str
    dashboard_url: str
    ca: str = field(repr=False)
    certificate: str = field(repr=False)
    key: str = field(repr=False)
    python: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)


def credentials(told: Mapping[str, Any]) -> Credentials:
    """Read the answer of `GET clusters/<id>/credentials`."""
    versions = told.get("versions") or {}
    return Credentials(
        scheduler_address=told.get("scheduler_address") or "",
        dashboard_url=told.get("dashboard_url") or "",
        ca=told["ca"],
        certificate=told["certificate"],
        key=told["key"],
        python=versions.get("python") or "",
        packages=dict(versions.get("packages") or {}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A piece of what a command printed (`stream` 1 or 2), or its end (`exit_code`)."""

    stream: int = 1
    data: bytes = b""
    exit_code: int | None = None

"""What people ask of workloads, checked against this machine and then written: the API and the pages share it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from roost.control.platform import Platform
from roost.model.errors import InvalidInput
from roost.model.names import checked_name
from roost.model.specs import ClusterSpec, Spec, parse_spec
from roost.services import clusters, workloads
from roost.services.workloads import By, Retry
from roost.store.database import Transaction
from roost.store.rows import WorkloadRow


async def make(
    platform: Platform, by: By, name: str, spec: Spec, retry: Retry | None = None
) -> tuple[WorkloadRow, bool]:
    """Have a workload made that fits this machine; whether it is new (False: the retry of an earlier one)."""
    name = checked_name(name)
    _check_fits(platform, spec)
    image = spec.environment.image
    if platform.builder is not None and image != "default":
        raise InvalidInput(f"There is no image {image!r}.", subject=image, field="image", hint="Valid: default.")
    return await platform.store.run(_made, platform, by, name, spec, retry)


async def respecify(
    platform: Platform, by: By, row: WorkloadRow, changes: Mapping[str, Any], *, name: str | None = None
) -> WorkloadRow:
    """Change some keys of what a stopped workload asks for, and its name: all that is asked, or nothing."""
    if "size" in changes:
        platform.catalog.find(str(changes["size"]))
    edit = (lambda now: _edited(now, dict(changes))) if changes else None
    return await platform.store.run(workloads.alter, platform.store, by, row.id, name=name, edit=edit)


async def scale(platform: Platform, by: By, row: WorkloadRow, workers: Any) -> WorkloadRow:
    """Change the number of workers of a cluster to one that fits."""
    wanted = parse_spec({**row.spec, "workers": workers}, row.kind.value)
    assert isinstance(wanted, ClusterSpec)
    _check_fits(platform, wanted)
    return await platform.store.run(workloads.scale, platform.store, by, row.id, wanted.workers)


def _check_fits(platform: Platform, spec: Spec) -> None:
    size = platform.catalog.find(spec.environment.size, field="size")
    platform.catalog.place(size, max(1, spec.workers) if isinstance(spec, ClusterSpec) else 1)


def _made(platform: Platform, by: By, name: str, spec: Spec, retry: Retry | None) -> tuple[WorkloadRow, bool]:
    secrets = clusters.make_certificates(by.now_us) if isinstance(spec, ClusterSpec) else None

    def seal(tx: Transaction, id: str) -> None:
        platform.vault.put(tx, id, secrets or {}, now_us=by.now_us)

    return workloads.create(platform.store, by, name, spec, retry=retry, seal=seal if secrets else None)


def _edited(now: Spec, changes: dict[str, Any]) -> Spec:
    content = workloads.spec_json(now)
    environment = dict(content["environment"])
    if "size" in changes:
        environment["size"] = changes.pop("size")
    return parse_spec({**content, "environment": environment, **changes}, now.kind)

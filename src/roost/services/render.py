"""From a row of the store to the workload a runtime runs: spec, size, placement, files. Run in a store thread."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from roost.model.specs import ClusterSpec, WorkspaceSpec
from roost.model.workload import Mount, Part, Port, Program, Route, Workload
from roost.services import clusters, tokens
from roost.services.keys import Vault
from roost.services.sizes import Catalog
from roost.services.workloads import LAB, SCHEDULER, WORKER, spec_of
from roost.settings import Settings
from roost.store.database import Store
from roost.store.rows import WorkloadRow

SCHEDULER_MEMORY_BYTES = 2 << 30
TOKEN_FILE, URL_FILE = "token", "url"


class Renderer:
    """Makes the workload of a row, with its secrets."""

    def __init__(
        self, settings: Settings, store: Store, vault: Vault, catalog: Catalog, clock: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._store = store
        self._vault = vault
        self._catalog = catalog
        self._clock = clock

    def render(self, row: WorkloadRow) -> Workload:
        """The workload as it should run now. A workspace gets a fresh token each time."""
        spec = spec_of(row)
        if isinstance(spec, WorkspaceSpec):
            return self._workspace(row, spec)
        assert isinstance(spec, ClusterSpec)
        return self._cluster(row, spec)

    def _workspace(self, row: WorkloadRow, spec: WorkspaceSpec) -> Workload:
        size = self._catalog.find(spec.environment.size)
        placement = self._catalog.place(size)
        url = internal_url(self._settings)
        token = tokens.issue_workload_token(self._store, row.id, row.owner, now_us=self._clock(), entropy=os.urandom)
        variables = {**spec.environment.variables, "ROOST_URL": url}
        if spec.safe_mode:
            variables["ROOST_SAFE_MODE"] = "1"
        lab = Part(
            name=LAB,
            program=Program.JUPYTERLAB,
            memory_bytes=size.memory_bytes,
            cpu_millis=size.cpu_millis,
            gpus=size.gpus,
            variables=variables,
            files={TOKEN_FILE: token.encode(), URL_FILE: url.encode()},
            ports=(Port.HTTP,),
        )
        return Workload(
            id=row.id,
            owner=row.owner,
            kind=row.kind,
            name=row.name,
            generation=row.generation,
            image=spec.environment.image,
            parts=(lab,),
            pool=placement.pool,
            zone=placement.zone,
            volumes=(Mount(volume=row.volume),) if row.volume else (),
            routes=(Route(name="", part=LAB),),
        )

    def _cluster(self, row: WorkloadRow, spec: ClusterSpec) -> Workload:
        size = self._catalog.find(spec.environment.size)
        placement = self._catalog.place(size, max(1, spec.workers))
        with self._store.read() as tx:
            files = clusters.node_files(self._vault.of(tx, row.id))
        scheduler = Part(
            name=SCHEDULER,
            program=Program.DASK_SCHEDULER,
            memory_bytes=min(SCHEDULER_MEMORY_BYTES, max(size.memory_bytes, SCHEDULER_MEMORY_BYTES // 4)),
            cpu_millis=1000,
            variables=spec.environment.variables,
            files=files,
            ports=(Port.HTTP, Port.DASK),
        )
        worker = Part(
            name=WORKER,
            program=Program.DASK_WORKER,
            memory_bytes=size.memory_bytes,
            cpu_millis=size.cpu_millis,
            gpus=size.gpus,
            count=spec.workers,
            variables=spec.environment.variables,
            files=files,
        )
        return Workload(
            id=row.id,
            owner=row.owner,
            kind=row.kind,
            name=row.name,
            generation=row.generation,
            image=spec.environment.image,
            parts=(scheduler, worker),
            pool=placement.pool,
            zone=placement.zone,
            routes=(Route(name="", part=SCHEDULER),),
        )


def internal_url(settings: Settings) -> str:
    """Where programs on this machine reach the platform."""
    return settings.origin if settings.secure else f"http://127.0.0.1:{settings.port}"


def rotated_files(store: Store, settings: Settings, row: WorkloadRow, now_us: int) -> Mapping[str, bytes]:
    """Fresh secret files for a running workspace."""
    token = tokens.issue_workload_token(store, row.id, row.owner, now_us=now_us)
    return {TOKEN_FILE: token.encode(), URL_FILE: internal_url(settings).encode()}

"""`RoostCluster`: a Dask cluster on the platform, from a notebook, with nothing to configure.

It is a `distributed.deploy.Cluster`. It works inside workspaces only, where the scheduler can be reached;
elsewhere it refuses and says what to do.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import secrets
import warnings
import weakref
from collections.abc import Generator, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Self

from distributed.core import Status, rpc
from distributed.deploy import Cluster
from distributed.security import Security

from roost.client.adaptive import NumberedAdaptive
from roost.client.platform import Roost
from roost.client.values import Credentials, Workload
from roost.client.versions import advice, differences
from roost.model.errors import InvalidInput, NotFound, Refused, RoostError, Unavailable
from roost.model.specs import MAX_WORKERS

START_TIMEOUT_S = 120.0
_CREDENTIALS_POLL_S = 5.0
_EXIT_TIMEOUT_S = 5.0


class RoostCluster(Cluster):  # type: ignore[misc]
    """A Dask cluster of `workers` workers of one size, ended with this object unless `shutdown_on_close` is off.

    `adaptive=(minimum, maximum)` scales with the work. `attach` joins the cluster of that name instead of
    creating one (see `from_name`). `url`, `token` and `environment` are for programs that are not notebooks.

    Example: `client = RoostCluster(workers=2).get_client()`
    """

    _open: ClassVar[weakref.WeakSet[RoostCluster]] = weakref.WeakSet()
    status: Status

    def __init__(
        self,
        workers: int = 2,
        *,
        size: str | None = None,
        name: str | None = None,
        image: str | None = None,
        variables: Mapping[str, str] | None = None,
        adaptive: tuple[int, int] | None = None,
        idle_timeout_s: int | None = None,
        asynchronous: bool = False,
        loop: Any = None,
        shutdown_on_close: bool = True,
        check_versions: bool = True,
        attach: bool = False,
        timeout_s: float = START_TIMEOUT_S,
        url: str = "",
        token: str = "",
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        _refuse_outside(environment)
        self._wanted = checked_workers(workers)
        self._bounds = adaptive and (checked_workers(adaptive[0], "adaptive"), checked_workers(adaptive[1], "adaptive"))
        self._spec: dict[str, Any] = {
            "size": size or "",
            "image": image or "",
            "variables": variables,
            "idle_timeout_s": idle_timeout_s,
        }
        self.shutdown_on_close = shutdown_on_close
        self.security = Security()
        self._check_versions = check_versions
        self._attach = attach
        self._timeout_s = timeout_s
        self._remote: Workload | None = None
        self._dashboard_url = ""
        self._roost = Roost(url, token, environment=environment)
        super().__init__(asynchronous=asynchronous, loop=loop, name=name or f"dask-{secrets.token_hex(3)}", quiet=True)
        if not self.called_from_running_loop:
            self._loop_runner.start()
            try:
                self.sync(self._start)
            except BaseException:
                self._loop_runner.stop()
                raise

    @classmethod
    def from_name(cls, name: str, *, shutdown_on_close: bool = False, **options: Any) -> Self:
        """Join a running cluster; it stays when this object closes."""
        return cls(name=name, attach=True, shutdown_on_close=shutdown_on_close, **options)

    @property
    def id(self) -> str:
        """The id of the cluster on the platform; "" before it is created."""
        return self._remote.id if self._remote else ""

    @property
    def dashboard_link(self) -> str:
        """Dask's dashboard, behind the platform's login."""
        return self._dashboard_url

    @property
    def plan(self) -> set[int]:
        """Numbers of the workers there should be."""
        return set(range(self._wanted))

    @property
    def requested(self) -> set[int]:
        """Numbers of the workers asked for."""
        return self.plan

    @property
    def worker_spec(self) -> Mapping[int, Mapping[str, Any]]:
        """What the widget counts as requested."""
        return {index: {} for index in self.plan}

    def scale(self, n: int) -> Any:
        """Have n workers. Results on workers that go are moved to others first."""
        return self.sync(self.scale_to, n)

    def adapt(self, Adaptive: Any = NumberedAdaptive, **options: Any) -> Any:
        """Scale with the work between `minimum` and `maximum` workers."""
        for bound in ("minimum", "maximum"):
            if isinstance(options.get(bound), int):
                checked_workers(options[bound], bound)
        return super().adapt(Adaptive, **options)

    def close(self, timeout: float | None = None) -> Any:
        """Leave the cluster, and end it unless `shutdown_on_close` is off. Closing twice is harmless."""
        left = super().close(timeout)
        if not self.asynchronous:
            self._loop_runner.stop()
        return left

    async def scale_to(self, n: int) -> None:
        """Have n workers."""
        wanted = checked_workers(n)
        async with self._scaling:
            going = list(range(wanted, max(self._wanted, wanted)))
            if going and wanted:
                # Only moves results away: workers that ended now would be replaced until the count is lower.
                await self.scheduler_comm.retire_workers(names=going, close_workers=False, remove=False)
            try:
                await asyncio.to_thread(self._roost.clusters.scale, self.id, wanted)
            except RoostError:
                if going and wanted:  # they take no more work: have them replaced
                    await self.scheduler_comm.retire_workers(names=going, close_workers=True, remove=True)
                raise
            self._wanted = wanted

    async def _start(self) -> None:
        if self.status is not Status.created:
            return
        self.status = Status.starting
        self._scaling = asyncio.Lock()
        try:
            credentials = await asyncio.to_thread(self._join if self._attach else self._create)
            self.security = security_from(credentials)
            arguments = self.security.get_connection_args("client")
            self.scheduler_comm = rpc(credentials.scheduler_address, connection_args=arguments)
            await super()._start()
        except BaseException:
            await self._close()
            raise
        self._open.add(self)
        if self._bounds:
            self.adapt(minimum=self._bounds[0], maximum=self._bounds[1])

    def _create(self) -> Credentials:
        self._remote = self._roost.clusters.create(self.name, workers=self._wanted, **self._spec)
        return self._credentials()

    def _join(self) -> Credentials:
        self._remote = self._roost.clusters.get(self.name)
        if self._remote.wanted != "running":
            raise Refused(
                f"Cluster {self.name} is {self._remote.phase}.",
                subject=self.name,
                hint=f"Start it with `roost cluster start {self.name}`.",
            )
        self._wanted = self._remote.workers
        return self._credentials()

    def _credentials(self) -> Credentials:
        """Wait for the scheduler; its certificate and address come in one answer."""
        assert self._remote is not None
        waited_s = 0.0
        while True:
            found = self._roost.clusters.credentials(self.id, timeout_s=_CREDENTIALS_POLL_S)
            if found.scheduler_address:
                break
            waited_s += _CREDENTIALS_POLL_S
            self._remote = self._roost.clusters.get(self.id)
            if self._remote.phase in ("failed", "stopped"):
                raise RoostError(f"Cluster {self.name} {self._remote.phase}: {self._remote.reason}", subject=self.name)
            if waited_s >= self._timeout_s:
                raise Unavailable(f"Cluster {self.name} is still starting: {self._remote.reason}", subject=self.name)
        self._dashboard_url = found.dashboard_url or self._remote.dashboard_url
        if self._check_versions:
            check_versions(found)
        return found

    async def _close(self) -> None:
        if self.status is Status.closed:
            return
        try:
            await super()._close()
        finally:
            self.status = Status.closed
            self._open.discard(self)
            await asyncio.to_thread(self._leave)

    def _leave(self) -> None:
        """End the cluster on the platform where it is ours to end."""
        remote, self._remote = self._remote, None
        try:
            if remote is not None and self.shutdown_on_close:
                with suppress(NotFound):
                    self._roost.clusters.delete(remote.id)
        finally:
            self._roost.close()

    def __await__(self) -> Generator[Any, Any, Self]:
        async def started() -> Self:
            await self._start()
            return self

        return started().__await__()


def checked_workers(n: Any, field: str = "workers") -> int:
    """A number of workers, or an error that says what is valid."""
    if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MAX_WORKERS:
        raise InvalidInput(f"{field} is {n!r}.", field=field, hint=f"Use a whole number from 0 to {MAX_WORKERS}.")
    return n


def security_from(credentials: Credentials) -> Security:
    """Mutual TLS for Dask; the key stays in memory (Dask writes it to a private file while it loads it)."""
    return Security(
        require_encryption=True,
        tls_ca_file=credentials.ca,
        tls_client_cert=credentials.certificate,
        tls_client_key=credentials.key,
    )


def check_versions(credentials: Credentials) -> None:
    """Refuse a cluster that cannot read what we send; warn where it probably can."""
    found = list(differences(credentials.python, credentials.packages))
    if not found:
        return
    message, hint = advice(found)
    if any(difference.fatal for difference in found):
        raise Refused(message, hint=hint)
    warnings.warn(f"{message} {hint}", stacklevel=2)


def _refuse_outside(environment: Mapping[str, str]) -> None:
    if not environment.get("ROOST_WORKLOAD"):
        raise Refused(
            "RoostCluster works inside a workspace: Dask's scheduler cannot be reached from here.",
            hint="Open a workspace and run this there, or use `roost workspace exec NAME -- python script.py`.",
        )


@atexit.register
def _close_all() -> None:
    """End what is still open. Threads can no longer be started now, so ask the platform from this one."""
    for cluster in list(RoostCluster._open):
        with suppress(Exception):
            cluster._leave()
        with suppress(Exception):
            cluster.close(timeout=_EXIT_TIMEOUT_S)

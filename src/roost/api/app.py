"""The control plane's web application, wired explicitly: store, runtime and settings in, app out."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from fastapi import Depends, FastAPI

from roost import __version__
from roost.api.authentication import authorise, json_only
from roost.api.headers import SecurityHeaders
from roost.api.limits import Limits
from roost.api.problems import add_problem_handlers
from roost.api.routes import inside, people, platform, streams, workloads
from roost.control.platform import Platform, now_us
from roost.model.workload import Kind
from roost.runtimes.base import Builder, Disks, Runtime
from roost.services.machine import Machine
from roost.settings import Settings
from roost.store.database import Store
from roost.web.pages import add_pages


def create_app(
    settings: Settings,
    store: Store,
    runtime: Runtime,
    *,
    disks: Disks | None = None,
    builder: Builder | None = None,
    machine: Machine | None = None,
    clock: Callable[[], int] = now_us,
) -> FastAPI:
    """Make the app; its lifespan starts and stops the loops of the control plane."""
    control = Platform(settings, store, runtime, disks=disks, builder=builder, machine=machine, clock=clock)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await control.start()
        try:
            yield
        finally:
            await control.stop()
            store.close()

    app = FastAPI(
        title="Roost",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        dependencies=[Depends(authorise)],
    )
    app.state.platform = control
    app.add_middleware(Limits)
    app.add_middleware(SecurityHeaders, secure=settings.secure)
    add_problem_handlers(app)
    guarded = [Depends(json_only)]
    for kind in (Kind.WORKSPACE, Kind.CLUSTER):
        app.include_router(workloads.router(kind), dependencies=guarded)
        app.include_router(inside.router(kind), dependencies=guarded)
    for module in (people, platform, streams):
        app.include_router(module.routes, dependencies=guarded)
    add_pages(app)
    return app

"""What the buttons of workloads do without scripts: plain forms that lead back to where the result is seen.

With scripts the same buttons use the API; the rules and the functions behind both are the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from roost.api import intent
from roost.api.authentication import by_of, platform_of
from roost.api.problems import status_of
from roost.api.routes.workloads import found
from roost.model.errors import RoostError
from roost.model.workload import Kind
from roost.services import workloads
from roost.store.rows import WorkloadRow
from roost.web.respond import back, form_of, problem_of
from roost.web.routes.detail import workload_page
from roost.web.routes.listing import whole

KEEP_HOURS = 2
Form = Mapping[str, str]
Action = Callable[[Request, WorkloadRow, Form], Awaitable[Any]]


def router(kind: Kind) -> APIRouter:
    """The routes of one kind."""
    routes = APIRouter(prefix=f"/{kind.value}s/{{id}}")
    for name, (action, done, tab) in _ACTIONS.items():
        if name in _ONLY.get(kind, _ACTIONS):
            routes.add_api_route(f"/{name}", _endpoint(kind, action, done, tab), methods=["POST"])
    return routes


def _endpoint(kind: Kind, action: Action, done: str, tab: str) -> Callable[..., Any]:
    async def endpoint(request: Request, id: str) -> Response:
        form = await form_of(request)
        row = await found(request, kind, id)
        try:
            await action(request, row, form)
        except RoostError as error:
            return await workload_page(
                request, row, tab, problem=problem_of(error), values=dict(form), status=status_of(error)
            )
        path = f"/{kind.value}s"
        if done == "deleted":
            return back(path, done)
        if form.get("open") == "1":
            return back(f"{path}/{row.id}", open="1")
        return back(f"{path}/{row.id}", done, **({"tab": tab} if tab != "overview" else {}))

    return endpoint


def _plain(do: Callable[..., Any]) -> Action:
    """The action of a service that needs to know nothing but who and which."""

    async def action(request: Request, row: WorkloadRow, _form: Form) -> None:
        store = platform_of(request).store
        await store.run(do, store, by_of(request), row.id)

    return action


async def _delete(request: Request, row: WorkloadRow, _form: Form) -> None:
    platform = platform_of(request)
    await platform.store.run(
        workloads.delete, platform.store, by_of(request), row.id, keep_s=platform.settings.keep_deleted_s
    )


async def _extend(request: Request, row: WorkloadRow, _form: Form) -> None:
    store = platform_of(request).store
    await store.run(workloads.extend, store, by_of(request), row.id, KEEP_HOURS)


async def _rename(request: Request, row: WorkloadRow, form: Form) -> None:
    store = platform_of(request).store
    await store.run(workloads.rename, store, by_of(request), row.id, form.get("name", ""))


async def _resize(request: Request, row: WorkloadRow, form: Form) -> None:
    await intent.respecify(platform_of(request), by_of(request), row, {"size": form.get("size", "")})


async def _idle(request: Request, row: WorkloadRow, form: Form) -> None:
    seconds = whole(form, "idle", "idle_timeout_s") if form.get("idle") else None
    await intent.respecify(platform_of(request), by_of(request), row, {"idle_timeout_s": seconds})


async def _safe_mode(request: Request, row: WorkloadRow, form: Form) -> None:
    store = platform_of(request).store
    await store.run(workloads.start, store, by_of(request), row.id, safe_mode=form.get("safe_mode") == "1")


async def _scale(request: Request, row: WorkloadRow, form: Form) -> None:
    await intent.scale(platform_of(request), by_of(request), row, whole(form, "workers"))


#: Last word of the address -> what it does, the notice after it, and the tab that has its form.
_ACTIONS: Mapping[str, tuple[Action, str, str]] = {
    "start": (_plain(workloads.start), "started", "overview"),
    "stop": (_plain(workloads.stop), "stopped", "overview"),
    "restart": (_plain(workloads.restart), "restarted", "overview"),
    "delete": (_delete, "deleted", "settings"),
    "restore": (_plain(workloads.restore), "restored", "overview"),
    "extend": (_extend, "extended", "overview"),
    "rename": (_rename, "renamed", "settings"),
    "resize": (_resize, "changed", "settings"),
    "idle": (_idle, "changed", "settings"),
    "safe-mode": (_safe_mode, "started", "overview"),
    "scale": (_scale, "scaled", "overview"),
}
_ONLY: Mapping[Kind, frozenset[str]] = {
    Kind.WORKSPACE: frozenset(_ACTIONS) - {"scale"},
    Kind.CLUSTER: frozenset(_ACTIONS) - {"safe-mode"},
}

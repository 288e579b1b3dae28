"""Workspaces and Dask clusters: the same routes for both, and what only clusters have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from roost.api import intent
from roost.api.answers import Json
from roost.api.authentication import by_of, caller_of, check_owner, owner_filter, platform_of
from roost.api.bodies import body_of, flag, number, retry_of, text, truth, whole
from roost.api.shown import shown, transition_json, usage_row, workload_json
from roost.control.platform import Platform
from roost.model.errors import Conflict, InvalidInput, NotFound
from roost.model.lifecycle import Phase
from roost.model.names import printable
from roost.model.specs import parse_spec
from roost.model.workload import Kind, Port
from roost.services import clusters, workloads
from roost.store import usage
from roost.store import workloads as table
from roost.store.paging import DEFAULT_LIMIT
from roost.store.rows import WorkloadRow

LONGEST_WAIT_S = 60
_PLURAL = {Kind.WORKSPACE: "workspaces", Kind.CLUSTER: "clusters"}
_PATCHED = ("name", "size", "idle_timeout_s", "safe_mode")
_END = (Phase.FAILED, Phase.STOPPED)


def router(kind: Kind) -> APIRouter:
    """The routes of one kind."""
    routes = APIRouter(prefix=f"/api/v1/{_PLURAL[kind]}", tags=[_PLURAL[kind]])

    def acting(action: Callable[[Request, Platform, WorkloadRow], Awaitable[WorkloadRow]]) -> Callable[..., Any]:
        async def endpoint(request: Request, id: str) -> Response:
            platform = platform_of(request)
            row = await action(request, platform, await found(request, kind, id))
            return Json(await workload_json(platform, row))

        return endpoint

    async def list_them(request: Request) -> Response:
        return await _list(request, kind)

    async def create(request: Request) -> Response:
        return await _create(request, kind)

    async def get(request: Request, id: str) -> Response:
        return await _get(request, kind, id)

    routes.add_api_route("", list_them, methods=["GET"])
    routes.add_api_route("", create, methods=["POST"], status_code=201)
    routes.add_api_route("/{id}", get, methods=["GET"])
    for path, action, method in (
        ("/{id}", _patch, "PATCH"),
        ("/{id}", _delete, "DELETE"),
        ("/{id}/start", _start, "POST"),
        ("/{id}/stop", _stop, "POST"),
        ("/{id}/restart", _restart, "POST"),
        ("/{id}/restore", _restore, "POST"),
        ("/{id}/extend", _extend, "POST"),
    ):
        routes.add_api_route(path, acting(action), methods=[method])

    async def events(request: Request, id: str) -> Response:
        return await _events(request, await found(request, kind, id))

    async def samples(request: Request, id: str) -> Response:
        return await _usage(request, await found(request, kind, id))

    routes.add_api_route("/{id}/events", events, methods=["GET"])
    routes.add_api_route("/{id}/usage", samples, methods=["GET"])
    if kind is Kind.CLUSTER:
        routes.add_api_route("/{id}/scale", acting(_scale), methods=["POST"])
        routes.add_api_route("/{id}/credentials", _credentials, methods=["GET"])
    return routes


async def found(request: Request, kind: Kind, reference: str) -> WorkloadRow:
    """The workload of an id or of one's own name for it; somebody else's is as if it did not exist."""
    platform = platform_of(request)
    owner = caller_of(request).person
    row = await platform.store.run(workloads.find, platform.store, owner, kind, reference)
    check_owner(request, row.owner, kind.value, reference)
    return row


async def _list(request: Request, kind: Kind) -> Response:
    platform = platform_of(request)
    owner = owner_filter(request, request.query_params.get("owner"))
    name = request.query_params.get("name")
    if name:
        items = await platform.store.run(_named, platform, owner or caller_of(request).person, kind, name)
        cursor = None
    else:
        page = await platform.store.run(
            workloads.page,
            platform.store,
            kind,
            owner=owner,
            contains=request.query_params.get("q", ""),
            deleted=truth(request, "deleted"),
            limit=whole(request, "limit", DEFAULT_LIMIT, least=1, most=200),
            after=request.query_params.get("after") or None,
        )
        items, cursor = list(page.items), page.next
    names = {person: await platform.name_of(person) for person in {row.owner for row in items}}
    return Json({"items": [shown(platform, row, names[row.owner]) for row in items], "next": cursor})


def _named(platform: Platform, owner: str, kind: Kind, name: str) -> list[WorkloadRow]:
    with platform.store.read() as tx:
        row = table.by_name(tx, owner, kind, name)
    return [row] if row is not None else []


async def _create(request: Request, kind: Kind) -> Response:
    platform, by = platform_of(request), by_of(request)
    content = await body_of(request)
    name = text(content, "name")
    given = content.pop("spec", None)
    del content["name"]
    if given is not None and content:
        key = printable(next(iter(content)), 60)
        raise InvalidInput(f'Unknown key "{key}" beside spec.', subject=key, field=key, hint="Put it into spec.")
    spec = parse_spec(given if given is not None else content, kind.value)
    row, new = await intent.make(platform, by, name, spec, await retry_of(request, by.person))
    return Json(await workload_json(platform, row), 201 if new else 200)


async def _get(request: Request, kind: Kind, id: str) -> Response:
    platform = platform_of(request)
    wanted = request.query_params.get("wait")
    if wanted is not None and wanted not in [phase.value for phase in Phase]:
        raise InvalidInput(f"wait is {wanted!r}.", field="wait", hint=f"Valid: {', '.join(Phase)}.")
    timeout = whole(request, "timeout", 30, least=0, most=3600)
    row = await found(request, kind, id)
    if wanted is not None:
        row = await wait_for(platform, row, lambda now: now.phase.value == wanted or now.phase in _END, timeout)
    return Json(await workload_json(platform, row))


async def wait_for(
    platform: Platform, row: WorkloadRow, true: Callable[[WorkloadRow], bool], timeout_s: float
) -> WorkloadRow:
    """The workload as soon as a condition holds, or as it is when time is over or the platform stops."""
    deadline = time.monotonic() + min(timeout_s, LONGEST_WAIT_S)
    with platform.changes.subscribed(id=row.id) as subscriber:
        row = await platform.store.run(_again, platform, row.id)
        while not true(row) and not platform.stopping.is_set() and (left_s := deadline - time.monotonic()) > 0:
            try:
                news = await asyncio.wait_for(subscriber.news.get(), min(left_s, 1.0))
            except TimeoutError:
                row = await platform.store.run(_again, platform, row.id)
                continue
            row = news.row or row
    return row


def _again(platform: Platform, id: str) -> WorkloadRow:
    with platform.store.read() as tx:
        row = table.by_id(tx, id)
    if row is None:
        raise NotFound("It is gone.", subject=id)
    return row


async def _patch(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    content = await body_of(request, allowed=_PATCHED)
    if not content:
        raise InvalidInput("There is nothing to change.", field="body", hint=f"Valid keys: {', '.join(_PATCHED)}.")
    texts = {key: text(content, key) for key in ("name", "size") if key in content}
    spec = {key: value for key, value in content.items() if key != "name"}
    return await intent.respecify(platform, by_of(request), row, spec, name=texts.get("name"))


async def _delete(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    keep_s = platform.settings.keep_deleted_s
    return await platform.store.run(workloads.delete, platform.store, by_of(request), row.id, keep_s=keep_s)


async def _start(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    content = await body_of(request, allowed=("safe_mode",))
    safe = flag(content, "safe_mode")
    return await platform.store.run(workloads.start, platform.store, by_of(request), row.id, safe_mode=safe)


async def _stop(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    await body_of(request, allowed=())
    return await platform.store.run(workloads.stop, platform.store, by_of(request), row.id)


async def _restart(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    await body_of(request, allowed=())
    return await platform.store.run(workloads.restart, platform.store, by_of(request), row.id)


async def _restore(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    await body_of(request, allowed=())
    return await platform.store.run(workloads.restore, platform.store, by_of(request), row.id)


async def _extend(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    content = await body_of(request, allowed=("hours",))
    hours = number(content, "hours")
    return await platform.store.run(workloads.extend, platform.store, by_of(request), row.id, hours)


async def _scale(request: Request, platform: Platform, row: WorkloadRow) -> WorkloadRow:
    content = await body_of(request, allowed=("workers",))
    return await intent.scale(platform, by_of(request), row, number(content, "workers"))


async def _credentials(request: Request, id: str) -> Response:
    """Certificate and address in one answer, waiting for the scheduler to listen."""
    platform = platform_of(request)
    timeout = whole(request, "timeout", 0, least=0, most=3600)
    row = await found(request, Kind.CLUSTER, id)
    if row.deleted_us is not None:
        raise Conflict(f"{row.name} is deleted.", subject=row.name, code="deleted", hint="Make a new cluster.")
    content = await platform.store.run(clusters.credentials, platform.store, platform.vault, row)
    row = await wait_for(platform, row, lambda now: bool(_scheduler(now)) or now.phase in _END, timeout)
    versions = await platform.builder.versions(str(row.spec["environment"]["image"])) if platform.builder else {}
    told = await workload_json(platform, row)
    return Json(
        {
            **content,
            "scheduler_address": told["scheduler_address"] if row.phase is not Phase.STOPPED else None,
            "dashboard_url": told["dashboard_url"],
            "versions": versions,
        }
    )


def _scheduler(row: WorkloadRow) -> str:
    return str((row.observed or {}).get("addresses", {}).get(Port.DASK.value, ""))


async def _events(request: Request, row: WorkloadRow) -> Response:
    platform = platform_of(request)

    def read() -> Any:
        with platform.store.read() as tx:
            return table.history(tx, row.id)

    happened = await platform.store.run(read)
    names = {actor: await platform.name_of(actor) for actor in {t.actor for t in happened if t.actor}}
    return Json({"items": [transition_json(t, names.get(t.actor, "")) for t in happened]})


async def _usage(request: Request, row: WorkloadRow) -> Response:
    """The last hour, and the last minutes finer."""
    platform = platform_of(request)
    since_us = whole(request, "since", 0, least=0, most=1 << 62)

    def read() -> Any:
        with platform.store.read() as tx:
            return usage.of(tx, row.id, since_us=since_us)

    items = [usage_row(sample) for sample in await platform.store.run(read)]
    recent = [sample.as_json() for sample in platform.live.recent.get(row.id, ()) if sample.at_us > since_us]
    return Json({"items": items, "recent": recent})

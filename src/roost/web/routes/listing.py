"""Lists of workspaces and clusters, and the panel that makes a new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from roost.api import intent
from roost.api.authentication import by_of, caller_of, owner_filter, platform_of
from roost.api.problems import status_of
from roost.control.platform import Platform
from roost.model.errors import InvalidInput, RoostError
from roost.model.lifecycle import Phase
from roost.model.specs import Spec, parse_spec
from roost.model.workload import Kind
from roost.services import volumes, workloads
from roost.store import workloads as table
from roost.store.paging import Page
from roost.store.rows import VolumeRow, WorkloadRow, moment
from roost.web.choices import arranged, free_name, idle_choices
from roost.web.gather import max_workers, size_options, workload_views
from roost.web.render import render
from roost.web.respond import back, form_of, frame_of, page, part_of, problem_of
from roost.web.views import CreateView, ListView, Problem, VolumeView

PAGE_ROWS = 200
_SHOWN_PHASES: Mapping[str, tuple[Phase, ...]] = {
    "running": (Phase.RUNNING, Phase.STARTING),
    "stopped": (Phase.STOPPED, Phase.STOPPING),
    "failed": (Phase.FAILED,),
}


def router(kind: Kind) -> APIRouter:
    """The routes of one kind."""
    routes = APIRouter(prefix=f"/{kind.value}s")

    async def show_list(request: Request) -> Response:
        return await _list(request, kind)

    async def show_new(request: Request) -> Response:
        return await _create_page(request, kind, await _fresh(request, kind))

    async def create(request: Request) -> Response:
        return await _create(request, kind)

    routes.add_api_route("", show_list, methods=["GET"])
    routes.add_api_route("", create, methods=["POST"])
    routes.add_api_route("/new", show_new, methods=["GET"])
    return routes


async def _list(request: Request, kind: Kind) -> Response:
    platform, caller = platform_of(request), caller_of(request)
    asked = request.query_params
    query, phase, owner = asked.get("q", ""), asked.get("phase", ""), asked.get("owner", "")
    found, total = await platform.store.run(
        _rows, platform, kind, owner_filter(request, owner), query, asked.get("after")
    )
    rows = [row for row in found.items if row.phase in _SHOWN_PHASES.get(phase, tuple(Phase))]
    items = arranged(await workload_views(platform, caller, rows), asked.get("sort", ""))
    listing = ListView(
        kind=kind,
        items=items,
        query=query,
        sort=asked.get("sort") or "-created",
        owner=owner,
        phase=phase if phase in _SHOWN_PHASES else "",
        total=total,
        older=found.next,
    )

    def address(**changes: str) -> str:
        kept = {name: asked.get(name, "") for name in ("q", "sort", "phase", "owner")}
        query = urlencode({name: value for name, value in {**kept, **changes}.items() if value})
        return f"/{kind.value}s{'?' + query if query else ''}"

    title = f"{kind.value.capitalize()}s"
    return await page(request, "list.html", title, f"{kind.value}s", listing=listing, address=address, free=True)


def _rows(
    platform: Platform, kind: Kind, owner: str | None, query: str, after: str | None
) -> tuple[Page[WorkloadRow], int]:
    with platform.store.read() as tx:
        found = table.page(tx, kind, owner=owner, contains=query, limit=PAGE_ROWS, after=after)
        return found, table.count(tx, owner=owner, kind=kind)


async def _create(request: Request, kind: Kind) -> Response:
    """Make it and go to where it starts; after an error the panel keeps what was typed."""
    platform, form = platform_of(request), await form_of(request)
    try:
        row, _ = await intent.make(platform, by_of(request), form.get("name", ""), _spec(form, kind))
    except RoostError as error:
        view = await _typed(request, kind, form, problem_of(error))
        return await _create_page(request, kind, view, status=status_of(error))
    path = f"/{kind.value}s/{row.id}{'?open=1' if kind is Kind.WORKSPACE else ''}"
    if part_of(request) == "panel":
        return JSONResponse({"id": row.id, "name": row.name, "path": path}, 201)
    return back(path.partition("?")[0], **({"open": "1"} if kind is Kind.WORKSPACE else {}))


def _spec(form: Mapping[str, str], kind: Kind) -> Spec:
    content: dict[str, Any] = {"size": form.get("size", ""), "variables": parse_variables(form.get("variables", ""))}
    if form.get("idle"):
        content["idle_timeout_s"] = whole(form, "idle", "idle_timeout_s")
    if kind is Kind.CLUSTER:
        content["workers"] = whole(form, "workers")
    elif form.get("volume"):
        content["volume"] = form["volume"]
    return parse_spec(content, kind.value)


def whole(form: Mapping[str, str], name: str, field: str = "") -> int:
    """A whole number of a form."""
    text = form.get(name, "").strip()
    if not text.removeprefix("-").isdecimal() or len(text) > 12:
        raise InvalidInput(f"{field or name} is {text[:20]!r}.", field=field or name, hint="Use a whole number.")
    return int(text)


def parse_variables(text: str) -> dict[str, str]:
    """NAME=value, one per line; empty lines are skipped.

    >>> parse_variables("A=1\\n\\nB=x=y")
    {'A': '1', 'B': 'x=y'}
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), 1):
        name, equals, value = line.partition("=")
        if not line.strip():
            continue
        if not equals:
            raise InvalidInput(f"Line {number} is {line[:40]!r}.", field="variables", hint="Write NAME=value.")
        if name.strip() in found:
            raise InvalidInput(f"{name.strip()[:40]} is there twice.", field="variables", hint="Remove one of them.")
        found[name.strip()] = value
    return found


async def _create_page(request: Request, kind: Kind, view: CreateView, *, status: int = 200) -> Response:
    values = {"create": view, "idle_choices": idle_choices}
    if part_of(request) == "panel":
        here = await frame_of(request, f"{kind.value}s")
        return HTMLResponse(render("create_panel.html", here, values), status)
    return await page(request, "create.html", f"New {kind.value}", f"{kind.value}s", status=status, **values)


async def _fresh(request: Request, kind: Kind) -> CreateView:
    asked = request.query_params
    return await _view(request, kind, asked.get("name", ""), _chosen(platform_of(request), asked.get("size", "")))


def _chosen(platform: Platform, asked: str) -> str:
    fitting = [local.size for local in platform.catalog.sizes if local.fits]
    if asked == "largest":
        return max(fitting, key=lambda size: (size.memory_bytes, size.cpu_millis)).name
    return asked if asked in {size.name for size in fitting} else platform.catalog.default.name


async def _typed(request: Request, kind: Kind, form: Mapping[str, str], problem: Problem) -> CreateView:
    workers = form.get("workers", "")
    return await _view(
        request,
        kind,
        form.get("name", ""),
        form.get("size", ""),
        typed=True,
        workers=int(workers) if workers.isdecimal() and len(workers) < 9 else 2,
        idle=form.get("idle", ""),
        variables=form.get("variables", ""),
        volume=form.get("volume", ""),
        problem=problem,
    )


async def _view(
    request: Request, kind: Kind, name: str, chosen: str, *, typed: bool = False, **values: Any
) -> CreateView:
    platform, caller = platform_of(request), caller_of(request)
    taken = await platform.store.run(workloads.page, platform.store, kind, owner=caller.person, limit=PAGE_ROWS)
    if not typed:
        names = [row.name for row in taken.items]
        name = name if name and name not in names else free_name(kind, names)
    idle_s = platform.settings.cluster_idle_s if kind is Kind.CLUSTER else platform.settings.workspace_idle_s
    unused = await _unused_volumes(platform, caller.person) if kind is Kind.WORKSPACE else []
    return CreateView(
        kind=kind,
        name=name,
        sizes=size_options(platform),
        chosen=chosen,
        max_workers=max_workers(platform),
        default_idle_s=idle_s,
        volumes=unused,
        **values,
    )


async def _unused_volumes(platform: Platform, person: str) -> list[VolumeView]:
    """Homes that a new workspace may take over."""
    found = await platform.store.run(volumes.list_volumes, platform.store, person)
    return [_volume(row) for row, user in found if user is None and row.deleted_us is None]


def _volume(row: VolumeRow) -> VolumeView:
    return VolumeView(id=row.id, name=row.name, owner_name="", mine=True, created_at=moment(row.created_us))

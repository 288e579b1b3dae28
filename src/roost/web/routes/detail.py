"""The page of one workspace or cluster: its tabs, the page while it starts, its charts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from roost.api.authentication import caller_of, platform_of
from roost.api.routes.workloads import found
from roost.control.platform import Platform
from roost.model import billing
from roost.model.errors import NotFound
from roost.model.lifecycle import Phase
from roost.model.units import format_duration
from roost.model.workload import Kind
from roost.services.workloads import part_counts
from roost.store import billing as billing_table
from roost.store import usage, volumes
from roost.store import workloads as table
from roost.store.rows import BillingRow, TransitionRow, UsageRow, VolumeRow, WorkloadRow, moment
from roost.web import charts, history
from roost.web.choices import idle_choices, phase_boxes
from roost.web.gather import max_workers, size_options, size_view, workload_view
from roost.web.render import render
from roost.web.respond import frame_of, page
from roost.web.views import Problem, WorkloadPage, WorkloadView

TABS = (
    ("overview", "Overview"),
    ("logs", "Logs"),
    ("events", "Events"),
    ("access", "Access"),
    ("settings", "Settings"),
)
CHART_SPAN, SHORTEST_CHART = timedelta(minutes=10), timedelta(minutes=1)
LOG_SHOWN_BYTES = 200_000


def router(kind: Kind) -> APIRouter:
    """The routes of one kind."""
    routes = APIRouter(prefix=f"/{kind.value}s")

    def of(show: Callable[[Request, WorkloadRow], Coroutine[Any, Any, Response]]) -> Callable[..., Any]:
        async def endpoint(request: Request, id: str) -> Response:
            return await show(request, await found(request, kind, id))

        return endpoint

    routes.add_api_route("/{id}", of(_show), methods=["GET"])
    routes.add_api_route("/{id}/charts", of(_charts), methods=["GET"])
    return routes


async def _show(request: Request, row: WorkloadRow) -> Response:
    if row.deleted_us is not None:
        raise NotFound(
            f"{row.name} is in the bin.",
            subject=row.name,
            hint="It can be restored on the Volumes page."
            if row.kind is Kind.WORKSPACE
            else f"Bring it back with: roost cluster restore {row.id}",
            code="deleted",
        )
    if row.kind is Kind.WORKSPACE and ("open" in request.query_params or "action" in request.query_params):
        return await starting(request, row)
    return await workload_page(request, row, request.query_params.get("tab", "overview"))


async def starting(request: Request, row: WorkloadRow) -> Response:
    """The page somebody waits on; it opens by itself. Whoever wants a stopped one to start is asked once more."""
    platform = platform_of(request)
    item = await _view_of(request, row)
    if row.phase is Phase.RUNNING:
        return RedirectResponse(item.url, 303)
    frame = await frame_of(request, "")
    view = WorkloadPage(workload=item, tab="", steps=history.steps(item, moment(platform.now_us())))
    values = {"title": item.name, "modules": [], "page": view}
    return HTMLResponse(render("starting.html", frame, values))


async def workload_page(
    request: Request,
    row: WorkloadRow,
    tab: str,
    *,
    problem: Problem | None = None,
    values: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page with one of its tabs; `problem` and `values` keep a form after an error."""
    platform = platform_of(request)
    item = await _view_of(request, row)
    known = dict(TABS)
    gathered = await _gathered(request, platform, row, item, tab if tab in known else "overview")
    view = WorkloadPage(**gathered, problem=problem, values=values or {})
    shown = await platform.store.run(_charts_of, platform, row) if view.tab == "overview" else []
    return await page(
        request,
        "workload.html",
        item.name,
        f"{row.kind.value}s",
        status=status,
        page=view,
        tabs=TABS,
        charts=shown,
        phase_boxes=phase_boxes(view.spans),
        idle_choices=idle_choices,
        keep_words=format_duration(platform.settings.keep_deleted_s),
        port_url=platform.settings.workload_origin(f"p8050-{row.id}") + "/",
        example=_example(item),
    )


async def _view_of(request: Request, row: WorkloadRow) -> WorkloadView:
    platform = platform_of(request)
    return workload_view(platform, caller_of(request), row, await platform.name_of(row.owner))


async def _gathered(
    request: Request, platform: Platform, row: WorkloadRow, item: WorkloadView, tab: str
) -> dict[str, Any]:
    """The fields of the page that its tab shows."""
    now_us = platform.now_us()
    happened, bills, volume = await platform.store.run(_read, platform, row)
    names = {actor: await platform.name_of(actor) for actor in {t.actor for t in happened if t.actor}}
    idle_s = platform.settings.cluster_idle_s if row.kind is Kind.CLUSTER else platform.settings.workspace_idle_s
    ran_us = sum(max(0, (bill.until_us or now_us) - bill.from_us) for bill in bills)
    log, size, part, index = await _log(request, platform, row) if tab == "logs" else ("", 0, "", 0)
    sample = platform.live.used(row.id)
    measured = sample.disk_bytes if sample is not None else None
    return {
        "workload": replace(item, spent_usd=billing.cost(bills, now_us=now_us).usd),
        "tab": tab,
        "spans": history.spans(happened, moment(now_us)),
        "events": history.events(happened, names) if tab == "events" else (),
        "log": log,
        "log_size": size,
        "log_part": part,
        "log_index": index,
        "volume_name": volume.name if volume else "",
        "volume_bytes": measured if measured is not None else volume.used_bytes if volume else None,
        "spent_us": ran_us,
        "sizes": size_options(platform),
        "default_idle_s": idle_s,
        "max_workers": max_workers(platform),
    }


def _read(platform: Platform, row: WorkloadRow) -> tuple[list[TransitionRow], list[BillingRow], VolumeRow | None]:
    with platform.store.read() as tx:
        volume = volumes.by_id(tx, row.volume) if row.volume else None
        return list(table.history(tx, row.id)), billing_table.of(tx, row.id), volume


async def _log(request: Request, platform: Platform, row: WorkloadRow) -> tuple[str, int, str, int]:
    """The end of a log, its size in bytes, and whose it is."""
    parts = part_counts(row)
    asked = request.query_params.get("part", "")
    part = asked if asked in parts else next(iter(parts))
    number = request.query_params.get("index", "0")
    index = int(number) if number.isdecimal() and len(number) < 6 else 0
    end, size = b"", 0
    try:
        async for piece in platform.runtime.logs(row.id, part, index=index):
            size += len(piece)
            end = (end + piece)[-LOG_SHOWN_BYTES:]
    except NotFound:
        return "", 0, part, index
    if size > len(end):
        end = end.partition(b"\n")[2]
    return end.decode(errors="replace"), size, part, index


async def _charts(request: Request, row: WorkloadRow) -> Response:
    """The charts alone, for the script that keeps them up to date."""
    platform = platform_of(request)
    frame = await frame_of(request, "")
    shown = await platform.store.run(_charts_of, platform, row)
    return HTMLResponse(render("charts.html", frame, {"charts": shown}))


def _charts_of(platform: Platform, row: WorkloadRow) -> list[charts.Chart]:
    """Memory, CPU and disk: of the last minutes while it runs, else of the minutes before it ended."""
    with platform.store.read() as tx:
        stored = usage.of(tx, row.id)
    recent = [
        UsageRow(row.id, s.at_us, s.memory_bytes, s.memory_limit_bytes, round(s.cpu_percent * 10), s.disk_bytes)
        for s in tuple(platform.live.recent.get(row.id, ()))
    ]
    first_us = recent[0].at_us if recent else 0
    samples = [*(sample for sample in stored if not recent or sample.at_us < first_us), *recent]
    busy = row.phase in (Phase.RUNNING, Phase.STARTING)
    end = moment(platform.now_us() if busy or not samples else samples[-1].at_us)
    memory = [charts.Point(moment(sample.at_us), float(sample.memory_bytes)) for sample in samples]
    cpu = [charts.Point(moment(sample.at_us), sample.cpu_millis / 10) for sample in samples]
    begun = memory[0].at if memory else end
    start = min(max(begun, end - CHART_SPAN), end - SHORTEST_CHART)  # a young one fills its chart, not a corner of it
    limit_bytes, cores = _limits(platform, row)
    if samples and samples[-1].memory_limit_bytes:
        limit_bytes = samples[-1].memory_limit_bytes
    shown = [charts.memory_chart(memory, limit_bytes, start, end), charts.cpu_chart(cpu, cores, start, end)]
    disk = [charts.Point(moment(s.at_us), float(s.disk_bytes)) for s in samples if s.disk_bytes is not None]
    return [*shown, charts.disk_chart(disk, start, end)] if row.volume else shown


def _limits(platform: Platform, row: WorkloadRow) -> tuple[int, float]:
    """Memory and cores the workload may use in all; cores are at most the machine's."""
    size, _ = size_view(platform, str(row.spec.get("environment", {}).get("size", "")))
    count = max(1, int(row.spec.get("workers", 1))) if row.kind is Kind.CLUSTER else 1
    return size.memory_bytes * count, min(size.cpu_millis / 1000 * count, platform.machine.cores)


def _example(item: WorkloadView) -> str:
    if item.kind is Kind.CLUSTER:
        return f"RoostCluster.from_name({item.name!r}).get_client()"
    return f'curl -H "Authorization: Bearer $ROOST_TOKEN" {item.url}api/status'

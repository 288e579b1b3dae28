"""Home and the machine: what runs, what it costs now, what stops soon; static files."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from roost import __version__
from roost.api.authentication import caller_of, platform_of
from roost.control.platform import Platform
from roost.model.access import Role
from roost.model.errors import NotFound
from roost.model.workload import Kind
from roost.services.machine import read_machine
from roost.store import workloads as table
from roost.store.rows import WorkloadRow, moment
from roost.web.assets import FOR_EVER
from roost.web.choices import TEMPLATES
from roost.web.gather import active, isolation_view, memory_meter, running_line, soon, workload_views
from roost.web.render import assets
from roost.web.respond import page
from roost.web.views import HomeView, MachineView, Meter

routes = APIRouter()
SHOWN = 9
_SOON_S = 30 * 60


@routes.get("/")
async def home(request: Request) -> Response:
    """My workspaces, newest first, and what runs."""
    platform, caller = platform_of(request), caller_of(request)
    workspaces, clusters = await platform.store.run(_mine, platform, caller.person)
    views = await workload_views(platform, caller, workspaces)
    cluster_views = await workload_views(platform, caller, clusters)
    both = [*views, *cluster_views]
    ordered = sorted(views, key=lambda item: not item.busy)  # stable: newest first among each
    view = HomeView(
        workspaces=ordered[:SHOWN],
        clusters=sorted(cluster_views, key=lambda item: not item.busy)[:SHOWN],
        running=running_line(both),
        stopping_soon=soon(both, moment(platform.now_us()), _SOON_S),
        more=max(0, len(views) - SHOWN),
    )
    return await page(request, "home.html", "Home", "home", home=view, templates=TEMPLATES)


@routes.get("/machine")
async def machine(request: Request) -> Response:
    """Memory, CPU, disk, isolation, and who runs what; members see the names of their own only."""
    platform, caller = platform_of(request), caller_of(request)
    rows = await platform.store.run(active, platform)
    samples = [sample for row in rows if (sample := platform.live.used(row.id)) is not None]
    facts = read_machine(platform.settings.home)
    views = await workload_views(platform, caller, rows)
    visible = [item for item in views if item.mine or caller.role is Role.ADMINISTRATOR]
    view = MachineView(
        cores=facts.cores,
        memory=memory_meter(facts),
        disk=Meter(used=facts.disk_total_bytes - facts.disk_free_bytes, total=facts.disk_total_bytes),
        isolation=isolation_view(platform),
        workloads=visible,
        cpu_percent=sum(sample.cpu_percent for sample in samples),
        promised_bytes=sum(item.memory_bytes for item in views),
        room_bytes=platform.catalog.pool.room.memory_bytes,
        version=__version__,
        address=platform.settings.origin,
        others=len(rows) - len(visible),
    )
    return await page(request, "machine.html", "Machine", "machine", view=view)


@routes.get("/static/{path:path}")
async def static(request: Request, path: str) -> Response:
    """A file whose address names its content."""
    asset = assets().find(path)
    if asset is None:
        raise NotFound("There is nothing at this address.", subject=path[:60], hint="Load the page again.")
    headers = {"Cache-Control": FOR_EVER, "Vary": "Accept-Encoding"}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(asset.content, headers=headers, media_type=asset.media_type)
    return Response(asset.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=asset.media_type)


@routes.get("/favicon.ico")
async def favicon() -> Response:
    """Browsers ask for it whatever the page says."""
    return RedirectResponse(assets().url("icon.svg"), 302, headers={"Cache-Control": "max-age=86400"})


def _mine(platform: Platform, person: str) -> tuple[list[WorkloadRow], list[WorkloadRow]]:
    with platform.store.read() as tx:
        pages = [table.page(tx, kind, owner=person, limit=200) for kind in (Kind.WORKSPACE, Kind.CLUSTER)]
    return list(pages[0].items), list(pages[1].items)

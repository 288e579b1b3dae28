"""The files of workspaces: what is kept, what is in the bin, and the one way to destroy something."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from roost.api.authentication import by_of, caller_of, check_owner, owner_filter, platform_of
from roost.api.problems import status_of
from roost.control.platform import Platform
from roost.model.access import Caller
from roost.model.errors import NotFound, RoostError
from roost.model.units import format_duration
from roost.services import volumes
from roost.services import workloads as services
from roost.store import workloads as table
from roost.store.rows import VolumeRow, WorkloadRow, moment
from roost.web.respond import back, form_of, page, problem_of
from roost.web.views import Problem, VolumeView

routes = APIRouter(prefix="/volumes")


@routes.get("")
async def show(request: Request) -> Response:
    """Volumes in use and in the bin."""
    platform, caller = platform_of(request), caller_of(request)
    owner = owner_filter(request, request.query_params.get("owner"))
    found = await platform.store.run(volumes.list_volumes, platform.store, owner)
    views = [await _view(platform, caller, row, user) for row, user in found if row.destroy_wanted_us is None]
    return await page(
        request,
        "volumes.html",
        "Volumes",
        "volumes",
        kept=[view for view in views if view.deleted_at is None],
        deleted=[view for view in views if view.deleted_at is not None],
        keep_words=format_duration(platform.settings.keep_deleted_s),
    )


@routes.post("/{id}/restore")
async def restore(request: Request, id: str) -> Response:
    """Take a volume out of the bin; the workspace that it was the home of comes with it where its name is free."""
    platform = platform_of(request)
    row = await _found(request, id)
    by = by_of(request)
    user = await platform.store.run(_last_user, platform, row)
    if user is not None:
        await platform.store.run(services.restore, platform.store, by, user.id)
        return back(f"/workspaces/{user.id}", "restored")
    await platform.store.run(volumes.restore_volume, platform.store, by, id)
    return back("/volumes", "restored")


@routes.get("/{id}/destroy")
async def ask(request: Request, id: str) -> Response:
    """Ask for the name of the volume."""
    return await _ask(request, await _found(request, id))


@routes.post("/{id}/destroy")
async def destroy(request: Request, id: str) -> Response:
    """Destroy a volume whose name was typed."""
    platform, form = platform_of(request), await form_of(request)
    row = await _found(request, id)
    confirm = form.get("confirm", "")
    try:
        await platform.store.run(volumes.destroy_volume, platform.store, by_of(request), id, confirm=confirm)
    except RoostError as error:
        return await _ask(request, row, confirm, problem_of(error), status_of(error))
    return back("/volumes", "destroyed")


async def _ask(
    request: Request, row: VolumeRow, confirm: str = "", problem: Problem | None = None, status: int = 200
) -> Response:
    platform, caller = platform_of(request), caller_of(request)
    view = await _view(platform, caller, row, None)
    title = f"Destroy {row.name}"
    return await page(
        request, "destroy.html", title, "volumes", status=status, volume=view, confirm=confirm, problem=problem
    )


async def _found(request: Request, id: str) -> VolumeRow:
    platform = platform_of(request)
    row = await platform.store.run(volumes.get_volume, platform.store, id)
    check_owner(request, row.owner, "volume", id)
    if row.destroy_wanted_us is not None:
        raise NotFound(f"The volume {row.name} is being destroyed.", subject=row.name, code="volume-destroyed")
    return row


def _last_user(platform: Platform, row: VolumeRow) -> WorkloadRow | None:
    """The deleted workspace that the volume is the home of, where it can come back under its name."""
    with platform.store.read() as tx:
        user = table.last_of_volume(tx, row.id)
        if user is None or user.deleted_us is None or table.by_name(tx, user.owner, user.kind, user.name) is not None:
            return None
        return user


async def _view(platform: Platform, caller: Caller, row: VolumeRow, user: WorkloadRow | None) -> VolumeView:
    return VolumeView(
        id=row.id,
        name=row.name,
        owner_name=await platform.name_of(row.owner),
        mine=row.owner == caller.person,
        created_at=moment(row.created_us),
        used_bytes=row.used_bytes,
        workload=user.name if user is not None else "",
        workload_path=f"/workspaces/{user.id}" if user is not None else "",
        deleted_at=moment(row.deleted_us) if row.deleted_us is not None else None,
        keep_until=moment(row.keep_until_us) if row.keep_until_us is not None else None,
    )

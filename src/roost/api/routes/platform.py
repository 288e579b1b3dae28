"""The platform beside its workloads: who am I, sizes, the machine, volumes; and what the data plane needs."""

from __future__ import annotations

import re
import sys
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from roost import __version__
from roost.api.answers import Json, time_of
from roost.api.authentication import by_of, caller_of, check_owner, identity_of, owner_filter, platform_of
from roost.api.bodies import body_of, text
from roost.api.shown import volume_json
from roost.control.platform import Platform
from roost.model.access import Caller, Role
from roost.model.errors import NotFound
from roost.model.names import is_id
from roost.model.tickets import issue_code
from roost.runtimes.base import Capability
from roost.services import machine as machines
from roost.services import volumes, workloads
from roost.services.sizes import priced_json
from roost.store import workloads as table
from roost.store.rows import VolumeRow

routes = APIRouter(tags=["platform"])
_LABEL = re.compile(r"(?:p([1-9][0-9]{0,4})-)?([a-z]{2}-[a-z2-7]{26})")


@routes.get("/healthz")
async def healthz() -> Response:
    """The control plane answers."""
    return Json({"status": "ok"})


@routes.get("/api/v1/version")
async def version() -> Response:
    """What the platform runs."""
    return Json({"version": __version__, "api": 1, "python": ".".join(map(str, sys.version_info[:3]))})


@routes.get("/api/v1/me")
async def me(request: Request) -> Response:
    """Who the session or token stands for, and what it may do."""
    caller = caller_of(request)
    return Json(
        {
            "id": caller.person,
            "name": caller.name,
            "role": caller.role.value,
            "scopes": sorted(caller.scopes) if caller.scopes is not None else None,
            "workload": caller.workload or None,
        }
    )


@routes.get("/api/v1/sizes")
async def sizes(request: Request) -> Response:
    """The sizes of this machine, and what their machines would cost on EKS."""
    catalog = platform_of(request).catalog
    return Json({"items": [priced_json(local) for local in catalog.sizes], "default": catalog.default.name})


@routes.get("/api/v1/machine")
async def machine(request: Request) -> Response:
    """What the machine is doing."""
    platform = platform_of(request)
    return Json(await machine_json(platform, caller_of(request)))


async def machine_json(platform: Platform, caller: Caller) -> dict[str, Any]:
    """Memory, CPU, disk, isolation, and who runs what; members see their own only, and how many there are beside."""
    facts = machines.read_machine(platform.settings.home)

    def running() -> list[Any]:
        with platform.store.read() as tx:
            return list(table.wanted_running(tx))

    found = await platform.store.run(running)
    everything = caller.role is Role.ADMINISTRATOR and not caller.workload
    rows = [row for row in found if everything or row.owner == caller.person]
    names = {row.owner: await platform.name_of(row.owner) for row in rows}
    return {
        "cores": facts.cores,
        "memory_bytes": facts.memory_bytes,
        "memory_used_bytes": facts.memory_used_bytes,
        "disk_total_bytes": facts.disk_total_bytes,
        "disk_free_bytes": facts.disk_free_bytes,
        "isolation": isolation_json(platform),
        "workloads": [
            {
                "id": row.id,
                "kind": row.kind.value,
                "name": row.name,
                "owner_name": names[row.owner],
                "phase": row.phase.value,
                "usage": (sample.as_json() if (sample := platform.live.used(row.id)) else None),
            }
            for row in rows
        ],
        "others": len(found) - len(rows),
        "strangers": sorted(platform.live.strangers) if everything else [],
    }


def isolation_json(platform: Platform) -> dict[str, Any]:
    """How people are kept apart."""
    report = getattr(platform.runtime, "isolation", None)
    return {
        "level": report.level if report else "",
        "separates_people": Capability.SEPARATES_PEOPLE in platform.runtime.capabilities,
        "explanation": report.explanation if report else "",
        "remedy": report.remedy if report else "",
        "limits": report.limits if report else "",
    }


@routes.get("/api/v1/volumes")
async def list_volumes(request: Request) -> Response:
    """The caller's volumes, those in the bin included."""
    platform = platform_of(request)
    owner = owner_filter(request, request.query_params.get("owner"))
    found = await platform.store.run(volumes.list_volumes, platform.store, owner)
    items = [volume_json(row, user, await platform.name_of(row.owner)) for row, user in found]
    return Json({"items": items})


@routes.post("/api/v1/volumes/{id}/restore")
async def restore_volume(request: Request, id: str) -> Response:
    """Take a volume out of the bin."""
    platform = platform_of(request)
    await _volume(request, id)
    await body_of(request, allowed=())
    row = await platform.store.run(volumes.restore_volume, platform.store, by_of(request), id)
    return Json(volume_json(row, None, await platform.name_of(row.owner)))


@routes.delete("/api/v1/volumes/{id}")
async def destroy_volume(request: Request, id: str) -> Response:
    """Remove a volume for ever; the body repeats its name."""
    platform = platform_of(request)
    await _volume(request, id)
    content = await body_of(request, allowed=("confirm",))
    confirm = text(content, "confirm")
    row = await platform.store.run(volumes.destroy_volume, platform.store, by_of(request), id, confirm=confirm)
    return Json(volume_json(row, None, await platform.name_of(row.owner)))


async def _volume(request: Request, id: str) -> VolumeRow:
    platform = platform_of(request)
    row = await platform.store.run(volumes.get_volume, platform.store, id)
    check_owner(request, row.owner, "volume", id)
    return row


@routes.post("/internal/activity")
async def activity(request: Request) -> Response:
    """A report of the data plane; nobody else can sign it."""
    platform = platform_of(request)
    platform.activities.take(await body_of(request))
    return Json({"at": time_of(platform.now_us())})


def _workload_of(label: str) -> str:
    """The id in the label of a workload's host, "" where it is no such label: `<id>` or `p<port>-<id>`."""
    match = _LABEL.fullmatch(label)
    return match[2] if match is not None and int(match[1] or 1) <= 65535 else ""


@routes.get("/enter/{host}")
async def enter(request: Request, host: str) -> Response:
    """Take a signed-in browser to a workload of its own, with a code that only that host and browser can use."""
    platform, identity = platform_of(request), identity_of(request)
    id = _workload_of(host)
    if not is_id(id):
        raise NotFound("There is no such workload.", subject=host[:60])
    row = await platform.store.run(workloads.by_id, platform.store, id)
    check_owner(request, row.owner, row.kind.value, id)
    if not identity.session_key:
        return PlainTextResponse("Programs send their token to the workload itself.", 400)
    nonce, target = request.query_params.get("nonce", ""), request.query_params.get("next", "/")
    code = issue_code(
        platform.ticket_key,
        session_key=identity.session_key,
        workload_host=platform.settings.workload_host(host),
        nonce_hash=nonce,
        now_us=platform.now_us(),
    )
    from urllib.parse import urlencode

    query = urlencode({"code": code, "next": target})
    return RedirectResponse(f"{platform.settings.workload_origin(host)}/.roost/enter?{query}", 302)

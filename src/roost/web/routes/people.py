"""Who may use the platform: everybody, their roles, and links that let somebody in. For administrators."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from roost.api.authentication import caller_of, platform_of
from roost.api.problems import status_of
from roost.api.routes.people import refuse_without_separation, role_named
from roost.control.platform import Platform
from roost.model.errors import RoostError
from roost.services import invitations, people
from roost.store.invitations import FOR_ANYBODY
from roost.store.rows import InvitationRow, PersonRow, moment
from roost.web.gather import isolation_view
from roost.web.respond import back, form_of, page, problem_of
from roost.web.views import InvitationView, PeopleView, PersonView

routes = APIRouter(prefix="/people")


@routes.get("")
async def show(request: Request) -> Response:
    """Everybody, and the links that still work."""
    return await _page(request)


@routes.post("/invite")
async def invite(request: Request) -> Response:
    """Make a link and show it this once."""
    platform, form = platform_of(request), await form_of(request)
    hint = form.get("email_hint", "").strip()
    try:
        refuse_without_separation(platform)
        code, _ = await platform.store.run(
            invitations.invite,
            platform.store,
            caller_of(request),
            role=role_named(form.get("role", "member")),
            email_hint=hint,
            now_us=platform.now_us(),
        )
    except RoostError as error:
        return await _page(request, status_of(error), problem=problem_of(error))
    return await _page(request, link=f"{platform.settings.origin}/join/{code}", link_for=hint)


@routes.post("/invitations/{id}/revoke")
async def revoke(request: Request, id: str) -> Response:
    """Take a link back."""
    platform = platform_of(request)
    await platform.store.run(
        invitations.revoke_invitation, platform.store, caller_of(request), id, now_us=platform.now_us()
    )
    return back("/people", "revoked")


@routes.post("/{id}/role")
async def change_role(request: Request, id: str) -> Response:
    """Make somebody administrator or member."""
    platform, form = platform_of(request), await form_of(request)
    return await _changed(request, people.change_role, id, role_named(form.get("role", "")), now_us=platform.now_us())


@routes.post("/{id}/enable")
async def enable(request: Request, id: str) -> Response:
    """Let somebody in again."""
    return await _changed(request, people.set_disabled, id, False, now_us=platform_of(request).now_us())


@routes.post("/{id}/disable")
async def disable(request: Request, id: str) -> Response:
    """Shut somebody out; everything they have open is closed within seconds."""
    return await _changed(request, people.set_disabled, id, True, now_us=platform_of(request).now_us())


@routes.post("/{id}/password-link")
async def password_link(request: Request, id: str) -> Response:
    """Make a link by which somebody sets a new password, and show it this once."""
    platform = platform_of(request)
    person = await platform.store.run(people.get_person, platform.store, id)
    code, _ = await platform.store.run(
        invitations.password_link, platform.store, caller_of(request), id, now_us=platform.now_us()
    )
    return await _page(request, link=f"{platform.settings.origin}/join/{code}", link_for=person.name, link_hours=24)


async def _changed(request: Request, change: Any, id: str, *values: Any, now_us: int) -> Response:
    platform = platform_of(request)
    try:
        await platform.store.run(change, platform.store, caller_of(request), id, *values, now_us=now_us)
    except RoostError as error:
        return await _page(request, status_of(error), problem=problem_of(error))
    return back("/people", "changed")


async def _page(request: Request, status: int = 200, **values: Any) -> Response:
    platform, me = platform_of(request), caller_of(request).person
    everybody, opened = await platform.store.run(_read, platform)
    view = PeopleView(
        people=[_person(row, me) for row in everybody],
        invitations=[_invitation(row) for row in opened if row.purpose == FOR_ANYBODY],
        isolation=isolation_view(platform),
        **values,
    )
    return await page(request, "people.html", "People", "people", status=status, view=view)


def _read(platform: Platform) -> tuple[list[PersonRow], list[InvitationRow]]:
    everybody = people.list_people(platform.store)
    return list(everybody), list(invitations.list_invitations(platform.store, now_us=platform.now_us()))


def _person(row: PersonRow, me: str) -> PersonView:
    return PersonView(
        id=row.id,
        name=row.name,
        administrator=row.administrator,
        disabled=row.disabled_us is not None,
        me=row.id == me,
        created_at=moment(row.created_us),
    )


def _invitation(row: InvitationRow) -> InvitationView:
    return InvitationView(
        id=row.id,
        administrator=row.role.value == "administrator",
        hint=row.email_hint,
        created_at=moment(row.created_us),
        expires_at=moment(row.expires_us),
    )

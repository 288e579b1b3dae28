"""People and how they get in: accounts, invitations, sessions, tokens."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from roost.api.answers import Json, nothing, time_of
from roost.api.authentication import caller_of, platform_of
from roost.api.bodies import body_of, flag, text, texts, whole_number
from roost.model.access import Role
from roost.model.errors import Conflict, InvalidInput
from roost.runtimes.base import Capability
from roost.services import invitations, people, sessions, tokens
from roost.store.rows import PersonRow, SessionRow, TokenRow

routes = APIRouter(prefix="/api/v1", tags=["people"])


@routes.get("/people")
async def list_people(request: Request) -> Response:
    """Everybody, and the invitations that are still open."""
    platform = platform_of(request)
    rows = await platform.store.run(people.list_people, platform.store)
    opened = await platform.store.run(invitations.list_invitations, platform.store, now_us=platform.now_us())
    waiting = [
        {"id": i.id, "role": i.role.value, "email_hint": i.email_hint, "expires_at": time_of(i.expires_us)}
        for i in opened
    ]
    return Json({"items": [person_json(row) for row in rows], "invitations": waiting})


@routes.patch("/people/{id}")
async def change_person(request: Request, id: str) -> Response:
    """Change somebody's role, or let them in or out."""
    platform, caller = platform_of(request), caller_of(request)
    content = await body_of(request, allowed=("role", "disabled"))
    disabled = flag(content, "disabled")
    role = role_named(text(content, "role")) if "role" in content else None
    if role is None and disabled is None:
        raise InvalidInput("There is nothing to change.", field="body", hint="Valid keys: role, disabled.")
    row = await platform.store.run(
        people.change, platform.store, caller, id, role=role, disabled=disabled, now_us=platform.now_us()
    )
    return Json(person_json(row))


@routes.post("/invitations", status_code=201)
async def invite(request: Request) -> Response:
    """Make a link for one person. Refused where people would not be separated from each other."""
    platform, caller = platform_of(request), caller_of(request)
    content = await body_of(request, allowed=("role", "email_hint"))
    refuse_without_separation(platform)
    code, row = await platform.store.run(
        invitations.invite,
        platform.store,
        caller,
        role=role_named(text(content, "role", Role.MEMBER.value)),
        email_hint=text(content, "email_hint", ""),
        now_us=platform.now_us(),
    )
    url = f"{platform.settings.origin}/join/{code}"
    return Json({"id": row.id, "url": url, "role": row.role.value, "expires_at": time_of(row.expires_us)}, 201)


def refuse_without_separation(platform: Any) -> None:
    """Several people only where the runtime keeps them apart."""
    if Capability.SEPARATES_PEOPLE not in platform.runtime.capabilities:
        raise Conflict(
            "Invitations are off: here everybody's programs run as the same user and could read each other's files.",
            code="not-separated",
            hint="Run Roost as root, or install bubblewrap; `roost doctor` tells more.",
        )


@routes.get("/sessions")
async def list_sessions(request: Request) -> Response:
    """Where the caller is signed in."""
    platform, caller = platform_of(request), caller_of(request)
    rows = await platform.store.run(sessions.list_sessions, platform.store, caller.person, now_us=platform.now_us())
    return Json({"items": [session_json(row, caller.session) for row in rows]})


@routes.delete("/sessions/{id}", status_code=204)
async def revoke_session(request: Request, id: str) -> Response:
    """End a session; its websockets are closed within seconds."""
    platform = platform_of(request)
    await platform.store.run(sessions.revoke, platform.store, caller_of(request), id, now_us=platform.now_us())
    return nothing()


@routes.get("/tokens")
async def list_tokens(request: Request) -> Response:
    """The caller's tokens, without their secrets."""
    platform = platform_of(request)
    rows = await platform.store.run(
        tokens.list_tokens, platform.store, caller_of(request).person, now_us=platform.now_us()
    )
    return Json({"items": [token_json(row) for row in rows if not row.workload]})


@routes.post("/tokens", status_code=201)
async def create_token(request: Request) -> Response:
    """Make a token; its secret is shown this once."""
    platform, caller = platform_of(request), caller_of(request)
    content = await body_of(request, allowed=("name", "scopes", "expires_days"))
    token, row = await platform.store.run(
        tokens.create_token,
        platform.store,
        caller,
        text(content, "name"),
        scopes=texts(content, "scopes"),
        expires_days=whole_number(content, "expires_days", tokens.DEFAULT_DAYS),
        now_us=platform.now_us(),
    )
    return Json({**token_json(row), "token": token}, 201)


@routes.delete("/tokens/{id}", status_code=204)
async def revoke_token(request: Request, id: str) -> Response:
    """End a token."""
    platform = platform_of(request)
    await platform.store.run(tokens.revoke_token, platform.store, caller_of(request), id, now_us=platform.now_us())
    return nothing()


def person_json(row: PersonRow) -> dict[str, Any]:
    """A person as administrators see them."""
    return {
        "id": row.id,
        "name": row.name,
        "role": row.role.value,
        "disabled": row.disabled_us is not None,
        "created_at": time_of(row.created_us),
    }


def session_json(row: SessionRow, current: str) -> dict[str, Any]:
    """A session as its person sees it."""
    return {
        "id": row.id,
        "created_at": time_of(row.created_us),
        "seen_at": time_of(row.seen_us),
        "expires_at": time_of(row.expires_us),
        "address": row.address,
        "agent": row.agent,
        "current": row.id == current,
    }


def token_json(row: TokenRow) -> dict[str, Any]:
    """A token without its secret."""
    return {
        "id": row.id,
        "name": row.name,
        "beginning": row.beginning,
        "scopes": row.scopes.split(),
        "created_at": time_of(row.created_us),
        "seen_at": time_of(row.seen_us),
        "expires_at": time_of(row.expires_us),
    }


def role_named(name: str) -> Role:
    """A role by name."""
    if name not in list(Role):
        raise InvalidInput(f"role is {name!r}.", subject=name, field="role", hint=f"Valid: {', '.join(Role)}.")
    return Role(name)

"""One's own things: appearance, password, tokens, and where one is signed in."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from roost.api.authentication import caller_of, platform_of
from roost.api.problems import status_of
from roost.control.platform import Platform
from roost.model.access import Scope
from roost.model.errors import RoostError
from roost.services import people, sessions, tokens
from roost.store.rows import SessionRow, TokenRow, moment
from roost.web.respond import back, fields_of, form_of, page, problem_of
from roost.web.routes.listing import whole
from roost.web.views import SessionView, SettingsView, TokenView

routes = APIRouter()


@routes.get("/settings")
async def show(request: Request) -> Response:
    """All of it on one page."""
    return await _page(request)


@routes.get("/tokens")
async def show_tokens() -> Response:
    """Messages name this short address."""
    return RedirectResponse("/settings#tokens", 303)


@routes.post("/settings/theme")
async def choose_theme(request: Request) -> Response:
    """Keep what one likes."""
    platform, form = platform_of(request), await form_of(request)
    chosen = {"theme": form.get("theme", "")}
    await platform.store.run(people.choose, platform.store, caller_of(request), chosen, now_us=platform.now_us())
    return back("/settings")


@routes.post("/settings/password")
async def change_password(request: Request) -> Response:
    """Change one's own password; all other sessions end."""
    platform, form = platform_of(request), await form_of(request)
    old, new = form.get("old", ""), form.get("password", "")
    try:
        await platform.store.run(
            people.change_password, platform.store, caller_of(request), old, new, now_us=platform.now_us()
        )
    except RoostError as error:
        return await _page(request, status_of(error), problem=problem_of(error))
    return back("/settings", "password")


@routes.post("/settings/tokens")
async def create_token(request: Request) -> Response:
    """Make a token and show it this once."""
    platform, fields = platform_of(request), await fields_of(request)
    form = {name: values[-1] for name, values in fields.items()}
    try:
        secret, _ = await platform.store.run(
            tokens.create_token,
            platform.store,
            caller_of(request),
            form.get("token_name", ""),
            scopes=fields.get("scopes", []),
            expires_days=whole(form, "expires_days"),
            now_us=platform.now_us(),
        )
    except RoostError as error:
        problem = problem_of(error)
        if problem.field == "name":
            problem = replace(problem, field="token_name")
        return await _page(request, status_of(error), problem=problem, values=form)
    return await _page(request, secret=secret)


@routes.post("/settings/tokens/{id}/revoke")
async def revoke_token(request: Request, id: str) -> Response:
    """End a token."""
    platform = platform_of(request)
    await platform.store.run(tokens.revoke_token, platform.store, caller_of(request), id, now_us=platform.now_us())
    return back("/settings", "revoked")


@routes.post("/settings/sessions/{id}/revoke")
async def revoke_session(request: Request, id: str) -> Response:
    """End a session; its websockets are closed within seconds."""
    platform = platform_of(request)
    await platform.store.run(sessions.revoke, platform.store, caller_of(request), id, now_us=platform.now_us())
    return back("/settings", "ended")


@routes.post("/settings/sessions/revoke-others")
async def revoke_others(request: Request) -> Response:
    """End all sessions but this one."""
    platform = platform_of(request)
    await platform.store.run(sessions.revoke_others, platform.store, caller_of(request), now_us=platform.now_us())
    return back("/settings", "ended")


async def _page(request: Request, status: int = 200, **values: Any) -> Response:
    platform, caller = platform_of(request), caller_of(request)
    mine, made = await platform.store.run(_read, platform, caller.person)
    view = SettingsView(
        sessions=[_session(row, caller.session) for row in mine],
        tokens=[_token(row) for row in made if not row.workload],
        scopes=[scope.value for scope in Scope],
        origin=platform.settings.origin,
        **values,
    )
    return await page(request, "settings.html", "Settings", "settings", status=status, view=view)


def _read(platform: Platform, person: str) -> tuple[list[SessionRow], list[TokenRow]]:
    now_us = platform.now_us()
    return (
        list(sessions.list_sessions(platform.store, person, now_us=now_us)),
        list(tokens.list_tokens(platform.store, person, now_us=now_us)),
    )


def _session(row: SessionRow, current: str) -> SessionView:
    return SessionView(
        id=row.id,
        agent=row.agent,
        address=row.address,
        seen_at=moment(row.seen_us),
        created_at=moment(row.created_us),
        current=row.id == current,
    )


def _token(row: TokenRow) -> TokenView:
    return TokenView(
        id=row.id,
        name=row.name,
        beginning=row.beginning,
        scopes=row.scopes.split(),
        created_at=moment(row.created_us),
        expires_at=moment(row.expires_us),
        seen_at=moment(row.seen_us) if row.seen_us is not None else None,
    )

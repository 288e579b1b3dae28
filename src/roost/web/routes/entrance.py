"""Getting in and out: the sign-in page, links that work once, sign-out. They work without scripts."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from roost.api.authentication import client_of, identity_of, platform_of, session_secret
from roost.api.problems import status_of
from roost.control.platform import Platform
from roost.model.access import Role
from roost.model.errors import RoostError
from roost.model.targets import local_path
from roost.model.tickets import cookies_prefixed, session_cookie
from roost.services import invitations, people, sessions, sign_in
from roost.services.sessions import ABSOLUTE_US, NewSession
from roost.store.invitations import FOR_FIRST_ADMINISTRATOR, FOR_PASSWORD
from roost.store.rows import SECOND_US, InvitationRow, moment
from roost.web import words
from roost.web.respond import back, form_of, outside, problem_of

routes = APIRouter()
_PURPOSES = {FOR_FIRST_ADMINISTRATOR: "first", FOR_PASSWORD: "password"}
_ENTER = "/enter/"


@routes.get("/sign-in")
async def show_sign_in(request: Request) -> Response:
    """The form; somebody who is signed in goes on to where they wanted to."""
    target = local_path(request.query_params.get("next", "/"))
    if identity_of(request).caller is not None:
        if target.startswith(_ENTER):
            # A browser does not let a form lead to a workload's host (form-action), so this is a new navigation.
            return outside("onward.html", "Opening", target=target)
        return RedirectResponse(target, 303)
    notice = "You are signed out." if "out" in request.query_params else ""
    return _sign_in_page(request, target, notice=notice)


@routes.post("/sign-in")
async def do_sign_in(request: Request) -> Response:
    """Begin a session, or say what is wrong beside what was typed."""
    platform, form = platform_of(request), await form_of(request)
    target = local_path(form.get("next", "/"))
    name = form.get("name", "")
    try:
        new = await platform.store.run(
            sign_in.sign_in,
            platform.store,
            name,
            form.get("password", ""),
            client_of(request),
            now_us=platform.now_us(),
        )
    except RoostError as error:
        return _sign_in_page(request, target, name=name, problem=problem_of(error), status=status_of(error))
    onward = back("/sign-in", next=target) if target.startswith(_ENTER) else RedirectResponse(target, 303)
    return _with_session(request, platform, new, onward)


@routes.post("/sign-out")
async def do_sign_out(request: Request) -> Response:
    """End the session; its websockets are closed within seconds."""
    platform, secret = platform_of(request), session_secret(request)
    if secret:
        await platform.store.run(sessions.sign_out, platform.store, secret, now_us=platform.now_us())
    answer = back("/sign-in", out="1")
    for prefixed in (True, False):
        answer.delete_cookie(
            session_cookie(platform.settings.instance, prefixed), secure=prefixed, httponly=True, samesite="lax"
        )
    return answer


@routes.get("/join/{code}")
async def show_join(request: Request, code: str) -> Response:
    """The form behind a link that works once."""
    platform = platform_of(request)
    row = await platform.store.run(invitations.look, platform.store, code, now_us=platform.now_us())
    return await _join_page(platform, row)


@routes.post("/join/{code}")
async def do_join(request: Request, code: str) -> Response:
    """Make the person (or set their password) and sign them in."""
    platform, form = platform_of(request), await form_of(request)
    now_us, name = platform.now_us(), form.get("name", "")
    row = await platform.store.run(invitations.look, platform.store, code, now_us=now_us)
    try:
        new = await platform.store.run(
            invitations.redeem,
            platform.store,
            code,
            name,
            form.get("password", ""),
            client_of(request),
            now_us=now_us,
        )
    except RoostError as error:
        return await _join_page(platform, row, name=name, problem=problem_of(error), status=status_of(error))
    return _with_session(request, platform, new, RedirectResponse("/", 303))


def _sign_in_page(request: Request, target: str, *, name: str = "", **values: object) -> Response:
    place = platform_of(request).settings.origin.partition("://")[2]
    known = {"problem": None, "notice": "", **values}
    status = known.pop("status", 200)
    assert isinstance(status, int)
    return outside("sign_in.html", "Sign in", status=status, place=place, next=target, name=name, **known)


async def _join_page(
    platform: Platform, row: InvitationRow, *, name: str = "", problem: object = None, status: int = 200
) -> Response:
    purpose = _PURPOSES.get(row.purpose, "invitation")
    if row.for_person is not None:
        name = (await platform.store.run(people.get_person, platform.store, row.for_person)).name
    return outside(
        "join.html",
        {"first": "Set up Roost", "password": "Set a new password"}.get(purpose, "Join"),
        status=status,
        purpose=purpose,
        administrator=row.role is Role.ADMINISTRATOR,
        place=platform.settings.origin.partition("://")[2],
        name=name,
        problem=problem,
        expires=words.exact(moment(row.expires_us)),
    )


def _with_session(request: Request, platform: Platform, new: NewSession, answer: Response) -> Response:
    """Give the browser its session; the cookie never leaves the platform's own host."""
    safe = cookies_prefixed(platform.settings.secure, request.headers.get("user-agent", ""))
    answer.set_cookie(
        session_cookie(platform.settings.instance, safe),
        new.secret,
        max_age=ABSOLUTE_US // SECOND_US,
        path="/",
        secure=safe,
        httponly=True,
        samesite="lax",
    )
    return answer

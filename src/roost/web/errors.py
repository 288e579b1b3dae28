"""Errors as pages, for people; programs get problem+json as everywhere. Who is not signed in is sent to sign in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response

from roost.api.problems import internal_error, plain_error, problem, status_of
from roost.model import errors
from roost.model.targets import local_path
from roost.web.render import render
from roost.web.respond import PART_HEADER
from roost.web.views import ErrorView

log = logging.getLogger(__name__)
_NOT_PAGES = ("/api/", "/internal/", "/healthz", "/static/")
#: Code of an error -> what leads on from its page, and where to.
_WAYS_ON: Mapping[str, tuple[str, str]] = {
    "link-used": ("Sign in", "/sign-in"),
    "link-expired": ("Sign in", "/sign-in"),
    "link-revoked": ("Sign in", "/sign-in"),
    "link-invalid": ("Sign in", "/sign-in"),
    "deleted": ("Volumes", "/volumes"),
    "csrf-token": ("Load the page again", ""),
    "internal": ("Try again", ""),
    "unavailable": ("Try again", ""),
}


def add_error_pages(app: FastAPI) -> None:
    """Have errors of pages answered as pages."""

    @app.exception_handler(errors.RoostError)
    async def _ours(request: Request, error: errors.RoostError) -> Response:
        return answer(request, error, status_of(error))

    @app.exception_handler(HTTPException)
    async def _plain(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405 and request.method == "GET" and wants_page(request):
            # The address of a form, asked for again by "reload": its page is one step up.
            return RedirectResponse(local_path(request.url.path.rpartition("/")[0] or "/"), 303)
        found = answer(request, plain_error(error), error.status_code)
        found.headers.update(error.headers or {})
        return found

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        log.error("%s %s failed unexpectedly", request.method, request.url.path, exc_info=error)
        return answer(request, internal_error(), 500)


def answer(request: Request, error: errors.RoostError, status: int) -> Response:
    """The answer to whoever asked."""
    if not wants_page(request):
        return problem(error, status)
    if isinstance(error, errors.NotSignedIn) and request.url.path != "/sign-in":
        return RedirectResponse(f"/sign-in?{urlencode({'next': _target(request)})}", 303)
    action, href = _WAYS_ON.get(error.code, ("Back to home", "/"))
    view = ErrorView(
        status=status, title=error.message.rstrip("."), hint=error.hint, action=action, href=href or _target(request)
    )
    content = render("error.html", None, {"title": view.title, "modules": [], "error": view})
    return HTMLResponse(content, status, {"Cache-Control": "no-store"})


def wants_page(request: Request) -> bool:
    """Whether a person looks at the answer."""
    path = request.url.path
    if path.startswith(_NOT_PAGES) or "authorization" in request.headers or PART_HEADER in request.headers:
        return False
    return "text/html" in request.headers.get("accept", "")


def _target(request: Request) -> str:
    """Where to go on after signing in: the page that was asked for; never a form's address."""
    if request.method not in ("GET", "HEAD"):
        return "/"
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")

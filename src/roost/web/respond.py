"""What all page routes share: the frame around a page, forms, the way back, and fragments for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from roost.api.authentication import caller_of, csrf_token_of, platform_of
from roost.model.access import Role
from roost.model.errors import InvalidInput, RoostError
from roost.model.targets import local_path
from roost.services import people
from roost.services.machine import read_machine
from roost.store.rows import PersonRow, moment
from roost.web.gather import memory_meter
from roost.web.render import assets, render
from roost.web.views import Frame, Problem, Viewer

#: Sent by our script. `live`: only the parts that change; `panel`: a dialog; both are never cached.
PART_HEADER = "x-roost-part"
FORM_LIMIT_BYTES = 256 * 1024
#: What a page may say after a form was sent without scripts; the key stands in the address, the words never do.
NOTICES: Mapping[str, str] = {
    "started": "It is starting.",
    "stopped": "It is stopping.",
    "restarted": "It is starting again.",
    "deleted": "Moved to the bin.",
    "restored": "Restored.",
    "extended": "It is kept for 2 h more.",
    "renamed": "Renamed.",
    "changed": "Changed.",
    "scaled": "The number of workers is changed.",
    "destroyed": "The volume is being destroyed.",
    "password": "The password is changed; your other sessions are over.",
    "revoked": "Revoked.",
    "ended": "The session is over.",
}


async def frame_of(request: Request, here: str) -> Frame:
    """What is around the page, for the one who looks."""
    platform, caller = platform_of(request), caller_of(request)
    person: PersonRow = await platform.store.run(people.get_person, platform.store, caller.person)
    machine = read_machine(platform.settings.home)
    return Frame(
        viewer=Viewer(
            person=caller.person,
            name=caller.name,
            administrator=caller.role is Role.ADMINISTRATOR,
            theme=str(person.preferences.get("theme", "system")),
            csrf=csrf_token_of(request),
        ),
        now=moment(platform.now_us()),
        here=here,
        memory=memory_meter(machine),
        notice=NOTICES.get(request.query_params.get("done", ""), ""),
    )


async def page(
    request: Request, template: str, title: str, here: str, *, status: int = 200, **values: Any
) -> HTMLResponse:
    """A page inside the frame."""
    frame = await frame_of(request, here)
    return HTMLResponse(render(template, frame, {"title": title, "modules": assets().modules, **values}), status)


def outside(template: str, title: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page for somebody who is not signed in."""
    return HTMLResponse(render(template, None, {"title": title, "modules": assets().modules, **values}), status)


def part_of(request: Request) -> str:
    """The part of the page our script asks for, "" = the whole of it."""
    return request.headers.get(PART_HEADER, "")


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form, the last value of each; a file or a body that is too large is an error."""
    return {name: values[-1] for name, values in (await fields_of(request)).items()}


async def fields_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form with all their values."""
    if int(request.headers.get("content-length") or 0) > FORM_LIMIT_BYTES:
        raise InvalidInput("The form is too large.", hint=f"At most {FORM_LIMIT_BYTES >> 10} KB.")
    found: dict[str, list[str]] = {}
    for name, value in (await request.form()).multi_items():
        if isinstance(value, str):
            found.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return found


def back(path: str, done: str = "", **query: str) -> Response:
    """After a form: see the page that shows the result. `done` is a key of NOTICES."""
    asked = {**query, **({"done": done} if done else {})}
    return RedirectResponse(f"{local_path(path)}{'?' + urlencode(asked) if asked else ''}", 303)


def problem_of(error: RoostError) -> Problem:
    """An error as forms show it."""
    return Problem(message=error.message, hint=error.hint, field=error.field)

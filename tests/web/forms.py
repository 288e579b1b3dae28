"""Pages and forms as a browser without scripts uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

import httpx
from tests.api.world import Browser, World

HTML = {"Accept": "text/html"}


@dataclass(frozen=True)
class Seen:
    """A page as it was answered; `text` has its entities resolved."""

    status: int
    text: str
    location: str


def _seen(answer: httpx.Response) -> Seen:
    return Seen(answer.status_code, unescape(answer.text), answer.headers.get("location", ""))


async def look(world: World, who: Browser | None, path: str, **headers: str) -> Seen:
    """Get a page."""
    given = who.headers(changes=False) if who else {}
    async with world.http() as http:
        return _seen(await http.get(path, headers={**HTML, **given, **headers}))


async def send(
    world: World, who: Browser | None, path: str, form: Mapping[str, str | list[str]], **headers: str
) -> Seen:
    """Send a form, with the token of its page in a field."""
    fields = {**form, **({"csrf": who.csrf} if who else {})}
    given = {"Origin": world.settings.origin, **({"Cookie": who.cookie} if who else {})}
    async with world.http() as http:
        return _seen(await http.post(path, data=fields, headers={**HTML, **given, **headers}))

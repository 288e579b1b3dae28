"""Every page and form x everybody who may ask x whose thing it is, against a table written by hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.api.asking import Asker, changes, everybody, thing
from tests.api.world import Program, World, endpoints, world_at

VERBS = ("start", "stop", "restart", "delete", "restore", "extend", "rename", "resize", "idle")
#: anyone: without signing in; people: who signed in, or a token without scopes; owner: of their own things, and
#: administrators of everybody's; self: of their own things alone; administrators: no member at all.
TABLE = {
    "GET /sign-in": "anyone",
    "POST /sign-in": "anyone",
    "POST /sign-out": "anyone",
    "GET /join/{code}": "anyone",
    "POST /join/{code}": "anyone",
    "GET /static/{path:path}": "anyone",
    "GET /favicon.ico": "anyone",
    "GET /": "people",
    "GET /machine": "people",
    "GET /volumes": "people",
    "GET /settings": "people",
    "GET /tokens": "people",
    "POST /settings/theme": "people",
    "POST /settings/password": "people",
    "POST /settings/tokens": "people",
    "POST /settings/sessions/revoke-others": "people",
    **{f"{method} /{kind}": "people" for kind in ("workspaces", "clusters") for method in ("GET", "POST")},
    **{f"GET /{kind}/new": "people" for kind in ("workspaces", "clusters")},
    **{f"GET /{kind}/{{id}}": "owner" for kind in ("workspaces", "clusters")},
    **{f"GET /{kind}/{{id}}/charts": "owner" for kind in ("workspaces", "clusters")},
    **{f"POST /{kind}/{{id}}/{verb}": "owner" for kind in ("workspaces", "clusters") for verb in VERBS},
    "POST /workspaces/{id}/safe-mode": "owner",
    "POST /clusters/{id}/scale": "owner",
    "POST /volumes/{id}/restore": "owner",
    "GET /volumes/{id}/destroy": "owner",
    "POST /volumes/{id}/destroy": "owner",
    "POST /settings/tokens/{id}/revoke": "owner",
    "POST /settings/sessions/{id}/revoke": "owner",
    "GET /enter/{host}": "self",
    "GET /people": "administrators",
    "POST /people/invite": "administrators",
    "POST /people/invitations/{id}/revoke": "administrators",
    "POST /people/{id}/role": "administrators",
    "POST /people/{id}/enable": "administrators",
    "POST /people/{id}/disable": "administrators",
    "POST /people/{id}/password-link": "administrators",
}
#: A form with nothing in it, or one that the state does not allow, has passed: what it says is not about rights.
PASSED = (200, 303, 302, 400, 409, 422)
#: Nor is a wrong password, a link that is not valid, or a file that is not there.
PASSED_BY_ANYONE = (*PASSED, 401, 404, 429)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world_at(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def askers(world: World) -> list[Asker]:
    return everybody(world)


def expected(route: str, asker: Asker, own: bool) -> int:
    """The status the table demands: 200 stands for having passed."""
    who = TABLE[route]
    if isinstance(asker.client, Program) and not asker.credential:
        return 401
    if who == "anyone":
        return 200
    if not asker.credential:
        return 401
    if asker.credential not in ("session", "full") or (who == "administrators" and not asker.administrator):
        return 403
    if who in ("owner", "self") and not own and not (who == "owner" and asker.administrator):
        return 404
    return 200


def named(path: str) -> str:
    """What the path names by its id, "" = nothing."""
    if path == "/enter/{host}":
        return "workspaces"
    return path.partition("/{id}")[0].rpartition("/")[2] if "{id}" in path else ""


async def fault(world: World, route: str, asker: Asker, own: bool) -> str:
    """What is wrong about this cell of the matrix, "" = nothing."""
    me = asker.client.caller if asker.client else world.person("Ada")
    owner = me if own else world.person("Carol")
    method, _, path = route.partition(" ")
    id = thing(world, named(path), owner, deleted=path.endswith("/restore")) if named(path) else ""
    address = path.replace("{id}", id).replace("{host}", id).replace("{code}", "x").replace("{path:path}", "x")
    before = changes(world)
    given = asker.client.headers(changes=method != "GET") if asker.client else {"Origin": world.settings.origin}
    async with world.http() as http:
        answer = await http.request(method, address, headers=given, data={} if method == "POST" else None)
    wanted = expected(route, asker, own)
    passed = answer.status_code in (PASSED_BY_ANYONE if TABLE[route] == "anyone" else PASSED)
    if (passed if wanted == 200 else answer.status_code == wanted) and (wanted == 200 or changes(world) == before):
        return ""
    whose = "their own" if own else "somebody else's"
    return f"{route} by {asker.label}, {whose}: {answer.status_code}, expected {'to pass' if wanted == 200 else wanted}"


@pytest.mark.parametrize("route", TABLE)
async def test_who_may_see_and_send_what(route: str, world: World, askers: list[Asker]) -> None:
    both = TABLE[route] in ("owner", "self")
    if route == "POST /sign-out":  # would end the sessions of the others in this test
        askers = [asker for asker in askers if asker.credential != "session"]
    if route.endswith("/revoke-others"):
        askers = [asker for asker in askers if asker.credential != "full"]
    faults = [
        found
        for asker in askers
        for own in ((True, False) if both else (True,))
        if (found := await fault(world, route, asker, own))
    ]
    assert faults == []


def test_every_page_is_in_the_table_above(world: World) -> None:
    apart = ("/api/", "/internal/", "/healthz")
    pages = {f"{method} {path}" for method, path in endpoints(world.app) if not path.startswith(apart)}
    assert pages == set(TABLE)

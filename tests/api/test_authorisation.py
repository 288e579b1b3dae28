"""Every route of the API x everybody who may ask x whose thing it is, against a table written by hand.

The table is not the one the platform decides by (`roost.model.access.RULES`): who changes a right changes both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.asking import Asker, changes, everybody, numbers, thing
from tests.api.streaming import streamed
from tests.api.world import Program, World, endpoints, world_at

from roost.model.access import RULES, Role
from roost.store import volumes

# Credentials: session (a browser), full (a token without scopes), one word per scope, workload (a workload's own
# token). "own" may use it on their own things, whoever they are; an administrator with "others" on those of everybody.
READS_WORKSPACES = "session full read workspaces workload | session full read workspaces"
WRITES_WORKSPACES = "session full workspaces | session full workspaces"
RUNS_IN_WORKSPACES = "session full workspaces |"
READS_CLUSTERS = "session full read clusters workload | session full read clusters"
WRITES_CLUSTERS = "session full clusters workload | session full clusters"
RUNS_IN_CLUSTERS = "session full clusters workload |"
ADMINISTERS = "| session full admin"
TABLE = {
    "GET /healthz": "anyone",
    "GET /api/v1/version": "anyone",
    "GET /api/v1/me": "session full read clusters workload |",
    "GET /api/v1/sizes": "session full read clusters workload |",
    "GET /api/v1/machine": "session full read workload |",
    "GET /api/v1/stream": "session full read workload | session full read",
    "GET /api/v1/workspaces": READS_WORKSPACES,
    "POST /api/v1/workspaces": WRITES_WORKSPACES,
    "GET /api/v1/workspaces/{id}": READS_WORKSPACES,
    "PATCH /api/v1/workspaces/{id}": WRITES_WORKSPACES,
    "DELETE /api/v1/workspaces/{id}": WRITES_WORKSPACES,
    "POST /api/v1/workspaces/{id}/start": WRITES_WORKSPACES,
    "POST /api/v1/workspaces/{id}/stop": WRITES_WORKSPACES,
    "POST /api/v1/workspaces/{id}/restart": WRITES_WORKSPACES,
    "POST /api/v1/workspaces/{id}/restore": WRITES_WORKSPACES,
    "POST /api/v1/workspaces/{id}/extend": WRITES_WORKSPACES,
    "POST /api/v1/workspaces/{id}/exec": RUNS_IN_WORKSPACES,
    "GET /api/v1/workspaces/{id}/logs": READS_WORKSPACES,
    "GET /api/v1/workspaces/{id}/events": READS_WORKSPACES,
    "GET /api/v1/workspaces/{id}/usage": READS_WORKSPACES,
    "GET /api/v1/clusters": READS_CLUSTERS,
    "POST /api/v1/clusters": WRITES_CLUSTERS,
    "GET /api/v1/clusters/{id}": READS_CLUSTERS,
    "PATCH /api/v1/clusters/{id}": WRITES_CLUSTERS,
    "DELETE /api/v1/clusters/{id}": WRITES_CLUSTERS,
    "POST /api/v1/clusters/{id}/start": WRITES_CLUSTERS,
    "POST /api/v1/clusters/{id}/stop": WRITES_CLUSTERS,
    "POST /api/v1/clusters/{id}/restart": WRITES_CLUSTERS,
    "POST /api/v1/clusters/{id}/restore": WRITES_CLUSTERS,
    "POST /api/v1/clusters/{id}/extend": WRITES_CLUSTERS,
    "POST /api/v1/clusters/{id}/scale": WRITES_CLUSTERS,
    "POST /api/v1/clusters/{id}/exec": RUNS_IN_CLUSTERS,
    "GET /api/v1/clusters/{id}/credentials": RUNS_IN_CLUSTERS,
    "GET /api/v1/clusters/{id}/logs": READS_CLUSTERS,
    "GET /api/v1/clusters/{id}/events": READS_CLUSTERS,
    "GET /api/v1/clusters/{id}/usage": READS_CLUSTERS,
    "GET /api/v1/volumes": READS_WORKSPACES,
    "POST /api/v1/volumes/{id}/restore": WRITES_WORKSPACES,
    "DELETE /api/v1/volumes/{id}": WRITES_WORKSPACES,
    "GET /api/v1/people": "| session full read admin",
    "PATCH /api/v1/people/{id}": ADMINISTERS,
    "POST /api/v1/invitations": ADMINISTERS,
    "GET /api/v1/sessions": "session full |",
    "DELETE /api/v1/sessions/{id}": "session full | session full",
    "GET /api/v1/tokens": "session full |",
    "POST /api/v1/tokens": "session full |",
    "DELETE /api/v1/tokens/{id}": "session full | session full",
}
#: Who passes is told this where it is not a success: nothing runs here, and people are not separated.
TOLD = {
    "POST /api/v1/workspaces/{id}/exec": 409,
    "POST /api/v1/clusters/{id}/exec": 409,
    "POST /api/v1/invitations": 409,
}
BODIES: dict[str, Any] = {"extend": {"hours": 1}, "exec": {"argv": ["true"]}, "scale": {"workers": 1}}
LISTS_OF_OTHERS = ("GET /api/v1/stream", "GET /api/v1/workspaces", "GET /api/v1/clusters", "GET /api/v1/volumes")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world_at(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def askers(world: World) -> list[Asker]:
    return everybody(world)


def body_for(world: World, route: str, id: str) -> Any:
    """What the route wants to be told."""
    name = f"new {next(numbers)}"
    if route == "DELETE /api/v1/volumes/{id}":
        with world.store.read() as tx:
            row = volumes.by_id(tx, id)
        assert row is not None
        return {"confirm": row.name}
    if route == "PATCH /api/v1/people/{id}":
        return {"disabled": True}
    if route.startswith("PATCH") or route in (
        "POST /api/v1/tokens",
        "POST /api/v1/workspaces",
        "POST /api/v1/clusters",
    ):
        return {"name": name}
    return BODIES.get(route.rpartition("/")[2])


def expected(route: str, asker: Asker, own: bool) -> int:
    """The status the table demands: 200 stands for having passed."""
    if TABLE[route] == "anyone":
        return 401 if isinstance(asker.client, Program) and not asker.credential else 200
    if not asker.credential:
        return 401
    mine, others = (side.split() for side in TABLE[route].split("|"))
    if (own and asker.credential in mine) or (asker.administrator and asker.credential in others):
        return 200
    return 404 if asker.credential in mine and "{id}" in route else 403


async def status_of(world: World, route: str, asker: Asker, path: str, body: Any) -> int:
    method = route.partition(" ")[0]
    if path.startswith("/api/v1/stream"):
        headers = asker.client.headers(changes=False) if asker.client else {}
        async with streamed(world.app, path, headers) as stream:
            return stream.status
    return (await world.ask(asker.client, method, path, body)).status_code


async def fault(world: World, route: str, asker: Asker, own: bool) -> str:
    """What is wrong about this cell of the matrix, "" = nothing."""
    me = asker.client.caller if asker.client else world.person("Ada")
    owner = me if own else world.person("Carol")
    path = route.partition(" ")[2]
    plural = path.removeprefix("/api/v1/").partition("/")[0]
    id = thing(world, plural, owner, deleted=path.endswith("/restore")) if "{id}" in path else ""
    body = body_for(world, route, id)
    path = path.replace("{id}", id) + ("" if own or id else f"?owner={owner.person}")
    before = changes(world)
    status = await status_of(world, route, asker, path, body)
    wanted = expected(route, asker, own)
    passed = status == TOLD.get(route, status if status < 300 else 0)
    if (passed if wanted == 200 else status == wanted) and (wanted == 200 or changes(world) == before):
        return ""
    done = " and changed something" if changes(world) != before else ""
    whose = "their own" if own else "somebody else's"
    return f"{route} by {asker.label}, {whose}: {status}{done}, expected {'to pass' if wanted == 200 else wanted}"


@pytest.mark.parametrize("route", TABLE)
async def test_who_may_do_what_to_whose(route: str, world: World, askers: list[Asker]) -> None:
    both = "{id}" in route and not route.startswith("PATCH /api/v1/people")
    faults = [
        found
        for asker in askers
        for own in ((True, False) if both or route in LISTS_OF_OTHERS else (True,))
        if (found := await fault(world, route, asker, own))
    ]
    assert faults == []


def test_every_route_of_the_api_is_in_the_table_above(world: World) -> None:
    api = {f"{method} {path}" for method, path in endpoints(world.app) if path.startswith(("/api/", "/healthz"))}
    assert api == set(TABLE)


def test_every_route_has_a_rule(world: World) -> None:
    found = endpoints(world.app)
    assert [route for route in found if route not in RULES] == []
    assert len(found) == len(set(found))


def test_every_rule_has_a_route(world: World) -> None:
    found = set(endpoints(world.app))
    pages_are_there = ("GET", "/sign-in") in found
    missing = [rule for rule in RULES if rule not in found]
    assert [(m, p) for m, p in missing if pages_are_there or p.startswith(("/api/", "/internal/", "/healthz"))] == []


async def test_what_belongs_to_somebody_else_is_as_if_it_did_not_exist(world: World) -> None:
    ada, carol = world.program("Ada"), world.person("Carol")
    for kind, plural in (("workspace", "workspaces"), ("cluster", "clusters")):
        theirs = world.workload(carol.person, f"secret {next(numbers)}", kind)
        nobodys = theirs.id[:3] + "a" * 26
        told = [
            (await world.ask(ada, "GET", f"/api/v1/{plural}/{id}")).text.replace(id, "ID")
            for id in (theirs.id, nobodys)
        ]
        assert told[0] == told[1]
    theirs = world.workload(carol.person, f"secret {next(numbers)}")
    told = [
        (await world.ask(ada, "DELETE", f"/api/v1/volumes/{id}", {"confirm": "x"})).text.replace(id, "ID")
        for id in (str(theirs.volume), "vo-" + "a" * 26)
    ]
    assert told[0] == told[1]
    browser = world.browser("Carol").caller.session
    for plural, id in (("sessions", browser), ("tokens", world.program("Carol").caller.session)):
        told = [
            (await world.ask(ada, "DELETE", f"/api/v1/{plural}/{known}")).text.replace(known, "ID")
            for known in (id, id[:3] + "a" * 26)
        ]
        assert told[0] == told[1]


async def test_a_name_never_finds_somebody_elses(world: World) -> None:
    world.workload(world.person("Carol").person, "shared name")
    answer = await world.ask(world.browser("Root", Role.ADMINISTRATOR), "GET", "/api/v1/workspaces/shared name")
    assert answer.status_code == 404

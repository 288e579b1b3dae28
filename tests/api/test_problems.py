"""Bad input: each refusal names the field, the value and what would be valid, has its status, and changes nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.routing import Route
from tests.api.world import Browser, Program, World, problem
from tests.services.fixed import by
from tests.store.making import DAY, NOW

from roost.api.headers import CONTENT_SECURITY_POLICY
from roost.api.problems import STATUS
from roost.model.access import Role
from roost.model.errors import RoostError
from roost.services import invitations, workloads

LIMIT = 4 * 2**20


@dataclass(frozen=True)
class Case:
    """A request that cannot be, and what must be said of it. `says` are words of the answer: value, valid ones."""

    request: str
    body: Any
    status: int
    code: str
    field: str
    says: tuple[str, ...]


CREATE, CLUSTER = "POST /api/v1/workspaces", "POST /api/v1/clusters"
CASES = {
    "unknown size": Case(CREATE, {"name": "a", "size": "5gb"}, 422, "invalid-input", "size", ("5gb", "4gb", "8gb")),
    "size too large": Case(CREATE, {"name": "a", "size": "64gb"}, 409, "too-large", "size", ("64gb", "16 GB", "8 GB")),
    "no name": Case(CREATE, {}, 422, "invalid-input", "name", ("name",)),
    "name is a number": Case(CREATE, {"name": 7}, 422, "invalid-input", "name", ("7", "text")),
    "name exists": Case(CREATE, {"name": "ＴＡＫＥＮ"}, 409, "name-exists", "name", ("taken", "another name")),
    "long name": Case(CREATE, {"name": "ü" * 300}, 422, "invalid-input", "name", ("300", "80")),
    "name with a slash": Case(CREATE, {"name": "a/b"}, 422, "invalid-input", "name", ("slash", "letters")),
    "name like an id": Case(CREATE, {"name": "ws-" + "a" * 26}, 422, "invalid-input", "name", ("form of an id",)),
    "name of spaces": Case(CREATE, {"name": " \t "}, 422, "invalid-input", "name", ("empty", "80")),
    "half a character": Case(CREATE, b'{"name": "\\ud800"}', 422, "invalid-input", "body", ("JSON",)),
    "half a character in a key": Case(CREATE, b'{"name": "a", "\\ud800": 1}', 422, "invalid-input", "body", ("JSON",)),
    "misspelt key": Case(
        CREATE, {"name": "a", "spec": {"enviroment": {}}}, 422, "invalid-input", "enviroment", ("environment",)
    ),
    "misspelt key below": Case(
        CREATE,
        {"name": "a", "spec": {"environment": {"sise": "4gb"}}},
        422,
        "invalid-input",
        "environment.sise",
        ("size",),
    ),
    "key beside spec": Case(CREATE, {"name": "a", "spec": {}, "size": "4gb"}, 422, "invalid-input", "size", ("size",)),
    "unknown key": Case(
        "PATCH /api/v1/workspaces/{id}", {"nmae": "b"}, 422, "invalid-input", "nmae", ("nmae", "Did you mean name")
    ),
    "nothing to change": Case("PATCH /api/v1/workspaces/{id}", {}, 422, "invalid-input", "body", ("name, size",)),
    "unknown image": Case(CREATE, {"name": "a", "image": "Ä"}, 422, "invalid-input", "image", ("Ä", "letters")),
    "reserved variable": Case(
        CREATE, {"name": "a", "variables": {"ROOST_URL": "x"}}, 422, "invalid-input", "variables", ("ROOST_URL",)
    ),
    "negative idle time": Case(
        CREATE, {"name": "a", "idle_timeout_s": -1}, 422, "invalid-input", "idle_timeout_s", ("-1", "0 for never")
    ),
    "somebody's volume": Case(
        CREATE, {"name": "a", "volume": "x"}, 422, "invalid-input", "volume", ("x", "id of a vol")
    ),
    "negative workers": Case(
        CLUSTER, {"name": "a", "workers": -1}, 422, "invalid-input", "workers", ("-1", "0 to 1000")
    ),
    "10,000 workers": Case(
        CLUSTER, {"name": "a", "workers": 10_000}, 422, "invalid-input", "workers", ("10000", "0 to 1000")
    ),
    "half a worker": Case(CLUSTER, {"name": "a", "workers": 2.5}, 422, "invalid-input", "workers", ("2.5", "whole")),
    "workers do not fit": Case(
        CLUSTER, {"name": "a", "workers": 900, "size": "8gb"}, 409, "refused", "size", ("900", "at most")
    ),
    "scale below zero": Case(
        "POST /api/v1/clusters/{cluster}/scale", {"workers": -3}, 422, "invalid-input", "workers", ("-3", "0 to 1000")
    ),
    "scale to nothing": Case("POST /api/v1/clusters/{cluster}/scale", {}, 422, "invalid-input", "workers", ("number",)),
    "scale to text": Case(
        "POST /api/v1/clusters/{cluster}/scale", {"workers": "9"}, 422, "invalid-input", "workers", ("9", "a number")
    ),
    "extend for ever": Case(
        "POST /api/v1/workspaces/{id}/extend", {"hours": 1e9}, 422, "invalid-input", "hours", ("1e+09", "168")
    ),
    "not a number": Case(
        "POST /api/v1/workspaces/{id}/extend", b'{"hours": NaN}', 422, "invalid-input", "body", ("JSON",)
    ),
    "resize what runs": Case(
        "PATCH /api/v1/workspaces/{id}", {"size": "1gb"}, 409, "not-stopped", "", ("is running", "Stop it first")
    ),
    "one half cannot be": Case(
        "PATCH /api/v1/workspaces/{stopped}", {"size": "1gb", "name": "taken"}, 409, "name-exists", "name", ("taken",)
    ),
    "no command": Case(
        "POST /api/v1/workspaces/{id}/exec", {"argv": []}, 422, "invalid-input", "argv", ("argv", "command")
    ),
    "argv is a text": Case(
        "POST /api/v1/workspaces/{id}/exec", {"argv": "ls"}, 422, "invalid-input", "argv", ("ls", "list")
    ),
    "stdin is not base64": Case(
        "POST /api/v1/workspaces/{id}/exec", {"argv": ["ls"], "stdin": "é"}, 422, "invalid-input", "stdin", ("base64",)
    ),
    "not running": Case(
        "POST /api/v1/workspaces/{id}/exec", {"argv": ["ls"]}, 409, "not-running", "", ("starting", "Start")
    ),
    "unknown part": Case("GET /api/v1/workspaces/{id}/logs?part=x", None, 422, "invalid-input", "part", ("'x'", "lab")),
    "wait for nonsense": Case(
        "GET /api/v1/workspaces/{id}?wait=done", None, 422, "invalid-input", "wait", ("done", "running, stopping")
    ),
    "limit of the list": Case("GET /api/v1/workspaces?limit=0", None, 422, "invalid-input", "limit", ("0", "1 to 200")),
    "limit is a word": Case("GET /api/v1/workspaces?limit=x", None, 422, "invalid-input", "limit", ("x", "1 to 200")),
    "cursor": Case("GET /api/v1/workspaces?after=x", None, 422, "invalid-input", "after", ("`next`",)),
    "cursor of a giant": Case(
        # [10**30, "ws-..."], as somebody might make one
        "GET /api/v1/workspaces?after=WzEwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAsICJ3cyJd",
        None,
        422,
        "invalid-input",
        "after",
        ("`next`",),
    ),
    "unknown workspace": Case("GET /api/v1/workspaces/nowhere", None, 404, "not-found", "", ("nowhere", "list")),
    "wrong confirmation": Case(
        "DELETE /api/v1/volumes/{volume}", {"confirm": "yes"}, 422, "invalid-input", "confirm", ("yes", "here")
    ),
    "no confirmation": Case("DELETE /api/v1/volumes/{volume}", {}, 422, "invalid-input", "confirm", ("confirm",)),
    "volume in use": Case(
        "DELETE /api/v1/volumes/{volume}", {"confirm": "here"}, 409, "volume-in-use", "", ("here", "Delete")
    ),
    "token for ever": Case(
        "POST /api/v1/tokens",
        {"name": "a", "expires_days": 91},
        422,
        "invalid-input",
        "expires_days",
        ("91", "1 to 90"),
    ),
    "token for half a day": Case(
        "POST /api/v1/tokens",
        {"name": "a", "expires_days": 0.5},
        422,
        "invalid-input",
        "expires_days",
        ("0.5", "whole"),
    ),
    "token for infinity": Case(
        "POST /api/v1/tokens", b'{"name": "a", "expires_days": 1e999}', 422, "invalid-input", "expires_days", ("whole",)
    ),
    "unknown scope": Case(
        "POST /api/v1/tokens", {"name": "a", "scopes": ["all"]}, 422, "invalid-input", "scopes", ("all", "read")
    ),
    "unknown role": Case(
        "PATCH /api/v1/people/{person}",
        {"role": "owner"},
        422,
        "invalid-input",
        "role",
        ("owner", "administrator, member"),
    ),
    "unknown person": Case("PATCH /api/v1/people/pe-x", {"disabled": True}, 404, "not-found", "", ("no such person",)),
    "the last administrator": Case(
        "PATCH /api/v1/people/{root}",
        {"disabled": True},
        409,
        "last-administrator",
        "",
        ("Root", "administrator first"),
    ),
    "one half of a person": Case(
        "PATCH /api/v1/people/{root}", {"role": "member", "disabled": False}, 409, "last-administrator", "", ("Root",)
    ),
    "not separated": Case(
        "POST /api/v1/invitations", {}, 409, "not-separated", "", ("Invitations are off", "bubblewrap")
    ),
    "bad JSON": Case(CREATE, b'{"name": ', 422, "invalid-input", "body", ("not valid JSON", "one JSON object")),
    "not UTF-8": Case(CREATE, b'{"name": "\xff"}', 422, "invalid-input", "body", ("not valid JSON",)),
    "not an object": Case(CREATE, b"[1]", 422, "invalid-input", "body", ("not an object",)),
    "endless nesting": Case(CREATE, b"[" * 200_000, 422, "invalid-input", "body", ("not valid JSON",)),
    "too much": Case(
        CREATE, b'{"name": "' + b"x" * LIMIT + b'"}', 413, "body-too-large", "body", ("too large", "4 MB")
    ),
    "nothing there": Case("GET /api/v1/nowhere", None, 404, "not-found", "", ("nothing at this address",)),
    "wrong method": Case("DELETE /api/v1/workspaces", None, 405, "method-not-allowed", "", ("does not take",)),
}


@pytest.fixture
def root(world: World) -> Browser:
    return world.browser("Root", Role.ADMINISTRATOR)


def things(world: World, root: Browser) -> dict[str, str]:
    """What the addresses of the cases name; `stopped` may be resized."""
    me = root.caller
    row = world.workload(me.person, "here")
    world.workload(me.person, "taken")
    stopped = world.workload(me.person, "stopped")
    workloads.stop(world.store, by(me, NOW), stopped.id)
    cluster = world.workload(me.person, "cluster", "cluster")
    person = world.person("Ada").person
    ids = {"id": row.id, "stopped": stopped.id, "cluster": cluster.id, "volume": str(row.volume)}
    return {**ids, "person": person, "root": me.person}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_bad_input_is_named_and_changes_nothing(case: Case, world: World, root: Browser) -> None:
    ids = things(world, root)
    method, _, path = case.request.partition(" ")
    raw = (
        case.body if isinstance(case.body, bytes) else json.dumps(case.body).encode() if case.body is not None else b""
    )
    headers = {**root.headers(changes=True), **({"Content-Type": "application/json"} if raw else {})}
    before = world.dump()
    async with world.http() as http:
        answer = await http.request(method, path.format(**ids), content=raw, headers=headers)
    assert world.dump() == before
    said = problem(answer)
    assert (said["status"], said["code"], said["field"]) == (case.status, case.code, case.field), said
    whole = f"{said['title']} {said['hint']} {said['subject']}"
    assert [word for word in case.says if word not in whole] == []
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_refusals_say_how_to_go_on(world: World, root: Browser) -> None:
    nobody = await world.ask(None, "GET", "/api/v1/me")
    assert (problem(nobody)["code"], nobody.headers["www-authenticate"]) == ("not-signed-in", 'Bearer realm="roost"')
    dead = await world.ask(Program(root.caller, "rst_x"), "GET", "/api/v1/me")
    assert problem(dead)["code"] == "token-invalid"
    limited = await world.ask(world.program("Ada", "read"), "POST", "/api/v1/workspaces", {"name": "a"})
    assert problem(limited)["code"] == "scope-missing"
    assert "workspaces" in problem(limited)["title"]
    member = await world.ask(world.program("Ada"), "GET", "/api/v1/people")
    assert problem(member)["code"] == "forbidden"


async def test_an_expired_link_says_so(world: World, root: Browser) -> None:
    code, _ = invitations.invite(world.store, root.caller, now_us=NOW)
    world.now_us = NOW + 8 * DAY
    before = world.dump()
    async with world.http() as http:
        answer = await http.get(f"/join/{code}")
        said = problem(answer)
        sent = await http.post(f"/join/{code}", data={"name": "Eve"}, headers={"Origin": world.settings.origin})
    assert (answer.status_code, said["code"]) == (404, "link-expired")
    assert "Ask an administrator" in said["hint"]
    assert problem(sent)["code"] == "link-expired"
    assert world.dump() == before


async def test_a_body_that_never_ends_is_not_held(world: World, root: Browser) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 64 * LIMIT:
            sent += 1 << 20
            yield b"x" * (1 << 20)

    headers = {**root.headers(changes=True), "Content-Type": "application/json"}
    async with world.http() as http:
        answer = await http.post("/api/v1/workspaces", content=endless(), headers=headers)
    assert problem(answer)["code"] == "body-too-large"
    assert sent <= LIMIT + (2 << 20)


async def test_a_failure_of_ours_is_told_without_its_cause(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def fails(_request: Any) -> Any:
        raise ZeroDivisionError("the secret cause")

    world.app.router.routes.append(Route("/api/v1/fails", fails))
    async with world.http(failures_raise=False) as http:
        answer = await http.get("/api/v1/fails")
    assert problem(answer)["code"] == "internal"
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "the secret cause" in caplog.text
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY


async def test_a_hundred_retries_at_once_make_one_thing(world: World) -> None:
    ada = world.program("Ada")
    asked = [world.ask(ada, "POST", "/api/v1/workspaces", {"name": "once"}, Idempotency_Key="k") for _ in range(100)]
    answers = await asyncio.gather(*asked)
    assert sorted(answer.status_code for answer in answers) == [200] * 99 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = await world.ask(ada, "POST", "/api/v1/workspaces", {"name": "twice"}, Idempotency_Key="k")
    assert (problem(other)["code"], other.status_code) == ("idempotency-key-reused", 422)
    listed = await world.ask(ada, "GET", "/api/v1/workspaces")
    assert [item["name"] for item in listed.json()["items"]] == ["once"]
    for key in ("", "k" * 121):
        bad = await world.ask(ada, "POST", "/api/v1/workspaces", {"name": "x"}, Idempotency_Key=key)
        assert problem(bad)["field"] == "Idempotency-Key"
        assert "1 to 120" in problem(bad)["hint"]


def test_every_error_has_a_status_of_its_class() -> None:
    def below(kind: type[RoostError]) -> set[type[RoostError]]:
        return {kind}.union(*(below(child) for child in kind.__subclasses__()))

    assert {kind for kind in below(RoostError) if kind.__module__ == RoostError.__module__} <= set(STATUS)


async def test_a_way_leads_only_to_hosts_of_workloads(world: World, root: Browser) -> None:
    id = world.workload(root.caller.person, "mine").id
    for label in (
        f"evil.example%3Fx-{id}",
        f"evil.example%23{id}",
        f"p99999-{id}",
        f"p0-{id}",
        f"x-{id}",
        f"{id}.evil",
    ):
        answer = await world.ask(root, "GET", f"/enter/{label.format(id)}?nonce=x")
        assert answer.status_code == 404, label
        assert "location" not in answer.headers
    for label in (id, f"p8050-{id}"):
        answer = await world.ask(root, "GET", f"/enter/{label}?nonce=x")
        assert answer.headers["location"].startswith(world.settings.workload_origin(label) + "/.roost/enter?")


async def test_members_see_how_much_runs_and_not_what(world: World, root: Browser) -> None:
    world.workload(root.caller.person, "secret plan")
    eve = world.browser("Eve")
    told = (await world.ask(eve, "GET", "/api/v1/machine")).json()
    assert (told["workloads"], told["others"], told["strangers"]) == ([], 1, [])
    assert [item["name"] for item in (await world.ask(root, "GET", "/api/v1/machine")).json()["workloads"]] == [
        "secret plan"
    ]


@pytest.mark.parametrize("hours", ["1e400", "9" * 400, "-1"])
async def test_numbers_without_end_are_refused(world: World, root: Browser, hours: str) -> None:
    row = world.workload(root.caller.person, "mine")
    async with world.http() as http:
        answer = await http.post(
            f"/api/v1/workspaces/{row.id}/extend",
            content=f'{{"hours": {hours}}}',
            headers={**root.headers(changes=True), "Content-Type": "application/json"},
        )
    assert (answer.status_code, problem(answer)["field"]) == (422, "hours")

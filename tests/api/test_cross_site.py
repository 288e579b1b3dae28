"""Changes that another site makes a browser ask for: every unsafe route x where it comes from x what it carries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import pytest
from tests.api.asking import thing
from tests.api.world import Browser, World, endpoints, world_at

from roost.model.access import Role

OWN = "http://localhost:8000"
ABSENT = None
ORIGINS = (
    OWN,
    "null",
    f"{OWN}.evil.example",
    "http://localhost:80001",
    "http://localhost",
    "https://localhost:8000",
    "http://ws-aaaaaaaaaaaaaaaaaaaaaaaaaa.roost.localhost:8000",
    ABSENT,
)
SITES = ("same-origin", "same-site", "cross-site", "none", ABSENT)
#: The only ways in: our own page says so by each header that it sends, and by one at least.
OURS = {(OWN, "same-origin"), (OWN, ABSENT), (ABSENT, "same-origin")}
TYPES = (
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain",
    "multipart/form-data; boundary=x",
    ABSENT,
)
PUBLIC = ("/sign-in", "/sign-out", "/join/{code}")
APART = ("/internal/",)  # signed by the data plane; has a test of its own


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = world_at(tmp_path_factory.mktemp("home"))
    yield made
    made.close()


@pytest.fixture
def root(world: World) -> Browser:
    return world.browser("Root", Role.ADMINISTRATOR)


def unsafe(world: World) -> list[str]:
    return [f"{m} {p}" for m, p in endpoints(world.app) if m not in ("GET", "HEAD") and not p.startswith(APART)]


def address(world: World, root: Browser, route: str) -> tuple[str, str]:
    """Method and path of a request that changes something of the administrator's own."""
    method, _, path = route.partition(" ")
    plural = path.partition("/{id}")[0].rpartition("/")[2]
    id = thing(world, plural, root.caller, deleted=path.endswith("/restore")) if "{id}" in path else ""
    return method, path.replace("{id}", id).replace("{code}", "x")


def given(**headers: str | None) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items() if value is not None}


async def told(world: World, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> tuple[int, str]:
    """Status, and the code of the refusal where there is one."""
    async with world.http() as http:
        answer = await http.request(method, path, headers=headers, content=body)
    refusal = answer.headers.get("content-type") == "application/problem+json"
    return answer.status_code, answer.json()["code"] if refusal else ""


async def test_only_our_own_pages_may_ask_for_a_change(world: World, root: Browser) -> None:
    faults = []
    for route in unsafe(world):
        method, path = address(world, root, route)
        before = world.dump()
        combinations = [pair for pair in itertools.product(ORIGINS, SITES) if pair not in OURS]
        for origin, site in combinations:
            headers = given(Cookie=root.cookie, Origin=origin, Sec_Fetch_Site=site, X_Roost_Csrf=root.csrf)
            if (found := await told(world, method, path, headers)) != (403, "cross-site"):
                faults.append(f"{route} from {origin}, {site}: {found}")
        if world.dump() != before:
            faults.append(f"{route} changed something")
    assert faults == []


async def test_our_own_pages_are_let_in_by_each_header_that_browsers_send(world: World) -> None:
    faults = []
    for route, (origin, site) in itertools.product(unsafe(world), OURS):
        root = world.browser("Root", Role.ADMINISTRATOR)  # some of these end the session that asks
        method, path = address(world, root, route)
        headers = given(Cookie=root.cookie, Origin=origin, Sec_Fetch_Site=site, X_Roost_Csrf=root.csrf)
        status, code = await told(world, method, path, headers)
        if code in ("cross-site", "csrf-token") or (status in (401, 403) and path not in PUBLIC):
            faults.append(f"{route} from {origin}, {site}: {status} {code}")
    assert faults == []


async def test_a_change_carries_the_token_of_its_session(world: World, root: Browser) -> None:
    other = world.browser("Root", Role.ADMINISTRATOR)
    faults = []
    for route in unsafe(world):
        method, path = address(world, root, route)
        before = world.dump()
        for word, token in (("wrong", "0" * 64), ("none", None), ("other", other.csrf), ("odd", "\xff")):
            headers = {**given(Cookie=root.cookie, Origin=OWN), **({"X-Roost-Csrf": token} if token else {})}
            encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
            found = await told(world, method, path, encoded)  # type: ignore[arg-type]
            if found != (403, "csrf-token"):
                faults.append(f"{route} with {word} token: {found}")
        if world.dump() != before:
            faults.append(f"{route} changed something")
    assert faults == []


async def test_the_api_takes_json_alone(world: World, root: Browser) -> None:
    faults = []
    for route in [route for route in unsafe(world) if "/api/" in route]:
        method, path = address(world, root, route)
        before = world.dump()
        for kind in TYPES[1:]:
            headers = given(Cookie=root.cookie, Origin=OWN, X_Roost_Csrf=root.csrf, Content_Type=kind)
            found = await told(world, method, path, headers, b'{"name": "x"}')
            if found != (422, "json-only"):
                faults.append(f"{route} as {kind}: {found}")
        if world.dump() != before:
            faults.append(f"{route} changed something")
    assert faults == []


async def test_a_form_carries_the_token_in_itself(world: World, root: Browser) -> None:
    other = world.browser("Root", Role.ADMINISTRATOR)
    faults = []
    forms = [route for route in unsafe(world) if "/api/" not in route]
    for route in sorted(forms, key=lambda route: "sign-out" in route):  # it ends the session that asks
        method, path = address(world, root, route)
        before = world.dump()
        for kind, token in itertools.product(TYPES, (root.csrf, other.csrf, "", None)):
            if (kind, token) == (TYPES[1], root.csrf):
                continue
            body = f"csrf={token}".encode() if token is not None else b""
            headers = given(Cookie=root.cookie, Origin=OWN, Content_Type=kind)
            if (found := await told(world, method, path, headers, body)) != (403, "csrf-token"):
                faults.append(f"{route} as {kind}: {found}")
        if world.dump() != before:
            faults.append(f"{route} changed something")
        good = given(Cookie=root.cookie, Origin=OWN, Content_Type=TYPES[1])
        status, _ = await told(world, method, path, good, f"csrf={root.csrf}".encode())
        if status == 403:
            faults.append(f"{route} refused its own form")
    assert faults == []


async def test_nobody_is_signed_in_from_elsewhere(world: World) -> None:
    """Without a session there is no token to check, and still another site may not sign its visitors in."""
    for path, (origin, site) in itertools.product(PUBLIC, itertools.product(ORIGINS, SITES)):
        status, code = await told(world, "POST", path.replace("{code}", "x"), given(Origin=origin, Sec_Fetch_Site=site))
        assert (code == "cross-site") == ((origin, site) not in OURS), (path, origin, site, status)


async def test_a_token_needs_no_page_and_wins_over_a_cookie(world: World, root: Browser) -> None:
    ada = world.program("Ada")
    headers = {**ada.headers(changes=True), "Cookie": root.cookie, "Origin": "https://evil.example"}
    async with world.http() as http:
        made = await http.post("/api/v1/workspaces", json={"name": "by token"}, headers=headers)
    assert (made.status_code, made.json()["owner"]) == (201, ada.caller.person)


async def test_the_origins_of_a_platform_on_a_domain(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = world_at(tmp_path_factory.mktemp("home"), domain="roost.example", behind_tls_proxy=True)
    ada = world.browser("Ada")
    for origin, passes in (
        ("https://roost.example", True),
        ("http://roost.example", False),
        ("http://localhost:8000", False),
        ("https://ws-x.roost.roost.example", False),
    ):
        headers = given(Cookie=ada.cookie, Origin=origin, X_Roost_Csrf=ada.csrf)
        status, _ = await told(world, "POST", "/api/v1/workspaces", {**headers}, b"")
        assert (status == 403) != passes, origin
    plain = ada.cookie.removeprefix("__Host-")  # what a workload's page could set for its parent domain
    assert (await told(world, "GET", "/api/v1/me", {"Cookie": plain}))[0] == 401
    assert (await told(world, "GET", "/api/v1/me", {"Cookie": ada.cookie}))[0] == 200
    world.close()


async def test_the_data_plane_is_known_by_its_signature_alone(world: World, root: Browser) -> None:
    from roost.model.tickets import internal_signature

    signature = internal_signature(world.platform.ticket_key)
    report = b'{"workloads": {"ws-aaaaaaaaaaaaaaaaaaaaaaaaaa": {"last_us": 5, "connections": 1}}}'
    kind = {"Content-Type": "application/json"}
    for wrong in ({}, {"X-Roost-Internal": "0" * 64}, {"X-Roost-Internal": "\xe9"}, root.headers(changes=True)):
        encoded = {name.encode(): value.encode("latin-1") for name, value in {**kind, **wrong}.items()}
        assert (await told(world, "POST", "/internal/activity", encoded, report))[0] == 404  # type: ignore[arg-type]
    assert world.platform.live.activity == {}
    headers = {**kind, "X-Roost-Internal": signature}
    assert (await told(world, "POST", "/internal/activity", headers, report))[0] == 200
    assert world.platform.live.activity["ws-aaaaaaaaaaaaaaaaaaaaaaaaaa"].connections == 1

"""Signing in and out by the pages, the headers of every answer, and secrets that stay where they belong."""

from __future__ import annotations

import http.cookies
import logging
import re
from pathlib import Path

import httpx
import pytest
from tests.api.world import World, endpoints, world_at
from tests.store.making import HOUR, NOW

from roost.api.headers import CONTENT_SECURITY_POLICY
from roost.model.access import Role
from roost.model.tickets import hash_secret, session_cookie
from roost.runtimes.base import Capability
from roost.services import invitations, passwords

PASSWORD = "canary password of nobody"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_0) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Safari/605.1.15"
)
#: Read from security.md, not from the code.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
}


@pytest.fixture
def ada(world: World) -> str:
    """A person with a password."""
    return world.person("Ada", Role.ADMINISTRATOR, passwords.hash_password(PASSWORD)).person


async def sign_in(world: World, agent: str = CHROME, password: str = PASSWORD, **form: str) -> httpx.Response:
    headers = {"Origin": world.settings.origin, "User-Agent": agent, "X-Forwarded-For": "192.0.2.7"}
    async with world.http() as http:
        return await http.post("/sign-in", data={"name": "ada", "password": password, **form}, headers=headers)


def cookie_of(answer: httpx.Response) -> http.cookies.Morsel[str]:
    jar: http.cookies.SimpleCookie = http.cookies.SimpleCookie(answer.headers["set-cookie"])
    (morsel,) = jar.values()
    return morsel


async def me(world: World, cookie: http.cookies.Morsel[str]) -> int:
    async with world.http() as http:
        return (await http.get("/api/v1/me", headers={"Cookie": f"{cookie.key}={cookie.value}"})).status_code


@pytest.mark.parametrize(("agent", "prefixed"), [(CHROME, True), (SAFARI, False)])
async def test_the_cookie_of_a_session(world: World, ada: str, agent: str, prefixed: bool) -> None:
    answer = await sign_in(world, agent)
    cookie = cookie_of(answer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert cookie.key == session_cookie(world.settings.instance, prefixed)
    assert cookie.key.startswith("__Host-") == prefixed
    assert (cookie["path"], cookie["samesite"].lower(), cookie["domain"]) == ("/", "lax", "")
    assert (bool(cookie["httponly"]), bool(cookie["secure"])) == (True, prefixed)
    assert len(cookie.value) >= 43  # 256 bits
    assert await me(world, cookie) == 200


async def test_over_tls_the_cookie_is_prefixed_for_every_browser(tmp_path: Path) -> None:
    world = world_at(tmp_path, domain="roost.example", behind_tls_proxy=True)
    world.person("Ada", Role.MEMBER, passwords.hash_password(PASSWORD))
    answer = await sign_in(world, SAFARI)
    assert cookie_of(answer).key.startswith("__Host-")
    assert cookie_of(answer)["secure"]
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    world.close()


async def test_a_session_ends_by_signing_out_by_rest_and_by_age(world: World, ada: str) -> None:
    cookie = cookie_of(await sign_in(world))
    async with world.http() as http:
        page = await http.get("/", headers={"Cookie": f"{cookie.key}={cookie.value}", "Accept": "text/html"})
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)
        assert found
        headers = {"Cookie": f"{cookie.key}={cookie.value}", "Origin": world.settings.origin}
        out = await http.post("/sign-out", data={"csrf": found[1]}, headers=headers)
    assert out.status_code == 303
    assert any('=""' in line and "Max-Age=0" in line for line in out.headers.get_list("set-cookie"))
    assert await me(world, cookie) == 401
    resting = cookie_of(await sign_in(world))
    world.now_us = NOW + 12 * HOUR
    assert await me(world, resting) == 401
    busy = cookie_of(await sign_in(world))
    began = world.now_us
    for step in range(1, 18):
        world.now_us = began + step * 10 * HOUR
        assert await me(world, busy) == (200 if step * 10 < 7 * 24 else 401)


async def test_only_ways_within_the_platform_are_gone_on_to(world: World, ada: str) -> None:
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "/\t/evil.example", "javascript:x"):
        assert (await sign_in(world, next=target)).headers["location"] == "/", target
    assert (await sign_in(world, next="/workspaces?q=a")).headers["location"] == "/workspaces?q=a"


async def test_a_guess_is_slowed_down_and_the_right_word_does_not_help_then(world: World, ada: str) -> None:
    for _ in range(10):
        assert (await sign_in(world, password="wrong word")).status_code == 401
    assert (await sign_in(world)).status_code == 429
    world.now_us += 16 * 60 * 1_000_000
    assert (await sign_in(world)).status_code == 303


async def test_every_answer_carries_the_headers(world: World) -> None:
    root = world.browser("Root", Role.ADMINISTRATOR)
    assert HEADERS["content-security-policy"] == CONTENT_SECURITY_POLICY
    wrong = []
    for method, path in [*endpoints(world.app), ("GET", "/nowhere"), ("TRACE", "/"), ("OPTIONS", "/api/v1/me")]:
        if path == "/api/v1/stream":
            continue  # never ends; see test_stream
        for headers in ({}, root.headers(changes=False), {"Accept": "text/html"}):
            async with world.http() as http:
                answer = await http.request(method, path, headers=headers)
            missing = {name for name, value in HEADERS.items() if answer.headers.get(name) != value}
            cached = "cache-control" not in answer.headers
            if missing or cached or answer.status_code >= 500:
                wrong.append((method, path, answer.status_code, missing))
    assert wrong == []


async def test_secrets_are_in_no_log_and_no_file(
    world: World, ada: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.WARNING, "httpx")  # the test's own client writes down where it goes
    cookie = cookie_of(await sign_in(world))
    await sign_in(world, password="wrong canary word")
    browser = world.browser("Ada")
    token = (await world.ask(browser, "POST", "/api/v1/tokens", {"name": "t"})).json()["token"]
    await world.ask(world.program("Ada"), "GET", "/api/v1/me")
    code, _ = invitations.invite(world.store, browser.caller, now_us=world.now_us)
    async with world.http(failures_raise=False) as http:
        origin = {"Origin": world.settings.origin}
        await http.post(f"/join/{code}", data={"name": "Bob", "password": "short1"}, headers=origin)
        await http.post(f"/join/{code}", data={"name": "Bob", "password": "another canary word"}, headers=origin)
        await http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}x"})
    secrets = (PASSWORD, "wrong canary word", "another canary word", cookie.value, token, code)
    written = b"".join(path.read_bytes() for path in world.settings.home.glob("roost.db*"))
    said = caplog.text.encode() + "".join(capfd.readouterr()).encode()
    for secret in secrets:
        assert secret.encode() not in written
        assert secret.encode() not in said
    for secret in (cookie.value, token, code):
        assert hash_secret(secret).encode() in written


async def test_what_people_type_into_the_name_by_mistake_is_not_kept(world: World, ada: str) -> None:
    await sign_in(world, name=PASSWORD)
    assert PASSWORD.encode() not in b"".join(path.read_bytes() for path in world.settings.home.glob("roost.db*"))


async def test_where_people_are_separated_a_link_makes_one_person(world: World) -> None:
    root = world.browser("Root", Role.ADMINISTRATOR)
    off = await world.ask(root, "POST", "/api/v1/invitations", {})
    assert (off.status_code, off.json()["code"]) == (409, "not-separated")
    world.platform.runtime.capabilities |= {Capability.SEPARATES_PEOPLE}
    made = (await world.ask(root, "POST", "/api/v1/invitations", {"email_hint": "bob@example.org"})).json()
    path = made["url"].removeprefix(world.settings.origin)
    form = {"name": "Bob", "password": "a password of five words"}
    async with world.http() as http:
        origin = {"Origin": world.settings.origin, "User-Agent": CHROME}
        assert (await http.get(path)).status_code == 200
        joined = await http.post(path, data=form, headers=origin)
        assert (joined.status_code, await me(world, cookie_of(joined))) == (303, 200)
        again = await http.post(path, data={**form, "name": "Eve"}, headers=origin)
    assert (again.status_code, again.json()["code"]) == (404, "link-used")
    listed = (await world.ask(root, "GET", "/api/v1/people")).json()
    assert ([row["name"] for row in listed["items"]], listed["invitations"]) == (["Bob", "Root"], [])

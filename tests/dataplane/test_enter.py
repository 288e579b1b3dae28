"""Signing in on a workload's host: its redirects lead to the platform or to the same host, never elsewhere."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dataplane.world import ADAS_SECRET, BOBS_SECRET, KEY, OTHER, WORKSPACE, Reply, World, now_us, world

from roost.model.targets import local_path
from roost.model.tickets import hash_secret, issue_code, nonce_cookie

BROWSER = ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document", "Sec-Fetch-Site: none", "Accept: text/html")
SAFARI = "User-Agent: Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15"


def code(nonce: str, *, secret: str = ADAS_SECRET, label: str = WORKSPACE, at_us: int | None = None) -> str:
    return issue_code(
        KEY,
        session_key=hash_secret(secret),
        workload_host=f"{label}.roost.localhost",
        nonce_hash=hash_secret(nonce),
        now_us=now_us() if at_us is None else at_us,
    )


async def enter(plane: World, code: str, nonce: str, next: str = "/lab", *lines: str) -> Reply:
    cookie = f"Cookie: {nonce_cookie(plane.instance, True)}={nonce}"
    target = f"/.roost/enter?code={quote(code, safe='')}&next={quote(next, safe='')}"
    return await plane.ask(f"GET {target}", cookie, *BROWSER, *lines, auth=False)


async def test_the_whole_way_in(plane: World) -> None:
    first = await plane.ask("GET /lab/tree/x?y=1&z", *BROWSER, auth=False)
    assert first.status == 302
    there = urlsplit(first.header("location") or "")
    assert f"{there.scheme}://{there.netloc}" == plane.settings.origin
    assert there.path == f"/enter/{WORKSPACE}"
    query = parse_qs(there.query)
    assert query["next"] == ["/lab/tree/x?y=1&z"]
    cookie = first.header("set-cookie") or ""
    nonce = re.fullmatch(r"(.+)=([\w-]{43}); Path=/; Max-Age=3600; HttpOnly; SameSite=Lax; Secure", cookie)
    assert nonce is not None
    assert nonce[1] == nonce_cookie(plane.instance, True)
    assert query["nonce"] == [hash_secret(nonce[2])]

    back = await enter(plane, code(nonce[2]), nonce[2], query["next"][0])
    assert (back.status, back.header("location")) == (302, "/lab/tree/x?y=1&z")
    ticket = re.fullmatch(
        r"(__Host-roost-ticket-[0-9a-f]{8}=\S+); Path=/; HttpOnly; SameSite=Lax; Secure", back.all("set-cookie")[0]
    )
    assert ticket is not None
    assert (await plane.ask("GET /lab", f"Cookie: {ticket[1]}", auth=False)).status == 200
    assert (await plane.ask("GET /", f"Cookie: {ticket[1]}", label=OTHER, auth=False)).status == 401
    assert back.header("cache-control") == "no-store"


async def test_safari_on_plain_http_gets_plain_cookies(plane: World) -> None:
    first = await plane.ask("GET /", *BROWSER, SAFARI, auth=False)
    cookie = first.header("set-cookie") or ""
    assert cookie.startswith(f"roost-nonce-{plane.instance}=")
    assert "Secure" not in cookie
    nonce = cookie.partition("=")[2].partition(";")[0]
    target = f"/.roost/enter?code={code(nonce)}&next=/"
    back = await plane.ask(f"GET {target}", f"Cookie: roost-nonce-{plane.instance}={nonce}", SAFARI, auth=False)
    ticket = back.all("set-cookie")[0].partition(";")[0]
    assert ticket.startswith(f"roost-ticket-{plane.instance}=")
    assert (await plane.ask("GET /", f"Cookie: {ticket}", SAFARI, auth=False)).status == 200
    assert (await plane.ask("GET /", f"Cookie: {ticket}", auth=False)).status == 401  # another browser's names


async def test_a_second_tab_keeps_the_nonce_of_the_first(plane: World) -> None:
    held = "n" * 43
    again = await plane.ask("GET /", f"Cookie: {nonce_cookie(plane.instance, True)}={held}", *BROWSER, auth=False)
    assert f"={held};" in (again.header("set-cookie") or "")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Accept: application/json",),
        ("Sec-Fetch-Mode: cors", "Sec-Fetch-Dest: empty", "Accept: text/html"),
        ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "Accept: text/html"),
        ("Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"),
    ],
)
async def test_only_navigations_are_redirected(plane: World, lines: tuple[str, ...]) -> None:
    assert (await plane.ask("GET /", *lines, auth=False)).status == 401
    assert (await plane.ask("POST /", *BROWSER, "Content-Length: 0", auth=False)).status == 401


async def test_a_code_works_once_here_now_and_with_its_nonce(plane: World) -> None:
    good = code("n")
    assert (await enter(plane, good, "n")).status == 302
    assert (await enter(plane, good, "n")).status == 400
    assert (await enter(plane, code("n"), "other")).status == 400
    assert (await enter(plane, code("n"), "")).status == 400
    assert (await enter(plane, code("n", label=OTHER), "n")).status == 400
    assert (await enter(plane, code("n", at_us=now_us() - 31_000_000), "n")).status == 400
    assert (await enter(plane, good[:-1], "n")).status == 400
    assert (await enter(plane, "", "n")).status == 400
    assert (await enter(plane, "%00\n", "n")).status == 400
    assert (await enter(plane, code("n", secret=BOBS_SECRET), "n")).status == 403
    assert (await enter(plane, code("n", secret="nobody"), "n")).status == 401


async def test_a_session_made_a_moment_ago_is_looked_up_again(plane: World) -> None:
    """The store's poll may be behind the redirect: what is unknown is asked for once more before saying no."""
    key = hash_secret(ADAS_SECRET)
    row = plane.view.sessions.pop(key)
    refresh = plane.view.refresh

    def late() -> frozenset[str]:
        plane.view.sessions[key] = row
        return refresh()

    plane.view.refresh = late  # type: ignore[method-assign]
    plane.door._refreshed_at = 0.0
    assert (await enter(plane, code("n"), "n")).status == 302


async def test_a_revoked_session_cannot_enter(plane: World) -> None:
    key = hash_secret(ADAS_SECRET)
    plane.view.sessions[key] = replace(plane.view.sessions[key], revoked=True)
    assert (await enter(plane, code("n"), "n")).status == 401


HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nSet-Cookie: a=b",
    "\t//evil.example",
    " //evil.example",
    "https://evil.example",
    "https:evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/%0d%0aSet-Cookie:a=b\r\n",
    "//user@evil.example",
    "http://localhost@evil.example",
    "//еvil.example",
    "/ü",
    "/。/evil",
    "//[::1]/",
    "",
    "evil.example",
    "?x",
    "/\x00/evil.example",
    "/\x7f",
    "/a\\b",
]


@pytest.mark.parametrize("next", HOSTILE)
async def test_hostile_targets_lead_home(plane: World, next: str) -> None:
    back = await enter(plane, code("n"), "n", next)
    assert (back.status, back.header("location")) == (302, "/")
    assert len(back.all("set-cookie")) == 1


PIECES = st.sampled_from(
    ["/", "\\", "\t", "\n", "\r", ".", "..", "@", ":", "%2f", "%5c", "evil.example", "http", "?", "#", "ａ", "x"]
)


@given(text=st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=8).map("".join)))
def test_any_target_stays_on_its_host(text: str) -> None:
    """Resolved as the URL standard says: tabs and line ends go, backslashes are slashes, blanks at the ends go."""
    path = local_path(text)
    seen = re.sub(r"[\t\r\n]", "", path.strip("".join(map(chr, range(33))))).replace("\\", "/")
    assert seen == path
    assert path.startswith("/")
    assert not path.startswith("//")
    assert path.isascii()
    assert path in (text, "/")


@pytest.mark.parametrize("target", ["//evil.example/x", "/.roost/enter?code=x", "/.roost/status"])
async def test_what_a_browser_asked_for_is_not_always_where_it_returns(plane: World, target: str) -> None:
    reply = await plane.ask(f"GET {target}", *BROWSER, auth=False)
    if reply.status == 302:
        assert parse_qs(urlsplit(reply.header("location") or "").query)["next"] == ["/"]
    else:
        assert reply.status == 400


async def test_over_tls_cookies_are_secure_for_every_browser() -> None:
    async with world(behind_tls_proxy=True, domain="roost.example") as plane:
        raw = plane.head("GET /", *BROWSER, SAFARI, "Connection: close", auth=False)
        raw = raw.replace(plane.host().encode(), f"{WORKSPACE}.roost.roost.example".encode())
        answer = (await plane.talk(raw)).decode()
        assert f"Location: https://roost.example/enter/{WORKSPACE}?" in answer
        assert f"Set-Cookie: __Host-roost-nonce-{plane.instance}=" in answer
        assert "; Secure" in answer

"""Who may pass, and what an upstream may see of them: nothing that belongs to the platform."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import pytest
from tests.dataplane.world import (
    ADA,
    ADAS_SECRET,
    ADAS_TOKEN,
    BOB,
    BOBS_SECRET,
    BOBS_TOKEN,
    CLUSTER,
    OTHER,
    WORKSPACE,
    World,
    session,
    world,
)

from roost.model.tickets import hash_secret, issue_ticket, nonce_cookie, session_cookie, ticket_cookie

SECRETS = (ADAS_SECRET, BOBS_SECRET, ADAS_TOKEN, BOBS_TOKEN, "rst_", "roost-", hash_secret(ADAS_SECRET))


async def test_no_platform_credential_reaches_a_workload(plane: World) -> None:
    ticket = plane.ticket()
    cookies = [
        "_xsrf=2|a",
        ticket,
        plane.session_cookie(),
        f"{session_cookie(plane.instance, False)}={ADAS_SECRET}",
        f"{ticket_cookie(plane.instance, False)}={ticket.partition('=')[2]}",
        f"{nonce_cookie(plane.instance, True)}=secretnonce",
        f"{session_cookie('89abcdef', True)}={BOBS_SECRET}",
        "username-x=1",
    ]
    await plane.ask("GET /a", f"Cookie: {'; '.join(cookies)}", auth=False)
    await plane.ask("GET /b", f"Authorization: Bearer {ADAS_TOKEN}", auth=False)
    await plane.ask("GET /c", f"authorization: bEaReR  {ADAS_TOKEN}", f"Cookie: {ticket}", auth=False)
    _, writer, head = await plane.websocket()
    assert b" 101 " in head
    writer.close()
    assert [seen.target for seen in plane.workload.seen] == ["/a", "/b", "/c", "/ws"]
    for seen, secret in itertools.product(plane.workload.seen, SECRETS):
        assert secret not in seen.text, seen.target
    assert plane.workload.seen[0].header("cookie") == "_xsrf=2|a; username-x=1"
    assert plane.workload.seen[1].header("cookie") is None


async def test_other_authorization_passes_through(plane: World) -> None:
    await plane.ask("GET /", "Authorization: token jupyters-own")
    assert plane.workload.seen[0].header("authorization") == "token jupyters-own"


LOOKALIKES = [
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /evil",
    "X_Forwarded_For: 6.6.6.6",
    "X-Forwarded_For: 6.6.6.6",
    "X.Forwarded.For: 6.6.6.6",
    "Forwarded: for=6.6.6.6",
    "X-Real-IP: 6.6.6.6",
    "X-Roost-User: admin",
    "X_Roost_User: admin",
    "x-roost-internal: 6.6.6.6",
    "Remote-User: admin",
    "REMOTE_USER: admin",
    "X-Remote-User: admin",
    "X-Auth-Request-Email: admin",
    "X-Forwarded-User: admin",
    "Proxy: http://evil.example",
    "Proxy-Authorization: Basic admin",
    "Keep-Alive: 5",
    "TE: trailers",
    "Trailer: X-admin",
    "Content_Length: 6",
    "Transfer_Encoding: chunked",
    "HTTP2-Settings: admin",
    "Upgrade: h2c",
]


@pytest.mark.parametrize("line", LOOKALIKES)
async def test_lookalike_and_hop_by_hop_headers_are_dropped(plane: World, line: str) -> None:
    reply = await plane.ask("GET /", line)
    seen = json.loads(reply.body)["headers"]
    assert reply.status == 200
    assert [name for name, _ in seen if name.lower() == line.partition(":")[0].lower()] in (
        [],
        [line.partition(":")[0]] if line.lower().startswith("x-forwarded-") else [],
    )
    assert not [value for _, value in seen if value == line.partition(": ")[2]]


async def test_headers_named_by_connection_are_dropped(plane: World) -> None:
    await plane.talk(plane.head("GET /", "X-Hop: 1", "X-Kept: 1", "Connection: close, x-hop"))
    seen = plane.workload.seen[0]
    assert (seen.header("x-hop"), seen.header("x-kept"), seen.header("connection")) == (None, "1", None)


async def test_forwarded_headers_are_ours(plane: World) -> None:
    await plane.ask("GET /")
    seen = plane.workload.seen[0]
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert seen.header("x-forwarded-proto") == "http"
    assert seen.header("x-forwarded-host") == seen.header("host") == plane.host()


async def test_behind_a_tls_proxy_the_last_address_it_saw_counts() -> None:
    async with world(behind_tls_proxy=True, domain="roost.example") as plane:
        raw = plane.head("GET /", "X-Forwarded-For: 6.6.6.6, 192.0.2.7", "Connection: close", label="")
        await plane.talk(raw.replace(plane.host("").encode(), b"roost.example"))
        assert plane.control.seen[0].header("x-forwarded-for") == "192.0.2.7"
        assert plane.control.seen[0].header("x-forwarded-proto") == "https"


async def test_the_control_plane_gets_cookies_tokens_and_its_own_headers(plane: World) -> None:
    lines = (f"Cookie: {plane.session_cookie()}", f"Authorization: Bearer {ADAS_TOKEN}", "X-Roost-CSRF: abc")
    await plane.ask("POST /api/v1/workspaces", *lines, "X-Roost-Internal: x", "Content-Length: 0", label="")
    seen = plane.control.seen[0]
    assert seen.header("cookie") == plane.session_cookie()
    assert seen.header("authorization") == f"Bearer {ADAS_TOKEN}"
    assert seen.header("x-roost-csrf") == "abc"
    assert seen.header("x-roost-internal") is None


async def test_the_platform_has_no_websockets(plane: World) -> None:
    _, writer, head = await plane.websocket(label="")
    assert b" 426 " in head
    assert plane.control.seen[0].header("upgrade") is None
    writer.close()


# Who may open what.
async def status(plane: World, label: str, *lines: str) -> int:
    reply = await plane.ask("GET /", *lines, label=label, auth=False)
    return reply.status


async def test_owners_pass_and_others_do_not(plane: World) -> None:
    for secret, label, wanted in [
        (ADAS_SECRET, WORKSPACE, 200),
        (ADAS_SECRET, CLUSTER, 200),
        (ADAS_SECRET, OTHER, 403),
        (BOBS_SECRET, WORKSPACE, 403),
        ("nobody", WORKSPACE, 401),
    ]:
        assert await status(plane, label, f"Cookie: {plane.ticket(secret, label)}") == wanted
    for token, label, wanted in [
        (ADAS_TOKEN, WORKSPACE, 200),
        (BOBS_TOKEN, WORKSPACE, 403),
        (BOBS_TOKEN, OTHER, 200),
        ("rst_unknown", WORKSPACE, 401),
    ]:
        assert await status(plane, label, f"Authorization: Bearer {token}") == wanted
    assert await status(plane, WORKSPACE) == 401


async def test_a_grant_opens_and_its_end_closes(plane: World) -> None:
    plane.view.grants[WORKSPACE] = frozenset({BOB})
    assert await status(plane, WORKSPACE, f"Cookie: {plane.ticket(BOBS_SECRET)}") == 200
    assert await status(plane, f"p80-{WORKSPACE}", f"Cookie: {plane.ticket(BOBS_SECRET, f'p80-{WORKSPACE}')}") == 403
    plane.view.grants.clear()
    assert await status(plane, WORKSPACE, f"Cookie: {plane.ticket(BOBS_SECRET)}") == 403


async def test_a_ticket_opens_one_host_and_a_session_cookie_none(plane: World) -> None:
    ticket = plane.ticket(label=CLUSTER)
    assert await status(plane, CLUSTER, f"Cookie: {ticket}") == 200
    assert await status(plane, WORKSPACE, f"Cookie: {ticket}") == 401
    assert await status(plane, WORKSPACE, f"Cookie: {plane.session_cookie()}") == 401
    forged = issue_ticket(b"x" * 32, session_key=hash_secret(ADAS_SECRET), workload_host=f"{WORKSPACE}.roost.localhost")
    assert await status(plane, WORKSPACE, f"Cookie: {ticket_cookie(plane.instance, True)}={forged}") == 401


async def test_two_tickets_of_one_name_count_as_none(plane: World) -> None:
    assert await status(plane, WORKSPACE, f"Cookie: {plane.ticket()}; {plane.ticket()}") == 401


@pytest.mark.parametrize("change", ["expired", "revoked", "gone", "disabled", "nobody"])
async def test_what_has_ended_does_not_pass(plane: World, change: str) -> None:
    key, view = hash_secret(ADAS_SECRET), plane.view
    if change == "expired":
        view.sessions[key] = replace(view.sessions[key], expires_at_us=1)
    elif change == "revoked":
        view.sessions[key] = replace(view.sessions[key], revoked=True)
    elif change == "gone":
        del view.sessions[key]
    elif change == "disabled":
        view.people[ADA] = replace(view.people[ADA], disabled=True)
    else:
        del view.people[ADA]
    assert (await plane.ask("GET /")).status == 401
    assert plane.workload.seen == []


@pytest.mark.parametrize(
    ("scope", "workspace", "cluster", "others_cluster"),
    [
        ("", 200, 200, 403),
        ("workspaces", 200, 403, 403),
        ("clusters", 403, 200, 403),
        ("clusters read", 403, 200, 403),
        ("read", 403, 403, 403),
        ("admin", 403, 403, 403),
        (f"workload:{WORKSPACE}", 403, 200, 403),
        (f"clusters read workload:{WORKSPACE}", 403, 200, 403),
        (f"workspaces workload:{WORKSPACE}", 403, 403, 403),
    ],
)
async def test_scopes_of_tokens(plane: World, scope: str, workspace: int, cluster: int, others_cluster: int) -> None:
    plane.view.tokens[hash_secret("rst_limited")] = session("rst_limited", ADA, scope=scope)
    bobs = "cl-" + "b" * 26
    plane.view.routes[bobs] = replace(plane.view.routes[CLUSTER], host=bobs, workload=bobs, owner=BOB)
    plane.view.grants[bobs] = frozenset({ADA}) if "workload:" in scope else frozenset()
    wanted = {WORKSPACE: workspace, CLUSTER: cluster, bobs: others_cluster}
    assert {id: await status(plane, id, "Authorization: Bearer rst_limited") for id in wanted} == wanted


async def test_an_extra_port_goes_through_the_workloads_own_proxy(plane: World) -> None:
    label = f"p8050-{WORKSPACE}"
    reply = await plane.ask("GET /assets?x=1", label=label)
    assert reply.status == 200
    assert plane.workload.seen[0].target == "/proxy/8050/assets?x=1"
    for wrong in (f"p0-{WORKSPACE}", f"p65536-{WORKSPACE}", f"p08050-{WORKSPACE}", f"p8050-{CLUSTER}", "p8050-ws-x"):
        assert (await plane.ask("GET /", label=wrong)).status == 404


# From where something may be changed.
ORIGINS = {
    "own": 200,
    "absent": 403,
    "null": 403,
    "https://": 403,
    "suffix": 403,
    "prefix": 403,
    "other workload": 403,
    "platform": 403,
    "other port": 403,
    "empty": 403,
    "upper": 403,
    "two": 403,
}


def origin_line(plane: World, case: str) -> list[str]:
    own = plane.origin()
    value = {
        "own": own,
        "null": "null",
        "https://": own.replace("http:", "https:"),
        "suffix": own + ".evil.example",
        "prefix": "http://evil" + own.removeprefix("http://"),
        "other workload": plane.origin(OTHER),
        "platform": plane.settings.origin,
        "other port": own + "1",
        "empty": "",
        "upper": own.upper(),
        "two": f"{own}, {own}",
    }.get(case)
    return [] if value is None else [f"Origin: {value}"]


@pytest.mark.parametrize("case", ORIGINS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_changes_need_the_exact_origin(plane: World, method: str, case: str) -> None:
    reply = await plane.ask(f"{method} /x", *origin_line(plane, case), "Content-Length: 0")
    assert reply.status == ORIGINS[case]
    assert len(plane.workload.seen) == (1 if ORIGINS[case] == 200 else 0)


@pytest.mark.parametrize("case", ORIGINS)
async def test_websockets_need_the_exact_origin(plane: World, case: str) -> None:
    lines = origin_line(plane, case)
    _, writer, head = await plane.websocket(*lines, origin=None)
    assert (b" 101 " in head) is (case == "own")
    writer.close()


@pytest.mark.parametrize("case", ORIGINS)
async def test_tokens_need_no_origin_but_a_wrong_one_is_refused(plane: World, case: str) -> None:
    token = f"Authorization: Bearer {ADAS_TOKEN}"
    reply = await plane.ask("POST /x", token, *origin_line(plane, case), "Content-Length: 0", auth=False)
    assert reply.status == (200 if case in ("own", "absent") else 403)
    _, writer, head = await plane.websocket(token, *origin_line(plane, case), origin=None, auth=False)
    assert (b" 101 " in head) is (case in ("own", "absent"))
    writer.close()


@pytest.mark.parametrize(
    ("method", "lines", "wanted"),
    [
        ("POST", ("Sec-Fetch-Site: same-origin",), 200),
        ("POST", ("Sec-Fetch-Site: same-site",), 403),
        ("POST", ("Sec-Fetch-Site: cross-site",), 403),
        ("POST", ("Sec-Fetch-Site: none",), 403),
        ("POST", ("Sec-Fetch-Site: same-origin", "Origin: null"), 403),
        ("GET", ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"), 403),
        ("GET", ("Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: cors"), 403),
        ("GET", ("Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: navigate"), 200),
        ("GET", ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"), 200),
        ("GET", ("Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"), 200),
    ],
)
async def test_fetch_metadata(plane: World, method: str, lines: tuple[str, ...], wanted: int) -> None:
    assert (await plane.ask(f"{method} /", *lines, "Content-Length: 0")).status == wanted


async def test_a_preflight_of_another_origin_finds_no_welcome(plane: World) -> None:
    lines = ("Origin: http://evil.example", "Access-Control-Request-Method: POST")
    assert (await plane.ask("OPTIONS /", *lines, auth=False)).status == 401

"""What the data plane says itself, and how soon it stops saying it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from tests.dataplane.world import BOB, BOBS_SECRET, CLUSTER, KEY, WORKSPACE, World, world

from roost.dataplane.limits import Limits
from roost.model.tickets import internal_signature

HTML = "Accept: text/html,*/*;q=0.8"


async def test_health_is_that_of_both_planes(plane: World) -> None:
    up = await plane.ask("GET /healthz", label="")
    assert (up.status, json.loads(up.body)) == (200, {"status": "ok", "control": "up"})
    await plane.control.stop()
    down = await plane.ask("GET /healthz", label="")
    assert (down.status, json.loads(down.body)) == (503, {"status": "ok", "control": "down"})


async def test_a_starting_workload_shows_a_page_until_it_answers(plane: World) -> None:
    row = plane.view.routes[WORKSPACE]
    plane.view.routes[WORKSPACE] = replace(row, phase="starting", address=f"unix:{plane.settings.home}/later.sock")
    page = await plane.ask("GET /lab", HTML)
    assert page.status == 503
    assert page.header("retry-after") == "1"
    text = page.body.decode()
    assert "demo &lt;b&gt; is starting" in text
    assert "the reason &amp; more" in text
    assert "<b>" not in text.replace("&lt;b&gt;", "")
    assert "/.roost/static/starting.js" in text
    waiting = json.loads((await plane.ask("GET /.roost/status")).body)
    assert waiting == {"phase": "starting", "reason": "the reason & more", "name": "demo <b>", "ready": False}
    plane.view.routes[WORKSPACE] = replace(row, phase="starting")  # it answers before its phase says so
    assert json.loads((await plane.ask("GET /.roost/status")).body)["ready"] is True
    assert (await plane.ask("GET /lab", HTML)).status == 200


@pytest.mark.parametrize("phase", ["stopped", "failed", "stopping", "starting"])
async def test_owners_get_the_way_to_start_it_and_others_do_not(plane: World, phase: str) -> None:
    for label, kind in ((WORKSPACE, "workspaces"), (CLUSTER, "clusters")):
        plane.view.routes[label] = replace(plane.view.routes[label], phase=phase, address="")
        plane.view.grants[label] = frozenset({BOB})
        text = (await plane.ask("GET /", HTML, label=label)).body.decode()
        start = f'href="{plane.settings.origin}/{kind}/{label}?action=start"'
        assert (start in text) is (phase in ("stopped", "failed"))
        others = await plane.ask("GET /", HTML, f"Cookie: {plane.ticket(BOBS_SECRET, label)}", label=label, auth=False)
        assert others.status == 503
        assert start not in others.body.decode()


async def test_programs_get_a_problem_instead_of_a_page(plane: World) -> None:
    plane.view.routes[WORKSPACE] = replace(plane.view.routes[WORKSPACE], phase="failed", address="")
    reply = await plane.ask("GET /api/status", "Accept: application/json")
    assert reply.header("content-type") == "application/problem+json"
    problem = json.loads(reply.body)
    assert (problem["status"], problem["code"], problem["detail"]) == (503, "failed", "the reason & more")
    assert problem["subject"] == WORKSPACE


async def test_a_running_workload_that_does_not_answer(plane: World) -> None:
    await plane.workload.stop()
    reply = await plane.ask("GET /", HTML)
    assert reply.status == 502
    assert "does not answer" in reply.body.decode()


async def test_a_malformed_address_is_no_crash(plane: World) -> None:
    for address in ("tcp:nonsense", "tcp:127.0.0.1:99999", "nonsense", "unix:", "tcp::"):
        plane.view.routes[WORKSPACE] = replace(plane.view.routes[WORKSPACE], address=address)
        assert (await plane.ask("GET /")).status == 502


async def test_a_tcp_address_is_reached(plane: World) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntcp")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plane.view.routes[WORKSPACE] = replace(plane.view.routes[WORKSPACE], address=f"tcp:127.0.0.1:{port}")
    assert (await plane.ask("GET /")).body == b"tcp"
    server.close()


async def test_a_restarting_control_plane_is_a_short_delay_or_a_page(plane: World) -> None:
    await plane.control.stop()
    page = await plane.ask("GET /", HTML, label="")
    assert page.status == 503
    assert page.header("retry-after") == "1"
    assert 'http-equiv="refresh"' in page.body.decode()
    problem = await plane.ask("POST /api/v1/workspaces", "Content-Length: 2", label="", body=b"{}")
    assert json.loads(problem.body)["code"] == "control-down"
    asking = asyncio.create_task(plane.ask("GET /", label=""))
    await asyncio.sleep(0.04)
    await plane.control.start()
    assert (await asking).status == 200


@pytest.mark.parametrize("case", ["starting", "unknown", "denied", "control"])
async def test_every_page_has_the_strict_headers(plane: World, case: str) -> None:
    plane.view.routes[WORKSPACE] = replace(plane.view.routes[WORKSPACE], phase="starting", address="")
    await plane.control.stop()
    reply = {
        "starting": await plane.ask("GET /", HTML),
        "unknown": await plane.ask("GET /", HTML, label="ws-unknown"),
        "denied": await plane.ask("GET /", HTML, f"Cookie: {plane.ticket(BOBS_SECRET)}", auth=False),
        "control": await plane.ask("GET /", HTML, label=""),
    }[case]
    policy = reply.header("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "frame-ancestors 'none'" in policy
    assert reply.header("x-content-type-options") == "nosniff"
    assert reply.header("referrer-policy") == "same-origin"
    assert reply.header("cross-origin-opener-policy") == "same-origin"
    assert reply.header("cache-control") == "no-store"
    text = reply.body.decode()
    assert "style=" not in text
    assert "<style" not in text
    assert text.count("<script") == text.count('<script type="module" src="/.roost/static/')


async def test_static_files_need_no_sign_in_and_leave_the_folder_nowhere(plane: World) -> None:
    css = await plane.ask("GET /.roost/static/pages.css", auth=False)
    assert (css.status, css.header("content-type")) == (200, "text/css; charset=utf-8")
    assert (await plane.ask("GET /.roost/static/starting.js", label="", auth=False)).status == 200
    for name in ("", "x", "../pages.py", "..%2fpages.py", "pages.css/", "%70ages.css"):
        assert (await plane.ask(f"GET /.roost/static/{name}", auth=False)).status == 404
    assert (await plane.ask("GET /.roost/else")).status == 404
    assert plane.workload.seen == []


async def test_status_needs_a_sign_in(plane: World) -> None:
    assert (await plane.ask("GET /.roost/status", auth=False)).status == 401


async def test_too_many_connections_get_a_clear_answer() -> None:
    async with world(Limits(connections=3, linger_s=0.2)) as plane:
        held = [await plane.connect() for _ in range(3)]
        await asyncio.sleep(0.05)
        assert b" 503 " in await plane.talk(b"")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.05)
        assert (await plane.ask("GET /")).status == 200


async def test_activity_goes_to_the_control_plane_with_its_signature(plane: World) -> None:
    from roost.dataplane.activity import send

    await plane.ask("GET /")
    content = plane.door.activity_report()
    assert content is not None
    assert await send(str(plane.settings.control_socket), KEY, content)
    seen = plane.control.seen[-1]
    assert (seen.method, seen.target) == ("POST", "/internal/activity")
    assert seen.header("x-roost-internal") == internal_signature(KEY)
    assert json.loads(seen.body) == content
    await plane.control.stop()
    assert not await send(str(plane.settings.control_socket), KEY, content)


async def test_what_an_open_tab_asks_by_itself_is_no_use(plane: World) -> None:
    await plane.ask("GET /api/kernels?1700000000000")
    quiet = plane.door.activity_report()
    assert quiet is None or [seen["last_us"] for seen in quiet["workloads"].values()] == [0]  # type: ignore[attr-defined]
    await plane.ask("GET /api/contents/a.ipynb")
    used = plane.door.activity_report()
    assert used is not None
    assert [seen["last_us"] > 0 for seen in used["workloads"].values()] == [True]  # type: ignore[attr-defined]

"""Upgraded connections: spliced byte for byte, held back for slow readers, and closed when their session ends."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest
from tests.dataplane.world import ADA, ADAS_SECRET, ADAS_TOKEN, BOB, BOBS_SECRET, WORKSPACE, World

from roost.model.tickets import hash_secret

TOKEN = f"Authorization: Bearer {ADAS_TOKEN}"


async def ended(reader: asyncio.StreamReader, within_s: float = 5.0) -> bool:
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(within_s):
            return not await reader.read(1)
    return True


async def test_bytes_pass_both_ways_and_the_head_is_rebuilt(plane: World) -> None:
    reader, writer, head = await plane.websocket("Sec-WebSocket-Protocol: v1", "X-Forwarded-For: 6.6.6.6")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"X-A: b\r\n" in head
    assert await reader.readexactly(5) == b"hello"
    data = bytes(range(256)) * 4000
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    seen = plane.workload.seen[0]
    assert seen.header("sec-websocket-protocol") == "v1"
    assert seen.header("connection") == "Upgrade"
    assert seen.header("x-forwarded-for") == "127.0.0.1"
    assert (len(plane.door.tunnels), len(plane.door.clients)) == (1, 0)
    writer.close()


async def test_bytes_sent_with_the_head_are_not_lost(plane: World) -> None:
    reader, writer = await plane.connect()
    lines = ("Upgrade: websocket", "Connection: Upgrade", f"Origin: {plane.origin()}")
    writer.write(plane.head("GET /ws", *lines) + b"eager")
    await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(10) == b"helloeager"
    writer.close()


async def test_half_close_passes_through(plane: World) -> None:
    reader, writer, _ = await plane.websocket()
    writer.write(b"last words")
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 5) == b"hellolast wordsbye"
    writer.close()
    await asyncio.sleep(0.1)
    assert not plane.door.tunnels


async def test_an_upgrade_that_the_upstream_declines_is_an_ordinary_answer(plane: World) -> None:
    reader, writer = await plane.connect()
    lines = ("Upgrade: websocket", "Connection: Upgrade", f"Origin: {plane.origin()}")
    writer.write(plane.head("GET /a", *lines) + plane.head("GET /b", "Connection: close"))
    raw = await asyncio.wait_for(reader.read(), 5)
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    writer.close()


async def test_without_credentials_there_is_no_websocket(plane: World) -> None:
    _, writer, head = await plane.websocket(auth=False)
    assert b" 401 " in head
    assert plane.workload.seen == []
    writer.close()


async def test_when_the_upstream_ends_so_does_the_client(plane: World) -> None:
    reader, writer, _ = await plane.websocket()
    assert await reader.readexactly(5) == b"hello"
    await plane.workload.stop()
    assert await ended(reader)
    writer.close()


async def test_when_the_client_breaks_so_does_the_upstream(plane: World) -> None:
    _, writer, _ = await plane.websocket()
    writer.transport.abort()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if not plane.door.tunnels and not plane.workload.open:
            break
    assert not plane.door.tunnels
    assert plane.workload.open == 0


@pytest.mark.parametrize("change", ["revoked", "gone", "expired", "disabled", "workload"])
async def test_what_ends_a_session_closes_its_websockets_and_no_others(plane: World, change: str) -> None:
    key, view = hash_secret(ADAS_SECRET), plane.view
    mine, writer, _ = await plane.websocket()
    view.sessions[hash_secret("second")] = replace(view.sessions[key], key=hash_secret("second"), id="sn-second")
    other, other_writer, _ = await plane.websocket(f"Cookie: {plane.ticket('second')}", auth=False)
    for reader in (mine, other):
        assert await reader.readexactly(5) == b"hello"
    stays = change not in ("disabled", "workload")
    if change == "revoked":
        view.sessions[key] = replace(view.sessions[key], revoked=True)
    elif change == "gone":
        del view.sessions[key]
    elif change == "expired":
        view.sessions[key] = replace(view.sessions[key], expires_at_us=1)
    elif change == "disabled":
        view.people[ADA] = replace(view.people[ADA], disabled=True)
    else:
        view.routes[WORKSPACE] = replace(view.routes[WORKSPACE], owner=BOB)
    assert await ended(mine, within_s=2.0)
    if stays:
        other_writer.write(b"still here")
        assert await other.readexactly(10) == b"still here"
    else:
        assert await ended(other, within_s=2.0)
    writer.close()
    other_writer.close()


async def test_a_change_reported_by_the_store_acts_within_one_poll(plane: World) -> None:
    reader, writer, _ = await plane.websocket(TOKEN, auth=False, origin=None)
    assert await reader.readexactly(5) == b"hello"
    row = plane.view.tokens.pop(hash_secret(ADAS_TOKEN))
    plane.view.changed.add(row.id)
    assert await ended(reader, within_s=0.5)
    writer.close()


async def test_the_end_of_a_grant_closes_what_it_opened(plane: World) -> None:
    plane.view.grants[WORKSPACE] = frozenset({BOB})
    reader, writer, head = await plane.websocket(f"Cookie: {plane.ticket(BOBS_SECRET)}", auth=False)
    assert b" 101 " in head
    assert await reader.readexactly(5) == b"hello"
    plane.view.grants.clear()
    assert await ended(reader, within_s=2.0)
    writer.close()


async def test_a_stream_under_way_ends_with_its_session_too(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(plane.head("GET /hang"))
    await asyncio.sleep(0.05)
    del plane.view.sessions[hash_secret(ADAS_SECRET)]
    assert await ended(reader, within_s=2.0)
    writer.close()


async def test_a_stream_of_the_platform_ends_with_its_session(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(plane.head("GET /hang", f"Cookie: {plane.session_cookie()}", label=""))
    _, other = await plane.connect()
    other.write(plane.head("GET /hang", f"Cookie: {plane.session_cookie('unknown')}", label=""))
    await asyncio.sleep(0.05)
    del plane.view.sessions[hash_secret(ADAS_SECRET)]
    assert await ended(reader, within_s=2.0)
    assert len(plane.door.clients) == 1  # a session that was never known is the control plane's to judge
    writer.close()
    other.close()


async def test_a_view_that_fails_keeps_its_last_state_and_is_asked_again(plane: World) -> None:
    failures = 0
    refresh = plane.view.refresh

    def broken() -> frozenset[str]:
        nonlocal failures
        failures += 1
        raise RuntimeError("a bug")

    plane.view.refresh = broken  # type: ignore[method-assign]
    await asyncio.sleep(0.3)
    assert failures > 2
    assert (await plane.ask("GET /")).status == 200
    plane.view.refresh = refresh  # type: ignore[method-assign]


async def test_activity_counts_bytes_of_people_and_open_connections(plane: World) -> None:
    reader, writer, _ = await plane.websocket()
    await reader.readexactly(5)
    report = plane.door.activity_report()
    assert report is not None
    seen = report["workloads"]
    assert isinstance(seen, dict)
    assert seen[WORKSPACE]["connections"] == 1
    assert seen[WORKSPACE]["last_us"] > 0
    assert report["sessions"] == {hash_secret(ADAS_SECRET): seen[WORKSPACE]["last_us"]}
    writer.write(b"\x8a\x80abcd")  # a pong: the browser's doing
    await reader.readexactly(6)
    quiet = plane.door.activity_report()
    assert quiet == {"workloads": {WORKSPACE: {"last_us": 0, "connections": 1}}, "sessions": {}}
    writer.close()
    await asyncio.sleep(0.1)
    assert plane.door.activity_report() == {"workloads": {WORKSPACE: {"last_us": 0, "connections": 0}}, "sessions": {}}
    assert plane.door.activity_report() is None

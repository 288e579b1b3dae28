"""HTTP/1.1 through the data plane, with a real client socket and a real upstream: everything the protocol allows."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.dataplane.world import World, parse


async def test_a_request_reaches_the_upstream_and_its_answer_the_client(plane: World) -> None:
    reply = await plane.ask("GET /api/x?y=%20", "X-Mine: 1")
    seen = json.loads(reply.body)
    assert reply.status == 200
    assert (seen["method"], seen["target"]) == ("GET", "/api/x?y=%20")
    assert ["X-Mine", "1"] in seen["headers"]


async def test_an_address_and_a_path_may_both_have_the_slash_between_them(plane: World) -> None:
    reply = await plane.ask("GET //api/status?x=//y")
    assert json.loads(reply.body)["target"] == "/api/status?x=//y"


async def test_keep_alive_uses_one_upstream_connection(plane: World) -> None:
    reader, writer = await plane.connect()
    for _ in range(5):
        writer.write(plane.head("GET /chunked"))
        assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
    assert plane.workload.connections == 1
    writer.close()


async def test_two_clients_never_share_an_upstream_connection(plane: World) -> None:
    for _ in range(3):
        await plane.ask("GET /a")
    assert plane.workload.connections == 3


async def test_pipelined_requests_are_answered_in_order(plane: World) -> None:
    reader, writer = await plane.connect()
    paths = ["/slow", "/1", "/chunked", "/204", "/2", "/.roost/status", "/3"]
    writer.write(b"".join(plane.head(f"GET {path}") for path in paths))
    raw = b""
    while b'"target": "/3"' not in raw:
        raw += await asyncio.wait_for(reader.read(65536), 5)
    places = [raw.index(mark) for mark in (b'"/slow"', b'"/1"', b"defg", b"204 No", b'"/2"', b'"phase"', b'"/3"')]
    assert places == sorted(places)
    writer.close()


async def test_a_pipelined_body_is_not_taken_for_the_next_request(plane: World) -> None:
    post = plane.head("POST /echo", f"Origin: {plane.origin()}", "Content-Length: 20") + b"GET /evil HTTP/1.1\r\n"
    raw = await plane.talk(post + plane.head("GET /after", "Connection: close"))
    assert [seen.target for seen in plane.workload.seen] == ["/echo", "/after"]
    assert raw.count(b"HTTP/1.1 200 OK") == 2


async def test_a_thousand_pipelined_denials_do_not_exhaust_the_stack(plane: World) -> None:
    raw = await plane.talk(
        plane.head("GET /", auth=False) * 3000 + plane.head("GET /", "Connection: close", auth=False)
    )
    assert raw.count(b"HTTP/1.1 401") == 3001


@pytest.mark.parametrize("size", [0, 1, 65536, 3_000_000])
async def test_bodies_of_known_length(plane: World, size: int) -> None:
    body = bytes(i % 251 for i in range(size))
    reply = await plane.ask("POST /echo", f"Origin: {plane.origin()}", f"Content-Length: {size}", body=body)
    assert reply.status == 200
    assert plane.workload.seen[-1].body == body


async def test_a_chunked_upload_in_small_pieces(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(
        plane.head("POST /echo", f"Origin: {plane.origin()}", "Transfer-Encoding: chunked", "Connection: close")
    )
    for byte in b"5;name=value\r\nhello\r\n1\r\n!\r\n0\r\nX-Trailer: t\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert parse(await reader.read()).status == 200
    assert plane.workload.seen[-1].body == b"hello!"
    assert plane.workload.seen[-1].header("x-trailer") is None
    writer.close()


async def test_head_has_no_body_and_the_connection_goes_on(plane: World) -> None:
    raw = await plane.talk(
        plane.head("HEAD /head") + plane.head("HEAD /head-chunked") + plane.head("GET /1", "Connection: close")
    )
    assert raw.startswith(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert b'"/1"' in raw
    assert plane.workload.connections == 1


@pytest.mark.parametrize("path", ["/204", "/304"])
async def test_bodiless_answers_keep_the_connection(plane: World, path: str) -> None:
    raw = await plane.talk(plane.head(f"GET {path}") + plane.head("GET /1", "Connection: close"))
    assert raw.count(b"HTTP/1.1 ") == 2
    assert b'"/1"' in raw


async def test_expect_100_continue_goes_to_the_upstream_and_back(plane: World) -> None:
    reader, writer = await plane.connect()
    head = ("POST /echo", f"Origin: {plane.origin()}", "Content-Length: 2", "Expect: 100-continue", "Connection: close")
    writer.write(plane.head(*head))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"ok")
    assert parse(await reader.read()).status == 200
    writer.close()


async def test_a_denied_upload_that_waits_for_100_is_denied_at_once(plane: World) -> None:
    raw = await plane.talk(plane.head("POST /echo", "Content-Length: 10", "Expect: 100-continue", auth=False))
    assert parse(raw).status == 401


async def test_early_hints_pass_to_http_11_and_not_to_10(plane: World) -> None:
    assert (await plane.ask("GET /interim")).raw.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    old = await plane.talk(plane.head("GET /interim").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert b"103" not in old
    assert old.endswith(b"ok")


async def test_http_10_gets_the_content_without_chunks_and_the_end(plane: World) -> None:
    raw = await plane.talk(plane.head("GET /chunked").replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert raw.endswith(b"\r\n\r\nabcdefg")
    assert b"chunked" not in raw


@pytest.mark.parametrize(("path", "body"), [("/close", b"until the end"), ("/old", b"old style")])
async def test_answers_that_end_with_their_connection(plane: World, path: str, body: bytes) -> None:
    raw = await plane.talk(plane.head(f"GET {path}"))
    assert b"Connection: close\r\n" in raw
    assert raw.endswith(body)


async def test_half_close_still_gets_its_answer(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(plane.head("GET /slow") + plane.head("GET /2"))
    writer.write_eof()
    raw = await asyncio.wait_for(reader.read(), 5)
    assert b'"/slow"' in raw
    assert b'"/2"' in raw
    writer.close()


async def test_an_answer_before_the_body_is_whole_arrives_and_closes(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(plane.head("POST /early", f"Origin: {plane.origin()}", "Content-Length: 1000000") + b"x" * 1000)
    raw = await asyncio.wait_for(reader.read(), 5)
    assert parse(raw).status == 413
    assert parse(raw).header("connection") == "close"
    writer.close()


async def test_the_rest_of_a_refused_body_does_not_destroy_the_answer(plane: World) -> None:
    raw = await plane.talk(plane.head("POST /", "Content-Length: 3000000", auth=False) + b"x" * 3_000_000)
    assert parse(raw).status == 401


@pytest.mark.parametrize(
    "path", ["/both", "/two-lengths", "/bare", "/garbage", "/folded", "/gzip-coded", "/switch", "/short"]
)
async def test_answers_that_make_no_sense_become_502(plane: World, path: str) -> None:
    reply = await plane.ask(f"GET {path}")
    assert reply.status == 502
    assert json.loads(reply.body)["code"] == "bad-answer"


async def test_an_answer_cut_short_breaks_the_connection_instead_of_looking_whole(plane: World) -> None:
    raw = await plane.talk(plane.head("GET /cut"))
    assert not raw.endswith(b"0\r\n\r\n")


async def test_what_an_upstream_sends_beyond_its_answer_reaches_nobody(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(plane.head("GET /surplus"))
    assert (await reader.readuntil(b"ok")).endswith(b"\r\n\r\nok")
    await asyncio.sleep(0.05)
    writer.write(plane.head("GET /next", "Connection: close"))
    raw = await reader.read()
    assert b"evil" not in raw
    assert b'"/next"' in raw
    writer.close()


async def test_headers_of_answers_are_cleaned(plane: World) -> None:
    reply = await plane.ask("GET /headers")
    names = [name.lower() for name, _ in reply.headers]
    assert reply.all("set-cookie") == ["mine=1"]
    assert reply.header("x-kept") == "yes"
    assert not {"keep-alive", "x-hop", "alt-svc"} & set(names)


async def test_an_upload_after_one_that_was_held_back_is_not_held(plane: World) -> None:
    reader, writer = await plane.connect()
    origin = f"Origin: {plane.origin()}"
    for _ in range(3):
        writer.write(plane.head("POST /sink?slow", origin, "Content-Length: 5000000") + bytes(5_000_000))
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), 10)).startswith(b"HTTP/1.1 200 OK")
    writer.close()


async def test_the_control_plane_may_say_more_than_a_workload(plane: World) -> None:
    reply = await plane.ask("GET /headers", label="")
    assert reply.header("alt-svc") == "h3=x"
    assert len(reply.all("set-cookie")) == 3


async def test_a_request_on_a_connection_that_just_died_is_sent_again(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(plane.head("GET /1"))
    await reader.readuntil(b"}")
    await plane.workload.stop()
    await plane.workload.start()
    writer.write(plane.head("GET /2", "Connection: close"))
    assert b'"/2"' in await reader.read()
    writer.close()


async def test_an_upstream_that_drops_the_request_gives_502(plane: World) -> None:
    assert (await plane.ask("POST /drop", f"Origin: {plane.origin()}", "Content-Length: 0")).status == 502


async def test_a_client_that_goes_away_takes_its_upstream_connection_along(plane: World) -> None:
    reader, writer = await plane.connect()
    writer.write(plane.head("GET /bytes/100000000"))
    await reader.readexactly(1000)
    writer.transport.abort()
    for _ in range(100):
        await asyncio.sleep(0.02)
        if plane.workload.open == 0:
            break
    assert plane.workload.open == 0
    assert not plane.door.clients

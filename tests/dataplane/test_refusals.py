"""Smuggling and malformed heads, byte for byte: each one is refused, and nothing of it reaches an upstream."""

from __future__ import annotations

import asyncio

import pytest
from tests.dataplane.world import WORKSPACE, World, parse

HOST = f"Host: {WORKSPACE}.roost.localhost".encode()
EVIL = b"GET /evil HTTP/1.1\r\n" + HOST + b"\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST / HTTP/1.1", HOST, *lines]) + b"\r\n\r\n" + body


def get(*lines: bytes, target: bytes = b"/", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join([b"GET " + target + b" " + version, HOST, *lines]) + b"\r\n\r\n"


CASES: dict[str, tuple[bytes, int]] = {
    "length and chunks": (post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + EVIL), 400),
    "chunks and length": (post(b"Transfer-Encoding: chunked", b"Content-Length: 6", body=b"0\r\n\r\n" + EVIL), 400),
    "two lengths": (post(b"Content-Length: 5", b"Content-Length: 6", body=b"aaaaa" + EVIL), 400),
    "the same length twice": (post(b"Content-Length: 5", b"Content-Length: 5", body=b"aaaaa"), 400),
    "a list of lengths": (post(b"Content-Length: 5, 5", body=b"aaaaa"), 400),
    "a signed length": (post(b"Content-Length: +5", body=b"aaaaa"), 400),
    "a negative length": (post(b"Content-Length: -1"), 400),
    "a hexadecimal length": (post(b"Content-Length: 0x5", body=b"aaaaa"), 400),
    "a length with blanks": (post(b"Content-Length: 5 5", body=b"aaaaa"), 400),
    "a huge length": (post(b"Content-Length: 99999999999999999999"), 400),
    "an empty length": (post(b"Content-Length:"), 400),
    "chunked twice": (post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n"), 400),
    "chunked in two headers": (post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400),
    "another coding": (post(b"Transfer-Encoding: gzip"), 400),
    "gzip, chunked": (post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400),
    "identity": (post(b"Transfer-Encoding: identity", body=EVIL), 400),
    "quoted chunked": (post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n"), 400),
    "chunked with a vertical tab": (post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n"), 400),
    "chunked, blank before the colon": (post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    "chunks of HTTP/1.0": (b"POST / HTTP/1.0\r\n" + HOST + b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two hosts": (get(b"Host: localhost"), 400),
    "the same host twice": (get(HOST), 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "no host, HTTP/1.0": (b"GET / HTTP/1.0\r\n\r\n", 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "a folded header": (get(b"X: a\r\n b"), 400),
    "a header folded with a tab": (get(b"X: a\r\n\tb"), 400),
    "a blank before the first header": (b"GET / HTTP/1.1\r\n " + HOST + b"\r\n\r\n", 400),
    "bare LF throughout": (b"GET / HTTP/1.1\n" + HOST + b"\n\n", 400),
    "one bare LF": (get(b"X: a\nY: b"), 400),
    "a bare CR": (get(b"X: a\rY: b"), 400),
    "an end of CR CR LF": (b"GET / HTTP/1.1\r\n" + HOST + b"\r\r\n\r\n", 400),
    "NUL in a value": (get(b"X: a\0b"), 400),
    "NUL in a name": (get(b"X\0: a"), 400),
    "NUL in the path": (get(target=b"/a\0b"), 400),
    "a control character in a value": (get(b"X: a\x01b"), 400),
    "a blank in a name": (get(b"X Y: a"), 400),
    "a blank before the colon": (get(b"X : a"), 400),
    "a name in brackets": (get(b"(X): a"), 400),
    "an empty name": (get(b": a"), 400),
    "no colon": (get(b"nonsense"), 400),
    "a name that is not ASCII": (get("Ü: a".encode()), 400),
    "two blanks in the first line": (get(target=b" /"), 400),
    "a blank at the end of the first line": (get(version=b"HTTP/1.1 "), 400),
    "a tab in the first line": (b"GET\t/ HTTP/1.1\r\n" + HOST + b"\r\n\r\n", 400),
    "a lower-case method": (b"get / HTTP/1.1\r\n" + HOST + b"\r\n\r\n", 400),
    "an unknown method": (b"HACK / HTTP/1.1\r\n" + HOST + b"\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9": (get(version=b"HTTP/0.9"), 505),
    "HTTP/1.2": (get(version=b"HTTP/1.2"), 505),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "absolute form": (get(target=b"http://localhost/"), 400),
    "absolute form of another host": (get(target=b"http://169.254.169.254/latest/"), 400),
    "asterisk": (b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n\r\n", 400),
    "authority form": (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HOST + b"\r\n\r\n", 405),
    "TRACE": (b"TRACE / HTTP/1.1\r\n" + HOST + b"\r\n\r\n", 405),
    "a fragment": (get(target=b"/a#b"), 400),
    "raw unicode in the path": (get(target="/ü".encode()), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
    "a long target": (get(target=b"/" + b"a" * 20000), 414),
    "a long target without end": (b"GET /" + b"a" * 20000, 414),
    "a long head": (get(*[b"X-%d: %b" % (i, b"a" * 100) for i in range(700)]), 431),
    "a long head without end": (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 12000, 431),
    "a websocket with a body": (get(b"Upgrade: websocket", b"Connection: upgrade", b"Content-Length: 5"), 400),
}


@pytest.mark.parametrize("name", CASES)
async def test_a_malformed_head_is_refused_and_the_connection_closed(plane: World, name: str) -> None:
    raw, status = CASES[name]
    reply = parse(await plane.talk(raw + get()))
    assert reply.status == status
    assert reply.header("connection") == "close"
    assert reply.raw.count(b"HTTP/1.1 ") == 1
    assert plane.workload.seen == []
    assert plane.control.seen == []


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n",
        b"-1\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"\r\n",
        b"ffffffffffffffffff\r\n",
        b"5;" + b"x" * 5000 + b"\r\nhello\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"0\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
    ],
)
async def test_malformed_chunks_end_the_connection(plane: World, chunks: bytes) -> None:
    head = plane.head("POST /echo", f"Origin: {plane.origin()}", "Transfer-Encoding: chunked")
    raw = await plane.talk(head + chunks)
    assert parse(raw).status == 400
    assert all(not seen.body for seen in plane.workload.seen)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        (f"{WORKSPACE}.roost.localhost.evil.example", 421),
        (f"x.{WORKSPACE}.roost.localhost", 421),
        ("roost.localhost", 421),
        ("localhost.", 421),
        ("localhost:80:80", 421),
        ("localhost:", 421),
        ("localhost:abc", 421),
        ("user@localhost", 421),
        ("127.0.0.2", 421),
        ("[::2]", 421),
        ("169.254.169.254", 421),
        ("-.roost.localhost", 421),
        ("localhost/", 421),
        ("ws-nobody.roost.localhost", 404),
        ("localhost", 200),
        ("LOCALHOST", 200),
        ("localhost:8000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:80", 200),
    ],
)
async def test_only_known_hosts_are_answered(plane: World, host: str, status: int) -> None:
    raw = await plane.talk(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert parse(raw).status == status
    assert len(plane.control.seen) == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    "target",
    [
        "/internal/activity",
        "/internal",
        "//internal/activity",
        "/%69nternal/activity",
        "/internal%2factivity",
        "/%2finternal/activity",
        "/INTERNAL/activity",
        "/internal/activity?x",
    ],
)
async def test_the_internal_part_of_the_control_plane_is_not_reachable(plane: World, target: str) -> None:
    assert (await plane.ask(f"GET {target}", "X-Roost-Internal: x", label="")).status == 404
    assert plane.control.seen == []


@pytest.mark.parametrize(
    "target",
    [
        "/a/%2e%2e/b",
        "/a/../../b",
        "/%2f%2fevil",
        "/a;b=c/..;/d",
        "/%00",
        "/%ff%fe",
        "/%c3%bc",
        "/a?b?c",
    ],
)
async def test_paths_pass_undecoded_and_never_route(plane: World, target: str) -> None:
    reply = await plane.ask(f"GET {target}")
    assert reply.status == 200
    assert plane.workload.seen[-1].target == target
    assert plane.control.seen == []


async def test_a_target_that_looks_like_another_host_is_a_path(plane: World) -> None:
    """An upstream that redirects to the path it was asked for would send the browser to that host."""
    await plane.ask("GET //evil.example/x")
    assert plane.workload.seen[-1].target == "/evil.example/x"


async def test_an_empty_line_before_a_request_is_forgiven(plane: World) -> None:
    assert parse(await plane.talk(b"\r\n" + plane.head("GET /1", "Connection: close"))).status == 200


# Limits in time.
async def test_a_slow_head_is_cut_off(hasty: World) -> None:
    reader, writer = await hasty.connect()
    begin = asyncio.get_running_loop().time()
    for byte in b"GET / HTTP/1.1\r\nHost: local":
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)
    raw = await asyncio.wait_for(reader.read(), 5)
    assert parse(raw).status == 408
    assert asyncio.get_running_loop().time() - begin < 4
    writer.close()


async def test_a_body_that_stops_coming_is_cut_off(hasty: World) -> None:
    head = hasty.head("POST /echo", f"Origin: {hasty.origin()}", "Content-Length: 10")
    assert parse(await hasty.talk(head + b"12345")).status == 408
    await asyncio.sleep(0.05)
    assert hasty.workload.open == 0


async def test_idle_and_silent_connections_are_closed(hasty: World) -> None:
    silent, writer = await hasty.connect()
    used, other = await hasty.connect()
    other.write(hasty.head("GET /1"))
    await used.readuntil(b"}")
    assert await asyncio.wait_for(silent.read(), 5) == b""
    assert await asyncio.wait_for(used.read(), 5) == b""
    assert not hasty.door.clients
    writer.close()
    other.close()


async def test_a_slow_answer_is_no_idle_connection(hasty: World) -> None:
    _, writer = await hasty.connect()
    writer.write(hasty.head("GET /hang"))
    await asyncio.sleep(3.5)
    assert hasty.workload.open == 1
    writer.close()
    await asyncio.sleep(0.1)

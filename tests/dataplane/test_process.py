"""The data plane as a process: start, stop, memory, files, TLS, and revocation that needs no control plane."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.dataplane.process import TOKEN, Process, prepared, talk
from tests.dataplane.upstream import Upstream
from tests.harness import eventually

from roost.store import sessions
from roost.supervisor import EXIT_HOPELESS, LISTEN_FD


@pytest.fixture
def process() -> Iterator[Process]:
    with prepared() as ready:
        yield ready


@pytest.fixture
async def workload(process: Process) -> AsyncIterator[Upstream]:
    upstream = await Upstream(process.upstream).start()
    yield upstream
    await upstream.stop()


async def ask(process: Process, line: str, *headers: str) -> bytes:
    raw = process.head(line, *headers, "Connection: close")
    return await asyncio.to_thread(talk, process.settings.port, raw)


async def test_it_serves_and_stops_politely(process: Process, workload: Upstream) -> None:
    process.start()
    assert b" 200 OK" in await ask(process, "GET /")
    slow = asyncio.create_task(ask(process, "GET /slow"))
    await asyncio.sleep(0.1)
    code = asyncio.create_task(asyncio.to_thread(process.stop))
    assert b" 200 OK" in await slow  # what was under way is finished
    assert await code == 0


def test_a_taken_port_is_an_error_that_names_the_holder_and_a_hint(process: Process) -> None:
    process.start()
    second = process.launch()
    _, error = second.communicate(timeout=20)
    assert second.returncode == EXIT_HOPELESS
    assert [line.partition(b":")[0] for line in error.splitlines()] == [b"error", b"hint"]
    assert f"port {process.settings.port}".encode() in error
    assert f"(process {process.pid})".encode() in error


def test_a_missing_key_is_one_line(process: Process) -> None:
    (process.settings.keys / "ticket.key").unlink()
    failed = process.launch()
    _, error = failed.communicate(timeout=20)
    assert failed.returncode == EXIT_HOPELESS
    assert error.count(b"\n") == 1
    assert b"ticket.key" in error


async def test_an_inherited_socket_is_used(process: Process, workload: Upstream) -> None:
    with socket.create_server(("127.0.0.1", process.settings.port)) as listener:
        await asyncio.to_thread(process.start, (listener.fileno(),), **{LISTEN_FD: str(listener.fileno())})
        assert b" 200 OK" in await ask(process, "GET /")


async def test_idle_memory_is_small(process: Process, workload: Upstream) -> None:
    process.start()
    await ask(process, "GET /")
    assert process.memory_bytes() < 40 * 2**20


async def test_a_revoked_session_loses_its_websocket_without_a_control_plane(
    process: Process, workload: Upstream
) -> None:
    process.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", process.settings.port)
    origin = f"Origin: {process.settings.workload_origin(process.workspace)}"
    writer.write(process.head("GET /ws", origin, "Upgrade: websocket", "Connection: Upgrade"))
    assert (await reader.readuntil(b"hello")).startswith(b"HTTP/1.1 101")
    await asyncio.sleep(0.3)
    began = time.monotonic()
    with process.store.write() as tx:
        assert sessions.revoke_session(tx, process.session_id, now_us=time.time_ns() // 1000)
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    assert time.monotonic() - began < 1.0
    assert b" 401 " in await ask(process, "GET /")
    writer.close()


async def test_with_the_database_away_known_sessions_go_on_and_unknown_ones_do_not(
    process: Process, workload: Upstream
) -> None:
    process.start()
    assert b" 200 OK" in await ask(process, "GET /")
    for file in process.settings.home.glob("roost.db*"):
        file.rename(file.with_name("away-" + file.name))
    await asyncio.sleep(0.2)
    assert b" 200 OK" in await ask(process, "GET /")
    host = f"Host: {process.host}"
    raw = f"GET / HTTP/1.1\r\n{host}\r\nAuthorization: Bearer rst_new\r\nConnection: close\r\n\r\n".encode()
    assert b" 401 " in await asyncio.to_thread(talk, process.settings.port, raw)


async def test_no_file_descriptor_is_leaked(process: Process, workload: Upstream) -> None:
    process.start()
    await ask(process, "GET /")
    before = process.open_files()
    origin = f"Origin: {process.settings.workload_origin(process.workspace)}"
    for turn in range(150):
        reader, writer = await asyncio.open_connection("127.0.0.1", process.settings.port)
        lines = {
            0: process.head("GET /"),
            1: process.head("GET /ws", origin, "Upgrade: websocket", "Connection: Upgrade"),
            2: b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            3: process.head("GET /bytes/10000000"),
            4: process.head("POST /echo", origin, "Content-Length: 100") + b"x",
            5: process.head("GET /cut"),
            6: process.head("GET /garbage"),
            7: b"nonsense\r\n\r\n",
        }
        writer.write(lines[turn % len(lines)])
        with contextlib.suppress(ConnectionError, TimeoutError):
            await asyncio.wait_for(reader.read(100), 0.1)
        writer.transport.abort()
    await asyncio.to_thread(eventually, lambda: process.open_files() <= before + 1, within_s=15, what="closed files")
    assert workload.open == 0


async def test_secrets_are_not_logged(process: Process, workload: Upstream) -> None:
    object.__setattr__(process.settings, "log_level", "debug")
    process.start()
    await ask(process, "GET /.roost/enter?code=canary-code&next=/")
    await ask(process, "GET /x?token=canary-query", f"Authorization: Bearer {TOKEN}")
    assert process.popen is not None
    popen = process.popen
    popen.terminate()
    assert popen.stderr is not None
    log = await asyncio.to_thread(popen.stderr.read)
    assert b"GET" in log
    for secret in (b"canary", TOKEN.encode(), process.ticket.partition("=")[2].encode()):
        assert secret not in log


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    path = tmp_path / "tls.pem"
    names = "subjectAltName=DNS:roost.example,DNS:*.roost.roost.example"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
    ]
    command += ["-subj", "/CN=roost.example", "-addext", names, "-keyout", str(path), "-out", str(tmp_path / "crt")]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + (tmp_path / "crt").read_bytes())
    return path


async def opened(process: Process, context: ssl.SSLContext) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    for _ in range(200):
        with contextlib.suppress(ConnectionError):
            return await asyncio.open_connection(
                "127.0.0.1", process.settings.port, ssl=context, server_hostname=process.host
            )
        await asyncio.sleep(0.05)
    raise AssertionError("TLS is not served")


async def test_tls_is_served_with_modern_defaults(certificate: Path) -> None:
    with prepared(tls_cert=certificate, domain="roost.example") as process:
        upstream = await Upstream(process.upstream).start()
        process.start()
        context = ssl.create_default_context(cafile=str(certificate))
        reader, writer = await opened(process, context)
        origin = f"Origin: {process.settings.workload_origin(process.workspace)}"
        body = bytes(2_000_000)
        writer.write(process.head("POST /echo", origin, f"Content-Length: {len(body)}") + body)
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        writer.close()
        reader, writer = await opened(process, context)
        writer.write(process.head("GET /ws", origin, "Upgrade: websocket", "Connection: Upgrade"))
        await reader.readuntil(b"hello")
        writer.write(b"over tls")
        assert await reader.readexactly(8) == b"over tls"
        assert upstream.seen[-1].header("x-forwarded-proto") == "https"
        assert upstream.seen[0].body == body
        writer.close()
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(certificate)
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            old.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("127.0.0.1", process.settings.port, ssl=old, server_hostname=process.host)
        await upstream.stop()

"""Requests and websocket messages per second through the data plane, gate on, against the same upstream directly.

    python -m benchmarks.dataplane [--connections 32] [--seconds 5] [--proxy NAME=PORT ...]

The data plane is the real process over a real database; every request carries a ticket and passes the gate. Load
and upstream run in processes of their own. `--proxy` measures another proxy on this machine that leads to the
printed upstream, with the same load, so that ratios come from one run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvloop
from tests.dataplane.process import Process, prepared

BODY = b"x" * 100
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
MESSAGE = b"\x82\x40" + b"m" * 64
BROWSER = (
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Accept: */*",
    "Accept-Encoding: gzip, deflate, br",
)


class Stub(asyncio.Protocol):
    """The upstream: a fixed answer per request, an echo after an upgrade. It cannot be the bottleneck."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.rest = b""
        self.raw = False

    def data_received(self, data: bytes) -> None:
        if self.raw:
            self.transport.write(data)
            return
        data = self.rest + data
        count = data.count(b"\r\n\r\n")
        self.rest = data.rpartition(b"\r\n\r\n")[2]
        if b"websocket" in data:
            self.raw = True
            self.transport.write(SWITCH)
        elif count:
            self.transport.write(ANSWER * count)


def serve(path: str, port: int, ready: multiprocessing.synchronize.Event) -> None:
    """The upstream's process: on a unix socket for the data plane, on TCP for peers and for the direct figure."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        await loop.create_unix_server(Stub, path)
        await loop.create_server(Stub, "127.0.0.1", port)
        ready.set()
        await asyncio.Event().wait()

    uvloop.run(main())


@dataclass
class Result:
    """One measurement; latencies in milliseconds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


class Client(asyncio.Protocol):
    """One connection of the load: the next request goes out when the answer is complete."""

    def __init__(self, first: bytes, message: bytes, size: int, times: list[float]) -> None:
        self.first, self.message, self.size, self.times = first, message, size, times
        self.upgrading = first != message
        self.failed = 0
        self.got = 0
        self.buffer = b""
        self.sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(self.first)
        self.sent = time.perf_counter()

    def data_received(self, data: bytes) -> None:
        if self.upgrading:
            self.buffer += data
            if b"\r\n\r\n" not in self.buffer:
                return
            self.failed += b" 101 " not in self.buffer
            self.upgrading = False
        else:
            if not self.size:  # the first answer says how long answers are
                self.buffer += data
                if not self.buffer.endswith(BODY):
                    return
                self.failed += b" 200 " not in self.buffer[:20]
                self.size = self.got = len(self.buffer)
            else:
                self.got += len(data)
            if self.got < self.size:
                return
            self.got -= self.size
            now = time.perf_counter()
            self.times.append(now - self.sent)
        self.sent = time.perf_counter()
        self.transport.write(self.message)

    def connection_lost(self, _error: Exception | None) -> None:
        self.failed += 1


def load(port: int, first: bytes, message: bytes, size: int, connections: int, seconds: float) -> Result:
    """Drive one address from this process."""

    async def main() -> Result:
        loop = asyncio.get_running_loop()
        times: list[float] = []
        clients = [Client(first, message, size, times) for _ in range(connections)]
        for client in clients:
            await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
        await asyncio.sleep(0.5)
        times.clear()
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        done = sorted(times)
        failed = sum(client.failed for client in clients)
        for client in clients:
            client.transport.abort()
        if not done:
            return Result(0, 0, 0, max(failed, 1))
        return Result(len(done) / took, done[len(done) // 2] * 1e3, done[int(len(done) * 0.99)] * 1e3, failed)

    return uvloop.run(main())


def in_process(work: Callable[..., Result], *arguments: object) -> Result:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(work, arguments)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, port: int, heads: tuple[bytes, bytes], options: argparse.Namespace, pid: int = 0) -> list[str]:
    """One row of the table: requests, then websocket messages."""
    request, upgrade = heads
    before = cpu_seconds(pid) if pid else 0.0
    http = in_process(load, port, request, request, 0, options.connections, options.seconds)
    used = (cpu_seconds(pid) - before) if pid else 0.0
    micros = f"{used / (http.per_second * (options.seconds + 0.5)) * 1e6:.0f}" if pid and http.per_second else ""
    socket = in_process(load, port, upgrade, MESSAGE, len(MESSAGE), options.connections, options.seconds)
    failed = http.failed + socket.failed
    cells = [f"{http.per_second:,.0f}", f"{http.p50_ms:.2f}", f"{http.p99_ms:.2f}", micros]
    return [name, *cells, f"{socket.per_second:,.0f}", f"{socket.p99_ms:.2f}", str(failed)]


def heads(process: Process) -> tuple[bytes, bytes]:
    origin = f"Origin: {process.settings.workload_origin(process.workspace)}"
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", origin, "Sec-WebSocket-Version: 13")
    return process.head("GET /api/status", *BROWSER), process.head("GET /ws", *BROWSER, *upgrade)


def run(options: argparse.Namespace) -> list[list[str]]:
    """All rows, the direct one first."""
    context = multiprocessing.get_context("spawn")
    rows = []
    with prepared() as process:
        ready = context.Event()
        upstream = context.Process(
            target=serve, args=(str(process.upstream), options.upstream_port, ready), daemon=True
        )
        upstream.start()
        try:
            ready.wait(20)
            process.start()
            idle = process.memory_bytes()
            rows.append(measure("direct", options.upstream_port, heads(process), options))
            rows.append(measure("roost", process.settings.port, heads(process), options, process.pid))
            for name, port in (pair.split("=") for pair in options.proxy):
                rows.append(measure(name, int(port), heads(process), options))
            print(f"data plane: PSS {idle / 2**20:.1f} MB idle, {process.memory_bytes() / 2**20:.1f} MB after the load")
        finally:
            upstream.kill()
            upstream.join()
    return rows


def main() -> None:
    """Measure, and print a table (or JSON)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--upstream-port", type=int, default=18999)
    parser.add_argument("--proxy", action="append", default=[], metavar="NAME=PORT")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = run(options)
    titles = ["", "req/s", "p50 ms", "p99 ms", "CPU us/req", "ws msg/s", "ws p99 ms", "failed"]
    if options.json:
        print(json.dumps([dict(zip(["name", *titles[1:]], row, strict=True)) for row in rows]))
        return
    cores = len(os.sched_getaffinity(0))
    print(
        f"{platform.platform()}, {cores} cores, Python {platform.python_version()}, {options.connections} connections"
    )
    widths = [max(len(row[i]) for row in [titles, *rows]) for i in range(len(titles))]
    for row in [titles, *rows]:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    print(f"peak of the load generator: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()

"""Ten gigabytes each way, past a reader that stops now and then: the data plane holds a window, not the stream."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from tests.dataplane.process import Process, prepared

SIZE = 10 * 10**9
RISE = 8 * 2**20
BLOCK = 1 << 20


@pytest.fixture
def process() -> Iterator[Process]:
    with prepared() as ready:
        ready.start()
        yield ready


class Sink:
    """An upstream of blocking sockets: takes what is announced, or sends what is asked for."""

    def __init__(self, process: Process, *, slow: bool = False) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(process.upstream))
        self._listener.listen()
        self._slow = slow
        self.taken = 0
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, contextlib.suppress(ConnectionError):
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            if b"GET /ws" in head:
                connection.sendall(b"HTTP/1.1 101 Yes\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                send(connection, SIZE // 5)
            elif head.startswith(b"GET"):
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE)
                send(connection, SIZE)
            else:
                self.taken = len(head.partition(b"\r\n\r\n")[2])
                self.taken += receive(connection, SIZE - self.taken, slow=self._slow)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def close(self) -> None:
        self._listener.close()
        self.thread.join(10)


def send(connection: socket.socket, size: int) -> None:
    block = memoryview(bytes(BLOCK))
    while size:
        size -= connection.send(block[: min(size, BLOCK)])


def receive(connection: socket.socket, size: int, *, slow: bool) -> int:
    """Take up to `size` bytes; a slow reader sleeps a second at the start and then every gigabyte or so."""
    buffer = bytearray(BLOCK)
    taken, rest_at = 0, 0
    while taken < size:
        if slow and taken >= rest_at:
            time.sleep(0.5)
            rest_at = taken + 10**9
        got = connection.recv_into(buffer, min(BLOCK, size - taken))
        if got == 0:
            break
        taken += got
    return taken


@pytest.mark.slow
def test_ten_gigabytes_down_past_a_slow_reader(process: Process) -> None:
    sink = Sink(process)
    before = process.reset_peak()
    with socket.create_connection(("127.0.0.1", process.settings.port)) as client:
        client.sendall(process.head("GET /down"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        begun = len(head.partition(b"\r\n\r\n")[2])
        assert begun + receive(client, SIZE - begun, slow=True) == SIZE
    rise = process.peak_bytes() - before
    sink.close()
    assert rise <= RISE, f"peak memory rose by {rise / 2**20:.1f} MB"


@pytest.mark.slow
def test_ten_gigabytes_up_past_a_slow_reader(process: Process) -> None:
    sink = Sink(process, slow=True)
    before = process.reset_peak()
    with socket.create_connection(("127.0.0.1", process.settings.port)) as client:
        origin = f"Origin: {process.settings.workload_origin(process.workspace)}"
        client.sendall(process.head("POST /up", origin, f"Content-Length: {SIZE}"))
        send(client, SIZE)
        assert client.recv(65536).endswith(b"ok")
    rise = process.peak_bytes() - before
    sink.close()
    assert sink.taken == SIZE
    assert rise <= RISE, f"peak memory rose by {rise / 2**20:.1f} MB"


@pytest.mark.slow
def test_a_websocket_waits_for_its_slow_reader(process: Process) -> None:
    sink = Sink(process)
    before = process.reset_peak()
    with socket.create_connection(("127.0.0.1", process.settings.port)) as client:
        origin = f"Origin: {process.settings.workload_origin(process.workspace)}"
        client.sendall(process.head("GET /ws", origin, "Upgrade: websocket", "Connection: Upgrade"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        begun = len(head.partition(b"\r\n\r\n")[2])
        assert begun + receive(client, SIZE // 5 - begun, slow=True) == SIZE // 5
    rise = process.peak_bytes() - before
    sink.close()
    assert rise <= RISE, f"peak memory rose by {rise / 2**20:.1f} MB"

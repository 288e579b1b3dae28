"""What a browser does with a workspace, without one: Jupyter's REST API and a kernel over a websocket."""

from __future__ import annotations

import http.client
import json
import socket
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect


@dataclass
class Lab:
    """A JupyterLab behind the data plane, reached with an API token, or with the ticket of a browser."""

    url: str
    token: str = ""
    cookie: str = ""

    @property
    def identity(self) -> dict[str, str]:
        """The headers that say who asks."""
        if self.cookie:
            return {"Cookie": self.cookie, "Origin": self.url.rstrip("/")}
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    def request(self, method: str, path: str, body: Any = None, timeout_s: float = 30.0) -> tuple[int, bytes]:
        """One HTTP request on a connection of its own; status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout_s)
        try:
            headers = {"Host": self.host, **self.identity}
            payload = None if body is None else json.dumps(body)
            if payload is not None:
                headers["Content-Type"] = "application/json"
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        status, content = self.request(method, path, body)
        assert status < 300, (method, path, status, content[:500])
        return json.loads(content) if content else None

    def start_kernel(self) -> Kernel:
        return Kernel(self, self.json("POST", "/api/kernels", {"name": "python3"})["id"])


@dataclass
class Kernel:
    """One kernel of a Lab; `connection` is the open websocket."""

    lab: Lab
    id: str
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    connection: ClientConnection | None = None

    def open(self) -> ClientConnection:
        """The websocket, opened when it is not."""
        if self.connection is None:
            plain = socket.create_connection(("127.0.0.1", self.lab.port), timeout=10)
            opening = connect(
                f"ws://{self.lab.host}/api/kernels/{self.id}/channels?session_id={self.session}",
                sock=plain,
                additional_headers=self.lab.identity,
                open_timeout=20,
                max_size=None,
                max_queue=None,  # a paused reader would not see the end of a close
            )
            self.connection = opening.__enter__()  # `close` is the other end: it lives longer than a block
        return self.connection

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def send(self, code: str) -> str:
        """Ask the kernel to run code; returns the message id."""
        message_id = uuid.uuid4().hex
        header = {
            "msg_id": message_id,
            "msg_type": "execute_request",
            "username": "",
            "session": self.session,
            "version": "5.3",
            "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False, "stop_on_error": True}
        envelope = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        self.open().send(json.dumps({**envelope, "buffers": []}))
        return message_id

    def messages(self, timeout_s: float) -> Iterator[dict[str, Any]]:
        """Messages as they come; ends at the time-out."""
        deadline = time.monotonic() + timeout_s
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                yield json.loads(self.open().recv(timeout=left_s))
            except TimeoutError:
                return

    def run(self, code: str, timeout_s: float = 60.0) -> str:
        """Run code to its end; returns what it printed, or raises with the traceback."""
        message_id = self.send(code)
        printed = ""
        for message in self.messages(timeout_s):
            if message["parent_header"].get("msg_id") != message_id:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed += content["text"]
            elif kind == "execute_result":
                printed += content["data"].get("text/plain", "")
            elif kind == "error":
                raise AssertionError("\n".join(content["traceback"]))
            elif kind == "status" and content["execution_state"] == "idle":
                return printed
        raise AssertionError(f"no end of the cell within {timeout_s} s; printed so far: {printed[-500:]!r}")


@dataclass
class Counter:
    """A kernel that counts for ever; remembers the highest number that came over the websocket."""

    kernel: Kernel
    value: int = 0
    reconnects: int = 0

    def begin(self, code: str) -> None:
        self.kernel.send(code)

    def advance(self, within_s: float) -> int:
        """Wait for a number higher than all before over the same websocket; the count must never go back."""
        start, deadline = self.value, time.monotonic() + within_s
        while time.monotonic() < deadline:
            try:
                for message in self.kernel.messages(min(1.0, within_s)):
                    self._take(message)
                    if self.value > start:
                        return self.value
            except (ConnectionClosed, OSError) as error:
                raise AssertionError(f"the websocket was closed: {error}") from None
        raise AssertionError(f"the counter stood still at {self.value} for {within_s} s")

    def reconnect(self, within_s: float) -> None:
        """Read what came before the websocket was closed, as it must be by now, and open another one."""
        deadline = time.monotonic() + within_s
        try:
            for message in self.kernel.messages(within_s):
                self._take(message)
        except (ConnectionClosed, OSError):
            self.kernel.connection = None
        assert self.kernel.connection is None, "the websocket is still open"
        self.reconnects += 1
        while True:
            try:
                self.kernel.open()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return

    def _take(self, message: dict[str, Any]) -> None:
        if message["msg_type"] == "error":
            raise AssertionError("\n".join(message["content"]["traceback"]))
        if message["msg_type"] == "stream":
            for word in message["content"]["text"].split():
                number = int(word)
                assert number > self.value, f"the counter went back from {self.value} to {number}"
                self.value = number

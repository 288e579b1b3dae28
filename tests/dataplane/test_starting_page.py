"""The starting page in a real browser: it waits under its strict policy, and opens the workload by itself."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import sync_playwright
from tests.browser.browsers import launch
from tests.dataplane.process import Process, prepared

from roost.store import routes
from roost.store.gate import GateRoute

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<h1>Opened</h1>"


@pytest.fixture
def process() -> Iterator[Process]:
    with prepared() as ready:
        ready.start()
        yield ready


def lead(process: Process, phase: str, reason: str, address: str = "") -> None:
    with process.store.write() as tx:
        row = routes.of_workload(tx, process.workspace)[0]
        wanted = GateRoute(row.host, row.workload, row.owner, "demo", "workspace", address, phase, reason)
        routes.put(tx, [wanted])


def answer_once(listener: socket.socket) -> None:
    for _ in range(4):
        connection, _ = listener.accept()
        with connection:
            if connection.recv(65536):
                connection.sendall(ANSWER)


@pytest.mark.browser
def test_it_opens_by_itself(process: Process) -> None:
    lead(process, "starting", "Loading extensions")
    name, _, value = process.ticket.partition("=")
    origin = process.settings.workload_origin(process.workspace)
    with sync_playwright() as playwright, launch(playwright) as browser:
        context = browser.new_context()
        cookie = {"name": name, "value": value, "url": origin.replace("http:", "https:"), "secure": True}
        context.add_cookies([cookie])  # type: ignore[list-item]
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(f"{origin}/lab")
        page.get_by_text("Loading extensions").wait_for()
        page.get_by_text("1 s", exact=True).wait_for()
        lead(process, "starting", "Almost there")
        page.get_by_text("Almost there").wait_for()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(process.upstream))
            listener.listen()
            threading.Thread(target=answer_once, args=(listener,), daemon=True).start()
            lead(process, "starting", "Almost there", f"unix:{process.upstream}")
            page.get_by_role("heading", name="Opened").wait_for(timeout=5000)
        assert page.url == f"{origin}/lab"
        assert not [text for text in complaints if "Content Security Policy" in text or "violates" in text]

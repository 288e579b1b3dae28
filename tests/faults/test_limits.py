"""Memory, disk and ports run out; the machine restarts: what is told is the cause, and what others have lives on."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from tests.conftest import BuiltImage
from tests.harness import Platform, eventually, platform, processes_of, remove_traces, small_disk, sweep
from tests.jupyter import Kernel, Lab
from websockets.exceptions import ConnectionClosed

from roost.model.tickets import hash_secret, issue_ticket, ticket_cookie
from roost.services import sessions
from roost.settings import Settings
from roost.store.database import open_store


@pytest.fixture
def running(short_home: Path) -> Iterator[Platform]:
    with platform(short_home) as up:
        yield up


def workspace(up: Platform, name: str, *flags: str) -> tuple[dict[str, Any], Lab]:
    """A workspace with a JupyterLab that answers."""
    made = up.cli_json("workspace", "create", name, "--wait", *flags)
    lab = Lab(made["url"], up.token)
    eventually(lambda: lab.request("GET", "/api/status")[0] == 200, what="JupyterLab")
    return made, lab


def shown(up: Platform, id: str) -> dict[str, Any]:
    found: dict[str, Any] = up.cli_json("workspace", "show", id)
    return found


def put(lab: Lab, path: str, text: str) -> int:
    """Write a file of the home; returns the status."""
    body = {"type": "file", "format": "text", "content": text}
    return lab.request("PUT", f"/api/contents/{path}", body)[0]


def read(lab: Lab, path: str) -> str:
    return str(lab.json("GET", f"/api/contents/{path}?type=file&format=text")["content"])


def smallest_size(up: Platform) -> dict[str, Any]:
    return min(up.cli_json("sizes")["items"], key=lambda size: int(size["memory_bytes"]))


@pytest.mark.slow
def test_a_memory_hog_is_stopped_with_its_amount_and_the_others_live_on(running: Platform) -> None:
    size = smallest_size(running)
    hog, lab = workspace(running, "hog", "--size", size["name"])
    _, neighbour = workspace(running, "neighbour", "--size", size["name"])
    kept = neighbour.start_kernel()
    assert kept.run("x = 6 * 7; print(x)") == "42\n"
    assert put(lab, "notes.txt", "kept") == 201
    kernel = lab.start_kernel()
    kernel.send("held = []\nwhile True: held.append(b'x' * (64 << 20))")
    eventually(lambda: shown(running, hog["id"])["phase"] == "failed", within_s=60, what="the hog is stopped")
    reason = shown(running, hog["id"])["reason"]
    found = re.match(r"JupyterLab stopped at ([\d.]+) of ([\d.]+) (MB|GB): the memory limit\.", reason)
    assert found, reason
    amount, limit = float(found[1]), float(found[2])
    assert limit * {"MB": 2**20, "GB": 2**30}[found[3]] == size["memory_bytes"]
    assert 0.8 * limit <= amount <= 1.2 * limit
    assert kept.run("print(x)") == "42\n", "the neighbour lives on, memory and all"
    kernel.close()
    kept.close()
    running.cli("workspace", "start", "hog", "--wait")
    eventually(lambda: lab.request("GET", "/api/status")[0] == 200, what="JupyterLab again")
    assert read(lab, "notes.txt") == "kept"


@pytest.mark.slow
def test_after_a_kill_of_everything_and_a_reboot_homes_are_whole_and_workspaces_run(running: Platform) -> None:
    made, lab = workspace(running, "survivor")
    assert put(lab, "notes.txt", "kept") == 201
    assert running.process is not None
    running.process.kill()
    running.process.wait()
    sweep(running.home)
    assert processes_of(running.home) == {}
    # After a reboot every number that was written down means another process, or none: here, one that lives.
    for identity in running.home.glob("workloads/*/*/identity.json"):
        said = json.loads(identity.read_text())
        identity.write_text(json.dumps({**said, "boot": "another-boot", "pid": os.getpid()}))
    remove_traces(running.home)  # sockets are on a disk that a reboot empties
    running.start()
    eventually(lambda: shown(running, made["id"])["phase"] == "running", what="it is started again by itself")
    eventually(lambda: lab.request("GET", "/api/status")[0] == 200, what="JupyterLab")
    assert read(lab, "notes.txt") == "kept"
    assert lab.start_kernel().run("print(6 * 7)") == "42\n"


@pytest.mark.slow
def test_a_port_that_is_taken_while_nobody_listens_is_told_and_workloads_run_on(running: Platform) -> None:
    _, lab = workspace(running, "stays")
    shims = {pid for pid, command in processes_of(running.home).items() if command.startswith("roost-shim")}
    assert running.stop(workloads=False) == 0
    refused = pytest.raises(AssertionError, match=rf"port {running.port}.*process {os.getpid()}")
    with socket.create_server(("127.0.0.1", running.port)), refused:
        running.start(within_s=30)
    running.start()
    eventually(lambda: lab.request("GET", "/api/status")[0] == 200, what="JupyterLab")
    alive = {pid for pid, command in processes_of(running.home).items() if command.startswith("roost-shim")}
    assert alive == shims


# -- sessions -------------------------------------------------------------------------------------------------------


PASSWORD = "correct horse battery"


def sign_in(up: Platform, lab: Lab) -> tuple[str, Lab]:
    """A session by the first administrator's link: its secret, and the workspace as that browser reaches it."""
    found = re.search(r"/join/[\w-]+", up.output)
    assert found
    headers = {"Origin": up.url, "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode({"name": "admin", "password": PASSWORD}).encode()
    status, answered, _ = up.ask("POST", found[0], headers, body)
    assert status == 303
    cookie = next(value for name, value in answered if name.lower() == "set-cookie").partition(";")[0]
    secret = cookie.partition("=")[2]
    settings = Settings(home=up.home, port=up.port)
    host = urlsplit(lab.url).hostname or ""
    key = (settings.keys / "ticket.key").read_bytes()
    ticket = issue_ticket(key, session_key=hash_secret(secret), workload_host=host)
    return secret, Lab(lab.url, cookie=f"{ticket_cookie(settings.instance, True)}={ticket}")


def revoke(up: Platform, secret: str) -> None:
    """End a session as the control plane would, without it."""
    store = open_store(Settings(home=up.home))
    try:
        sessions.sign_out(store, secret, now_us=time.time_ns() // 1000)
    finally:
        store.close()


def closes_within(kernel: Kernel, seconds: float) -> bool:
    try:
        for _ in kernel.messages(seconds):
            pass
    except (ConnectionClosed, OSError):
        return True
    return False


@contextlib.contextmanager
def held_down(up: Platform, how: str) -> Iterator[None]:
    """No control plane for the length of the block: stopped, or killed again and again."""
    pid = up.children()["roost.control"]
    if how == "runs":
        yield
    elif how == "is stopped":
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)
    else:
        over = threading.Event()
        killer = threading.Thread(target=kill_until, args=(up, over))
        killer.start()
        try:
            yield
        finally:
            over.set()
            killer.join()


def kill_until(up: Platform, over: threading.Event) -> None:
    while not over.wait(0.05):
        with contextlib.suppress(OSError, ValueError, KeyError):
            os.kill(up.children()["roost.control"], signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.parametrize("control", ["runs", "is stopped", "is killed again and again"])
def test_a_revoked_session_loses_its_websocket_within_five_seconds(running: Platform, control: str) -> None:
    _, lab = workspace(running, "open")
    secret, browser = sign_in(running, lab)
    kernel = Kernel(browser, lab.start_kernel().id)
    kernel.send("import itertools, time\nfor n in itertools.count(): print(n, flush=True); time.sleep(0.1)")
    assert next(kernel.messages(10))
    other = Kernel(lab, kernel.id)
    other.open()
    with held_down(running, control):
        assert not closes_within(kernel, 1.0), "it is not the control plane that keeps it open"
        revoke(running, secret)
        assert closes_within(kernel, 5.0)
        assert not closes_within(other, 0.5), "that of a token stays"
        assert browser.request("GET", "/api/status")[0] in (302, 303, 401, 403)
    other.close()
    running.wait_healthy()


# -- a full disk: only root can make a small one ----------------------------------------------------------------------

if os.geteuid() == 0:

    @pytest.mark.slow
    def test_a_full_home_lets_its_owner_in_with_a_report(running: Platform) -> None:
        made, lab = workspace(running, "full")
        running.cli("workspace", "stop", "full", "--wait")
        home = Settings(home=running.home).volumes / made["volume"]
        owner = home.stat()
        with small_disk(home, "8m", f"uid={owner.st_uid},gid={owner.st_gid}"):
            fill(home / "large.bin", owner.st_uid)
            running.cli("workspace", "start", "full", "--wait")
            eventually(lambda: lab.request("GET", "/api/status")[0] == 200, what="JupyterLab")
            report = read(lab, "Disk%20report.md")
            assert "The disk is full." in report
            assert "`large.bin`" in report
            assert lab.request("DELETE", "/api/contents/home/large.bin")[0] == 204
            running.cli("workspace", "restart", "full", "--wait")
            eventually(lambda: put(lab, "notes.txt", "there is room") == 201, what="room")
            running.cli("workspace", "stop", "full", "--wait")

    @pytest.mark.slow
    def test_a_platform_whose_disk_is_full_serves_on_and_heals(short_home: Path, default_image: BuiltImage) -> None:
        """The database refuses changes while there is no room, keeps what it has, and works again with room."""
        with small_disk(short_home, "48m"):
            (short_home / "images").symlink_to(default_image.images)
            with platform(short_home) as up:
                made, lab = workspace(up, "one")
                kernel = lab.start_kernel()
                assert kernel.run("x = 6 * 7; print(x)") == "42\n"
                fill(short_home / "ballast", 0)
                refused = eventually(lambda: no_room(up), what="a change is refused")
                assert "full" in refused.lower()
                assert up.healthy()
                assert shown(up, made["id"])["phase"] == "running"
                assert kernel.run("print(x)") == "42\n"
                os.kill(up.children()["roost.control"], signal.SIGKILL)
                eventually(lambda: up.ask("GET", "/api/v1/version")[0] == 200, what="a new control plane without room")
                assert kernel.run("print(x)") == "42\n"
                assert up.stop(workloads=False) == 0
                up.start()
                eventually(lambda: lab.request("GET", "/api/status")[0] == 200, what="a new platform without room")
                (short_home / "ballast").unlink()
                up.cli("workspace", "create", "two", "--wait")
                names = {item["name"] for item in up.cli_json("workspace", "list")["items"]}
                assert {"one", "two"} <= names
                assert "Traceback" not in up.output

    def fill(path: Path, uid: int) -> None:
        """Write until nothing goes in any more."""
        with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
            os.fchown(file.fileno(), uid, uid)
            for size in (1 << 20, 1 << 12, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(size))

    def no_room(up: Platform) -> str:
        """What a change is answered with; "" where it went through: some room was left in the database."""
        done = up.cli("token", "create", os.urandom(4).hex(), check=False)
        assert "Traceback" not in done.stderr
        return done.stderr if done.returncode else ""

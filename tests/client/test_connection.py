"""Asking the platform: names of loopback, errors, retries, rotated tokens, an address that moves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.scripted_server import ScriptedServer, serving
from tests.harness import free_port

from roost.client import connection as module
from roost.client.configuration import Configuration
from roost.client.connection import ATTEMPTS, Connection, version_skew
from roost.model import errors


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY_S", 0.001)
    monkeypatch.setattr(module, "_LONGEST_DELAY_S", 0.01)


def connect(url: str, token: str = "rst_token") -> Connection:
    return Connection(Configuration(url=url, token=token))


def test_names_below_localhost_go_to_loopback_past_any_proxy(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    server.answer(200, {"ok": True})
    connection = connect(f"http://any.name.localhost:{server.port}")
    assert connection.get("/api/v1/me", limit=5, after=None) == {"ok": True}
    connection.close()
    asked = server.asked[0]
    assert asked.headers["Host"] == f"any.name.localhost:{server.port}"
    assert asked.path == "/api/v1/me?limit=5"
    assert asked.headers["Authorization"] == "Bearer rst_token"


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (401, "not-signed-in", errors.NotSignedIn),
        (403, "forbidden", errors.Forbidden),
        (404, "not-found", errors.NotFound),
        (409, "conflict", errors.Conflict),
        (409, "refused", errors.Refused),
        (422, "invalid-input", errors.InvalidInput),
        (429, "too-many", errors.TooMany),
        (503, "unavailable", errors.Unavailable),
        (500, "internal", errors.RoostError),
    ],
)
def test_problems_become_the_error_they_were(
    server: ScriptedServer, status: int, code: str, kind: type[errors.RoostError]
) -> None:
    server.answer(status, {"title": "No.", "code": code, "hint": "Yes.", "field": "size", "subject": "huge"})
    connection = connect(server.url)
    with pytest.raises(errors.RoostError) as caught:
        connection.send("POST", "/api/v1/workspaces", {})
    connection.close()
    error = caught.value
    assert type(error) is kind
    assert (error.message, error.code, error.hint, error.field, error.subject) == ("No.", code, "Yes.", "size", "huge")


def test_an_answer_that_explains_nothing_still_says_something(server: ScriptedServer) -> None:
    server.answer(502, None, Content_Type="text/html")
    connection = connect(server.url)
    with pytest.raises(errors.Unavailable, match="answered 502"):
        connection.send("POST", "/api/v1/workspaces/demo/stop", {})
    connection.close()


@pytest.mark.parametrize("status", [200, 401, 404, 418, 500, 501])
def test_what_is_not_roost_is_named(server: ScriptedServer, status: int) -> None:
    server.answer(status, "hello", Content_Type="text/html")
    connection = connect(server.url)
    with pytest.raises(errors.Unavailable, match=f"is not the Roost platform .{status}") as caught:
        connection.get("/api/v1/me")
    connection.close()
    assert caught.value.code == "not-roost"


def test_a_redirect_names_where_it_leads(server: ScriptedServer) -> None:
    server.answer(301, None, Content_Type="text/html", Location="https://roost.example.org/")
    connection = connect(server.url)
    with pytest.raises(errors.Unavailable) as caught:
        connection.get("/api/v1/me")
    connection.close()
    assert "https://roost.example.org/" in caught.value.hint


def test_reading_is_repeated_until_the_platform_is_back(server: ScriptedServer) -> None:
    server.answer(503, {"title": "Starting."})
    server.answer(502, {"title": "Starting."})
    server.answer(200, {"ok": True})
    connection = connect(server.url)
    assert connection.get("/api/v1/me") == {"ok": True}
    connection.close()
    assert len(server.asked) == 3


def test_reading_gives_up(server: ScriptedServer) -> None:
    server.answer(503, {"title": "Starting."})
    connection = connect(server.url)
    with pytest.raises(errors.Unavailable, match="Starting"):
        connection.get("/api/v1/me")
    connection.close()
    assert len(server.asked) == ATTEMPTS


def test_changing_is_not_repeated_unless_it_has_a_key(server: ScriptedServer) -> None:
    server.answer(503, {"title": "Busy."})
    connection = connect(server.url)
    with pytest.raises(errors.Unavailable):
        connection.send("POST", "/api/v1/workspaces/demo/stop", {})
    assert len(server.asked) == 1
    server.answers.clear()
    server.answer(503, {"title": "Busy."})
    server.answer(201, {"id": "ws-a"})
    assert connection.send("POST", "/api/v1/workspaces", {}, key="once") == {"id": "ws-a"}
    connection.close()
    assert [asked.headers.get("Idempotency-Key") for asked in server.asked] == [None, "once", "once"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nobody_listening_is_unavailable(method: str) -> None:
    connection = connect(f"http://localhost:{free_port()}")
    with pytest.raises(errors.Unavailable, match="cannot be reached: nothing listens there"):
        connection.send(method, "/api/v1/workspaces")
    connection.close()


def test_a_name_nobody_knows_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY_S", 60.0)  # asking again would take until the test is stopped
    connection = connect("http://roost.invalid")
    with pytest.raises(errors.Unavailable, match=r"the name roost\.invalid is not known"):
        connection.get("/api/v1/me")
    connection.close()


def test_plain_http_under_an_address_with_tls_is_said_at_once(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_FIRST_DELAY_S", 60.0)
    connection = connect(server.url.replace("http:", "https:"))
    with pytest.raises(errors.Unavailable, match="does not speak TLS there") as caught:
        connection.get("/api/v1/me")
    connection.close()
    assert server.url in caught.value.hint


def test_what_does_not_speak_http_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=_say_hello, args=(listener,))
        answering.start()
        connection = connect(f"http://127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(errors.Unavailable, match="does not speak HTTP"):
            connection.send("POST", "/api/v1/workspaces/demo/stop", {})
        connection.close()
        answering.join()


def _say_hello(listener: socket.socket) -> None:
    with listener.accept()[0] as accepted:
        accepted.sendall(b"SSH-2.0-hello\r\n")
        accepted.recv(1 << 16)


def test_a_rotated_token_is_used_at_once(server: ScriptedServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("rst_old")
    server.answer(401, {"title": "Expired."})
    server.answer(200, {"ok": True})
    server.before_answer = lambda: file.write_text("rst_new")
    connection = Connection(Configuration(url=server.url, token_file=file))
    assert connection.send("POST", "/api/v1/workspaces", {}) == {"ok": True}
    connection.close()
    assert [asked.headers["Authorization"] for asked in server.asked] == ["Bearer rst_old", "Bearer rst_new"]


def test_a_refused_token_that_did_not_change_is_not_sent_twice(server: ScriptedServer) -> None:
    server.answer(401, {"title": "Expired.", "code": "not-signed-in"})
    connection = connect(server.url)
    with pytest.raises(errors.NotSignedIn) as caught:
        connection.get("/api/v1/me")
    connection.close()
    assert len(server.asked) == 1
    assert "roost login" in caught.value.hint


def test_an_address_that_moved_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "url"
    with serving() as new:
        new.answer(200, {"ok": True})
        file.write_text(f"http://localhost:{free_port()}")
        connection = Connection(Configuration(url="", url_file=file))
        file.write_text(new.url)
        assert connection.get("/api/v1/me") == {"ok": True}
        connection.close()


@pytest.mark.parametrize(
    ("client", "server_version", "fits"),
    [
        ("0.1.0", "0.1.9", True),
        ("0.1.0", "0.3.0", True),
        ("0.1.0", "0.4.0", False),
        ("0.2.0", "0.1.0", False),
        ("0.1.0", "1.1.0", False),
        ("0.1.0", "", True),
        ("0.1.0", "dev", True),
    ],
)
def test_versions_too_far_apart_are_named(client: str, server_version: str, fits: bool) -> None:
    assert (version_skew(client, server_version) == "") is fits


def test_an_unknown_key_hints_at_the_version(server: ScriptedServer) -> None:
    server.answer(422, {"title": "Unknown key.", "code": "invalid-input"}, X_Roost_Version="9.0.0")
    connection = connect(server.url)
    with pytest.raises(errors.InvalidInput) as caught:
        connection.send("POST", "/api/v1/workspaces", {})
    connection.close()
    assert "roost==9.0.0" in caught.value.hint

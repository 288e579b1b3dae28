"""Wrong addresses, wrong tokens, a machine that lacks something: one message, one hint, the right exit code."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.command import environment, roost
from tests.client.scripted_server import ScriptedServer, serving
from tests.harness import free_port

from roost.cli.output import print_table


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    return environment(tmp_path)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving() as running:
        yield running


def asked(clean: dict[str, str], url: str, token: str = "rst_a") -> tuple[int, list[str]]:
    done = roost("whoami", variables={**clean, "ROOST_URL": url, "ROOST_TOKEN": token})
    assert done.out == ""
    return done.code, done.err.splitlines()


def test_nothing_listens(clean: dict[str, str]) -> None:
    url = f"http://localhost:{free_port()}"
    assert asked(clean, url) == (
        3,
        [
            f"error: The platform at {url} cannot be reached: nothing listens there.",
            "hint: Check the address, and that `roost up` runs there.",
        ],
    )


def test_tls_where_there_is_none(clean: dict[str, str], server: ScriptedServer) -> None:
    code, (error, hint) = asked(clean, server.url.replace("http:", "https:"))
    assert code == 3
    assert error.endswith("cannot be reached: it does not speak TLS there.")
    assert server.url in hint


def test_something_that_is_not_roost(clean: dict[str, str], server: ScriptedServer) -> None:
    server.answer(404, "hello", Content_Type="text/html")
    code, (error, hint) = asked(clean, server.url)
    assert code == 3
    assert error == f"error: What answers at {server.url} is not the Roost platform (404 Not Found)."
    assert hint.startswith("hint: Use the address of the platform's own pages")


@pytest.mark.parametrize(
    ("status", "code"), [(401, 1), (403, 1), (404, 1), (409, 1), (422, 2), (429, 1), (500, 1), (503, 3)]
)
def test_what_the_platform_says_decides_the_exit_code(
    clean: dict[str, str], server: ScriptedServer, status: int, code: int
) -> None:
    server.answer(status, {"title": "No.", "hint": "Do that.", "subject": "thing", "field": "size"})
    words = ("workspace", "stop", "thing")  # a change without a key: asked once
    done = roost(*words, variables={**clean, "ROOST_URL": server.url, "ROOST_TOKEN": "rst_a"})
    assert (done.code, done.out) == (code, "")
    assert done.err == "error: size: No (thing).\nhint: Do that.\n"


@pytest.mark.parametrize("token", ["rst_a b", "rst_ä", "rst_a\nb"])
def test_what_cannot_be_a_token_is_not_sent(clean: dict[str, str], server: ScriptedServer, token: str) -> None:
    code, (error, _) = asked(clean, server.url, token)
    assert code == 2
    assert "The token has characters that no token has." in error
    assert not server.asked


def test_without_a_token_the_hint_says_how_to_sign_in(clean: dict[str, str], server: ScriptedServer) -> None:
    server.answer(401, {"title": "You are not signed in.", "code": "not-signed-in", "hint": "Sign in on the page."})
    code, lines = asked(clean, server.url, "")
    assert (code, lines[1]) == (1, "hint: No token was sent. Run `roost login URL`, or set ROOST_TOKEN.")


def test_doctor_names_what_is_missing_and_how_to_get_it(clean: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = roost("doctor", "--home", "/proc/nowhere", "--port", str(port), variables={**clean, "PATH": "/nowhere"})
    assert (done.code, done.err) == (1, "")
    text = done.out
    for name in ("Python", "Memory", "Home", "Disk", "Port", "Isolation", "Memory limits", "uv", "Chromium"):
        assert f" {name} " in text
    lines = text.splitlines()
    [home] = [index for index, line in enumerate(lines) if line.startswith("missing") and " Home " in line]
    assert lines[home + 1].strip() == "-> Use --home with a directory of yours."
    [at_port] = [index for index, line in enumerate(lines) if line.startswith("note") and " Port " in line]
    assert f"port {port}" in lines[at_port]
    assert lines[at_port + 1].strip().startswith("-> Use another --port")
    assert "not found; only tests need it" in text


@pytest.mark.parametrize("verb", ["up", "doctor"])
def test_an_empty_home_is_refused(clean: dict[str, str], verb: str) -> None:
    done = roost(verb, "--home", "", variables=clean)
    assert done.code == 2
    assert done.err.startswith("error: home is empty.\nhint: ")


def test_columns_stay_aligned_under_wide_and_combining_letters(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("NAME", "EMPTY", "SIZE"), [["日本", "", "a"], ["e\u0301", "", "b"], ["plain", "", "c"]], "")
    assert capsys.readouterr().out.splitlines() == ["NAME   SIZE", "日本   a", "e\u0301      b", "plain  c"]

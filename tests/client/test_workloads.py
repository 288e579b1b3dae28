"""Workspaces and clusters through the SDK: what is asked, and what is said of names that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.client.scripted_server import ScriptedServer, serving

from roost.client.platform import Roost
from roost.model import errors

MISSING = {"title": 'There is no workspace "demi".', "code": "not-found", "hint": "See the list."}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving() as running:
        yield running


@pytest.fixture
def roost(server: ScriptedServer) -> Iterator[Roost]:
    with Roost(server.url, "rst_a", environment={}) as asked:
        yield asked


def told(name: str, id: str = "ws-a") -> dict[str, Any]:
    return {"id": id, "kind": "workspace", "name": name, "phase": "stopped"}


@pytest.mark.parametrize("action", ["get", "start", "stop", "restart", "delete", "events"])
def test_the_nearest_name_is_suggested(server: ScriptedServer, roost: Roost, action: str) -> None:
    server.answer(404, MISSING)
    server.answer(200, {"items": [told("demo"), told("other")]})
    with pytest.raises(errors.NotFound) as caught:
        getattr(roost.workspaces, action)("demi")
    assert caught.value.hint == "Did you mean demo? See the list."


def test_that_names_cannot_be_listed_hides_no_error(server: ScriptedServer, roost: Roost) -> None:
    server.answer(404, MISSING)
    server.answer(403, {"title": "The token does not cover this.", "code": "scope-missing"})
    with pytest.raises(errors.NotFound) as caught:
        roost.workspaces.get("demi")
    assert caught.value.hint == "See the list."


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../people"])
def test_what_would_lead_elsewhere_is_not_asked(server: ScriptedServer, roost: Roost, name: str) -> None:
    server.answer(200, {"items": []})
    with pytest.raises(errors.NotFound):
        roost.workspaces.stop(name)
    assert {(asked.method, asked.path) for asked in server.asked} <= {("GET", "/api/v1/workspaces?limit=200")}


def test_restoring_by_name_finds_the_deleted_one(server: ScriptedServer, roost: Roost) -> None:
    server.answer(200, {"items": [told("Demo", "ws-deleted"), told("other", "ws-other")]})
    server.answer(200, told("Demo", "ws-deleted"))
    assert roost.workspaces.restore("demo").id == "ws-deleted"
    assert [asked.path for asked in server.asked] == [
        "/api/v1/workspaces?limit=200&deleted=true",
        "/api/v1/workspaces/ws-deleted/restore",
    ]


def test_restoring_by_a_name_of_two_asks_which(server: ScriptedServer, roost: Roost) -> None:
    server.answer(200, {"items": [told("demo", "ws-newer"), told("demo", "ws-older")]})
    with pytest.raises(errors.Conflict) as caught:
        roost.workspaces.restore("demo")
    assert caught.value.hint == "Use an id, newest first: ws-newer, ws-older."
    assert len(server.asked) == 1


def test_a_wait_that_takes_too_long_says_why(server: ScriptedServer, roost: Roost) -> None:
    server.answer(200, {**told("demo"), "phase": "starting", "wanted": "running", "reason": "Unpacking."})
    with pytest.raises(errors.Unavailable, match=r"demo is still starting after 0\.01 s\. Unpacking\."):
        roost.workspaces.wait("demo", "running", timeout_s=0.01)


def test_a_wait_for_what_failed_ends(server: ScriptedServer, roost: Roost) -> None:
    server.answer(200, {**told("demo"), "phase": "failed", "wanted": "running", "reason": "It ended with code 1."})
    with pytest.raises(errors.RoostError, match=r"demo failed\. It ended with code 1\.") as caught:
        roost.workspaces.wait("demo", "running")
    assert caught.value.hint == "Look at `roost workspace logs demo`."

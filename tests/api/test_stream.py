"""The stream of news: one's own alone, in order, and over as soon as whoever listens may not any more."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.api.streaming import Stream, streamed
from tests.api.world import World
from tests.services.fixed import by
from tests.store.making import NOW

from roost.api.headers import CONTENT_SECURITY_POLICY
from roost.control.changes import News
from roost.model.access import Role
from roost.services import people, sessions, tokens, workloads

REVOKED_WITHIN_S = 5.0  # the contract of security.md
PATH = "/api/v1/stream"


@contextlib.asynccontextmanager
async def polled(world: World) -> AsyncIterator[None]:
    """The poller of changes runs; nothing else of the control plane does."""
    task = asyncio.create_task(world.platform.changes.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def world(world: World) -> AsyncIterator[World]:
    async with polled(world):
        yield world


async def opened(stream: Stream) -> None:
    """Wait until the stream listens."""
    assert await stream.piece() == b"retry: 1000\n\n"


async def news_of(stream: Stream) -> tuple[str, dict[str, Any]]:
    """The next event; the stream must not be over."""
    event = await stream.event()
    assert event is not None
    return event


async def test_news_of_own_workloads_alone(world: World) -> None:
    ada, bob = world.browser("Ada"), world.browser("Bob")
    async with streamed(world.app, PATH, ada.headers(changes=False)) as stream:
        await opened(stream)
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert stream.headers["cache-control"] == "no-store"
        await world.ask(bob, "POST", "/api/v1/workspaces", {"name": "Bob's"})
        made = (await world.ask(ada, "POST", "/api/v1/workspaces", {"name": "Ada's"})).json()
        name, content = await news_of(stream)
        assert (name, content["id"], content["name"], content["phase"]) == ("workload", made["id"], "Ada's", "starting")
        await world.ask(ada, "POST", f"/api/v1/workspaces/{made['id']}/stop")
        name, content = await news_of(stream)
        assert (name, content["wanted"]) == ("workload", "stopped")
        await world.ask(ada, "DELETE", f"/api/v1/workspaces/{made['id']}")
        assert await stream.event() == ("removed", {"id": made["id"], "kind": "workspace"})


async def test_an_administrator_may_follow_everybody(world: World) -> None:
    root, bob = world.browser("Root", Role.ADMINISTRATOR), world.browser("Bob")
    async with streamed(world.app, f"{PATH}?owner=all", root.headers(changes=False)) as stream:
        await opened(stream)
        made = (await world.ask(bob, "POST", "/api/v1/workspaces", {"name": "Bob's"})).json()
        name, content = await news_of(stream)
        assert (name, content["id"], content["owner_name"]) == ("workload", made["id"], "Bob")


async def ended(stream: Stream, after: float) -> None:
    """The stream ends by itself, in time, though there is news all the while."""
    while await stream.piece() is not None:
        assert time.monotonic() - after < 3 * REVOKED_WITHIN_S
    assert time.monotonic() - after < REVOKED_WITHIN_S


@contextlib.asynccontextmanager
async def busy(world: World, owner: str) -> AsyncIterator[None]:
    """News of the owner several times a second, as running workloads make it."""

    async def publish() -> None:
        while True:
            world.platform.changes.publish(News(0, "ws-" + "a" * 26, owner, usage=True))
            await asyncio.sleep(0.1)

    task = asyncio.create_task(publish())
    try:
        yield
    finally:
        task.cancel()


async def test_it_ends_with_the_session_the_token_and_the_role(world: World) -> None:
    ada, root = world.browser("Ada"), world.browser("Root", Role.ADMINISTRATOR)
    world.person("Other root", Role.ADMINISTRATOR)
    program = world.program("Ada")
    async with (
        busy(world, ada.caller.person),
        streamed(world.app, PATH, ada.headers(changes=False)) as browser,
        streamed(world.app, PATH, program.headers(changes=False)) as token,
        streamed(world.app, f"{PATH}?owner=all", root.headers(changes=False)) as everybody,
    ):
        for stream in (browser, token, everybody):
            await opened(stream)
            assert await stream.event() is not None
        now = time.monotonic()
        sessions.revoke(world.store, ada.caller, ada.caller.session, now_us=NOW)
        tokens.revoke_token(world.store, program.caller, program.caller.session, now_us=NOW)
        people.change(world.store, root.caller, root.caller.person, role=Role.MEMBER, now_us=NOW)
        await asyncio.gather(*(ended(stream, now) for stream in (browser, token, everybody)))


async def test_it_ends_when_the_person_is_shut_out_and_when_the_platform_stops(world: World) -> None:
    ada, bob = world.browser("Ada"), world.browser("Bob")
    async with (
        streamed(world.app, PATH, ada.headers(changes=False)) as first,
        streamed(world.app, PATH, bob.headers(changes=False)) as second,
    ):
        await opened(first)
        await opened(second)
        now = time.monotonic()
        people.set_disabled(world.store, bob.caller, ada.caller.person, True, now_us=NOW)
        await ended(first, now)
        world.platform.stopping.set()
        await ended(second, time.monotonic())


async def test_who_does_not_keep_up_is_told_to_read_again(world: World) -> None:
    ada = world.browser("Ada")
    async with streamed(world.app, PATH, ada.headers(changes=False)) as stream:
        await opened(stream)
        news = News(0, "ws-" + "a" * 26, ada.caller.person, usage=True)
        for _ in range(1000):
            world.platform.changes.publish(news)
        names = [(await news_of(stream))[0] for _ in range(3)]
        assert "behind" in names


async def test_waiting_for_a_phase_ends_with_the_phase(world: World) -> None:
    ada = world.browser("Ada")
    row = world.workload(ada.caller.person, "waited for")
    began = time.monotonic()
    waiting = asyncio.create_task(world.ask(ada, "GET", f"/api/v1/workspaces/{row.id}?wait=stopping&timeout=20"))
    await asyncio.sleep(0)
    await asyncio.to_thread(workloads.stop, world.store, by(ada.caller, NOW), row.id)
    answer = await waiting
    assert answer.json()["phase"] == "stopping"
    assert time.monotonic() - began < 15
    late = await world.ask(ada, "GET", f"/api/v1/workspaces/{row.id}?wait=running&timeout=0")
    assert late.json()["phase"] == "stopping"

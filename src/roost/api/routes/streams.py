"""News for pages: one stream of server-sent events per caller, fed by the one poller of the platform."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from roost.api.answers import event
from roost.api.authentication import caller_of, identity_of, owner_filter, platform_of, session_secret
from roost.api.shown import usage_now, workload_json
from roost.control.changes import News
from roost.control.platform import Platform
from roost.model.errors import Unavailable
from roost.services import sessions, tokens

routes = APIRouter(prefix="/api/v1", tags=["platform"])
_ALIVE_S = 15.0
_CHECK_S = 3.0


@routes.get("/stream")
async def stream(request: Request) -> Response:
    """Events `workload` (as it is now), `removed` (its id), `usage` (its sample), `behind` (read the lists again)."""
    owner = owner_filter(request, request.query_params.get("owner"))
    platform = platform_of(request)
    content = platform.while_serving(_events(request, platform, owner))
    return StreamingResponse(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(request: Request, platform: Platform, owner: str | None) -> AsyncIterator[bytes]:
    said_at = check_at = time.monotonic()
    with platform.changes.subscribed(owner=owner) as subscriber:
        yield b"retry: 1000\n\n"
        while not platform.stopping.is_set():
            if time.monotonic() >= check_at:  # also while there is news all the time
                if not await _still_in(request, platform):
                    return
                check_at = time.monotonic() + _CHECK_S
            try:
                news = await asyncio.wait_for(subscriber.news.get(), max(0.0, check_at - time.monotonic()))
            except TimeoutError:
                if time.monotonic() - said_at >= _ALIVE_S:
                    said_at = time.monotonic()
                    yield b": alive\n\n"
                continue
            said_at = time.monotonic()
            if subscriber.behind:
                subscriber.behind = False
                yield event("behind", {})
            yield await _event(platform, news)


async def _event(platform: Platform, news: News) -> bytes:
    if news.usage or news.row is None:
        return event("usage", {"id": news.id, "usage": usage_now(platform, news.id)})
    if news.row.deleted_us is not None:
        return event("removed", {"id": news.id, "kind": news.row.kind.value}, news.number)
    return event("workload", await workload_json(platform, news.row), news.number)


async def _still_in(request: Request, platform: Platform) -> bool:
    """Whether the session or token of the stream still counts, for the same person in the same role."""
    before = caller_of(request)
    store, now_us = platform.store, platform.now_us()
    try:
        if identity_of(request).session_key:
            now = await store.run(sessions.caller_of_session, store, session_secret(request), now_us=now_us)
        else:
            token = request.headers.get("authorization", "").partition(" ")[2].strip()
            now = await store.run(tokens.caller_of_token, store, token, now_us=now_us)
    except Unavailable:
        return True  # the database is away: who was let in stays
    return now is not None and (now.person, now.role) == (before.person, before.role)

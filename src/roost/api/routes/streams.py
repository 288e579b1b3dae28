"""News for pages: one stream of server-sent events per caller, fed by the one poller of the platform."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from roost.api.answers import event
from roost.api.authentication import caller_of, identity_of, owner_filter, platform_of, session_secret
from roost.api.shown import usage_now, workload_json
from roost.control.changes import News
from roost.control.platform import Platform
from roost.services import sessions, tokens

routes = APIRouter(prefix="/api/v1", tags=["platform"])
_ALIVE_S = 15.0
_CHECK_S = 3.0


@routes.get("/stream")
async def stream(request: Request) -> Response:
    """Events `workload` (as it is now), `removed` (its id), `usage` (its sample), `behind` (read the lists again)."""
    owner = owner_filter(request, request.query_params.get("owner"))
    content = _events(request, platform_of(request), owner)
    return StreamingResponse(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(request: Request, platform: Platform, owner: str | None) -> AsyncIterator[bytes]:
    quiet_s = 0.0
    yield b"retry: 1000\n\n"
    with platform.changes.subscribed(owner=owner) as subscriber:
        while not platform.stopping.is_set():
            try:
                news = await asyncio.wait_for(subscriber.news.get(), _CHECK_S)
            except TimeoutError:
                if not await _still_in(request, platform):
                    return
                quiet_s += _CHECK_S
                if quiet_s >= _ALIVE_S:
                    quiet_s = 0.0
                    yield b": alive\n\n"
                continue
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
    """Whether the session or token of the stream still counts."""
    caller_of(request)
    if identity_of(request).session_key:
        secret = session_secret(request)
        found = await platform.store.run(sessions.caller_of_session, platform.store, secret, now_us=platform.now_us())
        return found is not None
    token = request.headers.get("authorization", "").partition(" ")[2].strip()
    return await platform.store.run(tokens.caller_of_token, platform.store, token, now_us=platform.now_us()) is not None

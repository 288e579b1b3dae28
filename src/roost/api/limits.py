"""What no request may do, in one place around the app: send a body without end, or show how the platform failed.

The body is counted as it comes, so one that is too large is never held; the answer to an unexpected failure is made
here, inside the security headers, and the cause goes to the log alone.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roost.api.problems import BodyTooLarge

BODY_BYTES = 4 * 2**20


class Limits:
    """ASGI middleware; put it inside `SecurityHeaders`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, count = False, 0

        async def counted() -> Message:
            nonlocal count
            message = await receive()
            count += len(message.get("body", b""))
            if count > BODY_BYTES:
                if started:  # a stream that only waits for the end of the connection
                    return {"type": "http.disconnect"}
                raise BodyTooLarge(BODY_BYTES)
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, noted)
        except Exception as error:
            if started:
                raise
            # Starlette calls this handler outside of all middleware, where the answer gets no security headers.
            answer = await scope["app"].exception_handlers[Exception](Request(scope), error)
            await answer(scope, receive, send)

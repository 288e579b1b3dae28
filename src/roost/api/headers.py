"""Headers on every answer of the platform, in one place below everything else: security, and the version for the API.

The policy admits nothing but our own scripts, styles and connections; a route may only make it stricter.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roost import __version__

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_ALWAYS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
_TLS = ((b"strict-transport-security", b"max-age=31536000"),)
_PRIVATE = (b"cache-control", b"no-store")
_API = "/api/"
#: By it a client tells that it is too old or too new to be understood.
_VERSION = (b"x-roost-version", __version__.encode())


class SecurityHeaders:
    """ASGI middleware; cheap because it only looks at the start of each response."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self.app = app
        self.headers = _ALWAYS + (_TLS if secure else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                added = [header for header in self.headers if header[0] not in present]
                if b"cache-control" not in present:
                    added.append(_PRIVATE)
                if scope["path"].startswith(_API):
                    added.append(_VERSION)
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        await self.app(scope, receive, with_headers)

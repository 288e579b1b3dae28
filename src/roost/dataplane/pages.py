"""What the data plane says itself: small pages for people, problem+json for programs. Bytes in, bytes out; pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from roost.dataplane.gate import Deny
from roost.dataplane.head import Request

_POLICY = (
    b"Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'\r\n"
    b"Cross-Origin-Opener-Policy: same-origin\r\nX-Content-Type-Options: nosniff\r\n"
    b"Referrer-Policy: same-origin\r\n"
)
_NO_STORE = b"Cache-Control: no-store\r\n"
_REASONS = {
    200: "OK",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    414: "URI Too Long",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
    502: "Bad Gateway",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_ICONS = {
    "starting": '<circle cx="8" cy="8" r="6" stroke-dasharray="28 10"/>',
    "attention": '<path d="M8 2 14.5 13.5h-13zM8 6.5v3.2M8 11.6v.1"/>',
    "failed": '<circle cx="8" cy="8" r="6"/><path d="m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4"/>',
    "stopped": '<circle cx="8" cy="8" r="6"/><path d="M6 6h4v4H6z" fill="currentColor"/>',
}
# Of each code that has a state: its tone and its word.
_STATES = {
    "starting": ("starting", "Starting"),
    "control-down": ("starting", "Restarting"),
    "no-answer": ("attention", "Not answering"),
    "too-many": ("attention", "Busy"),
    "failed": ("failed", "Failed"),
    "stopped": ("stopped", "Stopped"),
    "stopping": ("stopped", "Stopping"),
}
_STATIC_TYPES = {"css": b"text/css; charset=utf-8", "js": b"text/javascript; charset=utf-8"}
# Codes after which asking again soon may help; a page with one of them asks again by itself.
_PASSING = ("starting", "no-answer", "control-down", "too-many")


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the data plane; `lines` are whole header lines."""

    status: int
    body: bytes
    kind: bytes
    lines: bytes = _NO_STORE

    def encoded(self, method: bytes, *, close: bool) -> bytes:
        """The bytes for the client."""
        head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n%b%b%b\r\n" % (
            self.status,
            _REASONS.get(self.status, "Error").encode(),
            self.kind,
            len(self.body),
            self.lines,
            _POLICY,
            b"Connection: close\r\n" if close else b"",
        )
        return head if method == b"HEAD" else head + self.body


def json_answer(status: int, content: object, kind: bytes = b"application/json") -> Answer:
    """A small JSON document."""
    return Answer(status, json.dumps(content, separators=(",", ":")).encode(), kind)


def redirect(location: str, cookies: tuple[str, ...] = ()) -> Answer:
    """302 to an address made by us; `cookies` are values of Set-Cookie."""
    lines = f"Location: {location}\r\n" + "".join(f"Set-Cookie: {cookie}\r\n" for cookie in cookies)
    return Answer(302, b"", b"text/plain; charset=utf-8", lines.encode() + _NO_STORE)


def refusal(deny: Deny, request: Request | None, origin: str) -> Answer:
    """A denial, for whoever asked: a page for browsers, problem+json for everything else."""
    lines = _NO_STORE
    if deny.code in _PASSING:
        lines += b"Retry-After: 1\r\n"
    if deny.status == 401:
        lines += b"WWW-Authenticate: Bearer\r\n"
    if request is not None and b"text/html" in request.read.get(b"accept", b""):
        return Answer(deny.status, _page(deny, origin).encode(), b"text/html; charset=utf-8", lines)
    problem = {"type": "about:blank", "title": deny.title, "status": deny.status, "code": deny.code}
    problem |= {"detail": deny.detail, "field": "", "hint": "", "subject": deny.route.workload if deny.route else ""}
    answer = json_answer(deny.status, problem, b"application/problem+json")
    return Answer(answer.status, answer.body, answer.kind, lines)


def _page(deny: Deny, origin: str) -> str:
    waits = deny.code == "starting"
    again = '<meta http-equiv="refresh" content="1">' if deny.code in _PASSING else ""
    head = f"<noscript>{again}</noscript>" if waits else again
    script = '<script type="module" src="/.roost/static/starting.js"></script>' if waits else ""
    track = '<div class="track"><i></i></div>' if waits or deny.code == "control-down" else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{escape(deny.title)} · Roost</title>{head}<link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/.roost/static/pages.css"></head><body><header>Roost</header>'
        f"<main>{_state(deny)}<h1>{escape(deny.title)}</h1>"
        f'<p id="reason" aria-live="polite">{escape(deny.detail)}</p>{track}'
        f'<div class="actions">{_actions(deny, origin)}</div></main>{script}</body></html>'
    )


def _state(deny: Deny) -> str:
    if deny.code not in _STATES:
        return ""
    tone, word = _STATES[deny.code]
    elapsed = '<span id="elapsed"></span>' if deny.code == "starting" else ""
    icon = f'<svg viewBox="0 0 16 16" aria-hidden="true">{_ICONS[tone]}</svg>'
    return f'<div class="status {tone}">{icon}{word}{elapsed}</div>'


def _actions(deny: Deny, origin: str) -> str:
    """Links only: a form may not post to another origin."""
    if deny.code in ("control-down", "unknown-host"):
        return ""
    home = f'<a href="{escape(origin)}/">All workspaces</a>'
    if deny.route is None or not deny.owner:
        return home
    page = f"{escape(origin)}/{deny.route.kind}s/{escape(deny.route.workload)}"
    if deny.code in ("stopped", "failed"):
        return f'<a class="primary" href="{page}?action=start">Start</a><a href="{page}">Details and logs</a>'
    return f'<a href="{page}">Details and logs</a>'


def _static() -> dict[bytes, Answer]:
    folder = files("roost.dataplane") / "static"
    return {
        f"/.roost/static/{item.name}".encode(): Answer(
            200, item.read_bytes(), _STATIC_TYPES[item.name.rpartition(".")[2]], b"Cache-Control: max-age=600\r\n"
        )
        for item in folder.iterdir()
        if item.name.rpartition(".")[2] in _STATIC_TYPES
    }


STATIC = _static()

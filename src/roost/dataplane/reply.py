"""Heads of responses: parsed as strictly as those of requests, framing made unambiguous, rebuilt. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

import httptools

from roost.dataplane.head import DROP, KEEP, LENGTH, USUAL_TOKENS, Fault, connection_tokens, line_fault
from roost.model.tickets import is_platform_cookie

_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: ([\t -~\x80-\xff]*))?\r\n")
_DROPPED = frozenset(b"keep-alive proxy-connection proxy-authenticate te trailer".split())
# What a workload could use against its neighbours: they reach beyond its own host.
_UNTRUSTED_DROPPED = frozenset(b"alt-svc clear-site-data strict-transport-security".split())
_CONSUMED = frozenset(b"connection content-length transfer-encoding upgrade set-cookie".split())


@lru_cache(maxsize=2048)
def response_action(name: bytes, trusted: bool) -> bytes:
    """What becomes of a response header: KEEP, DROP, or its lower-case name if it is read."""
    lower = name.lower()
    if lower in _CONSUMED:
        return lower
    return DROP if lower in _DROPPED or (not trusted and lower in _UNTRUSTED_DROPPED) else KEEP


class Response:
    """What an upstream answered. `length` None: no Content-Length."""

    __slots__ = ("chunked", "fault", "kept", "length", "minor", "reason", "status", "tokens", "trusted", "upgrade")

    def __init__(self, status: int, reason: bytes, minor: int, trusted: bool) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.trusted = trusted
        self.kept: list[bytes] = []
        self.length: int | None = None
        self.chunked = False
        self.tokens: frozenset[bytes] = frozenset()
        self.upgrade = b""
        self.fault: Fault | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by llhttp once per header."""
        action = response_action(name, self.trusted)
        if action is KEEP:
            self.kept.append(b"%b: %b\r\n" % (name, value.rstrip()))
        elif action is not DROP:
            self._read(action, value.rstrip())

    def _read(self, action: bytes, value: bytes) -> None:
        if action == b"content-length":
            if self.length is not None or LENGTH.fullmatch(value) is None:
                self.fault = Fault(502, "Content-Length is no length.")
            else:
                self.length = int(value)
        elif action == b"transfer-encoding":
            if self.chunked or value.lower() != b"chunked":
                self.fault = Fault(502, "The transfer coding is unknown.")
            self.chunked = True
        elif action == b"connection":
            self.tokens |= connection_tokens(value)
        elif action == b"upgrade":
            self.upgrade = value.lower()
        elif self.trusted or not is_platform_cookie(value.partition(b"=")[0].strip().decode("latin-1")):
            self.kept.append(b"Set-Cookie: %b\r\n" % value)

    @property
    def keep_alive(self) -> bool:
        """Whether the upstream lets the connection live on."""
        return b"close" not in self.tokens and (self.minor == 1 or b"keep-alive" in self.tokens)

    def bodiless(self, method: bytes) -> bool:
        """Whether no body follows, whatever the headers say (RFC 9112, 6.3)."""
        return method == b"HEAD" or self.status in (204, 304) or self.status < 200

    def rebuilt(self, method: bytes, *, close: bool, dechunked: bool = False) -> bytes:
        """The head for the client."""
        if self.chunked and not dechunked and not self.bodiless(method):
            framing = b"Transfer-Encoding: chunked\r\n"
        elif self.length is not None and self.status >= 200 and self.status != 204:
            framing = b"Content-Length: %d\r\n" % self.length
        else:
            framing = b""
        kept = b"".join(self.kept)
        if not self.tokens <= USUAL_TOKENS:
            kept = b"".join(line for line in self.kept if line.partition(b":")[0].lower() not in self.tokens)
        closing = b"Connection: close\r\n" if close else b""
        return b"HTTP/1.1 %d %b\r\n%b%b%b\r\n" % (self.status, self.reason, kept, framing, closing)


def parse_response(head: bytes, *, trusted: bool) -> Response | Fault:
    """Understand one whole head of a response. Only a `trusted` upstream may set the platform's cookies."""
    fault = line_fault(head)
    line = None if fault is not None else _STATUS_LINE.match(head)
    if line is None:
        return Fault(502, "The answer is not HTTP/1.1.")
    response = Response(int(line[2]), line[3] or b"", 1 if line[1] == b"1" else 0, trusted)
    try:
        httptools.HttpResponseParser(response).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        return Fault(502, f"The head of the answer is malformed: {error}.")
    if response.chunked and response.minor == 0:
        return Fault(502, "HTTP/1.0 knows no chunks.")
    return response.fault or response

"""Heads of requests: parsed strictly, rebuilt from what was understood, never passed on raw.

llhttp reads the header block; what it lets through for old friends' sake (extra blanks in the first line,
HTTP/0.9, duplicate Host) is refused here before or after. One parser serves one head: it is given exactly the
bytes of the head, so it needs no byte offsets between pipelined requests. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import httptools

HEAD_LIMIT = 64 * 1024
TARGET_LIMIT = 16 * 1024
_REQUEST_LINE = re.compile(rb"([A-Z][A-Z-]{0,23}) (/[!-\"$-~]*) HTTP/1\.([01])\r\n")
LENGTH = re.compile(rb"[0-9]{1,18}")

KEEP, DROP, OURS = b"keep", b"drop", b"ours"
# Names that need a look; everything not in one of these sets passes through as it is.
_CONSUMED = frozenset(
    b"host connection content-length transfer-encoding upgrade cookie authorization x-forwarded-for".split()
)
_READ = frozenset(b"origin accept user-agent expect sec-fetch-site sec-fetch-mode sec-fetch-dest".split())
_ONCE = frozenset(b"host content-length transfer-encoding upgrade authorization origin sec-fetch-site expect".split())
# Hop-by-hop (RFC 9110, 7.6.1) and what upstreams may take for the word of a trusted proxy.
_DROPPED = frozenset(
    b"keep-alive proxy-connection proxy-authorization proxy-authenticate te trailer http2-settings proxy forwarded "
    b"x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip remote-user remote-addr x-user "
    b"x-username x-email x-groups kubeflow-userid".split()
)
_DROPPED_STARTS = tuple(
    b"x-forwarded- x-remote- x-auth- x-authenticated- x-authentik- x-webauth- x-original- x-rewrite- x-ssl- "
    b"ssl-client- x-amzn-oidc- x-ms-client-principal x-goog-authenticated- x-pomerium- x-vouch- remote-".split()
)


class Fault(NamedTuple):
    """Why a head is refused: the status to answer and one sentence."""

    status: int
    text: str


@lru_cache(maxsize=2048)
def request_action(name: bytes) -> bytes:
    """What becomes of a request header: KEEP, DROP, OURS (`X-Roost-`), or its lower-case name if it is read.

    WSGI and CGI programs cannot tell `_` from `-`, so such spellings of any name that matters are dropped.

    >>> request_action(b"X_Forwarded-For"), request_action(b"Accept-Language"), request_action(b"Cookie")
    (b'drop', b'keep', b'cookie')
    """
    lower = name.lower()
    plain = lower.replace(b"_", b"-").replace(b".", b"-")
    if plain in _CONSUMED or plain in _READ:
        return plain if plain == lower else DROP
    if plain in _DROPPED or plain.startswith(_DROPPED_STARTS):
        return DROP
    if plain.startswith(b"x-roost-"):
        return OURS if plain == lower and plain != b"x-roost-internal" else DROP
    return KEEP


class Request:
    """What a client asked. `read` holds the headers that decisions need, `kept` the lines that pass through."""

    __slots__ = ("fault", "kept", "length", "method", "minor", "ours", "read", "target", "tokens")

    def __init__(self, method: bytes, target: bytes, minor: int) -> None:
        self.method = method
        self.target = target
        self.minor = minor
        self.read: dict[bytes, bytes] = {}
        self.kept: list[bytes] = []
        self.ours: list[bytes] = []
        self.length: int | None = 0  # None: chunked
        self.tokens: frozenset[bytes] = frozenset()
        self.fault: Fault | None = None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by llhttp once per header."""
        action = request_action(name)
        if action is KEEP:
            self.kept.append(b"%b: %b\r\n" % (name, value.rstrip()))
        elif action is OURS:
            self.ours.append(b"%b: %b\r\n" % (name, value.rstrip()))
        elif action is not DROP:
            self._read(action, name, value.rstrip())

    def _read(self, action: bytes, name: bytes, value: bytes) -> None:
        read = self.read
        if action in read:
            if action in _ONCE:
                self.fault = Fault(400, f"The header {action.decode()} is there twice.")
                return
            value = read[action] + (b"; " if action == b"cookie" else b", ") + value
        read[action] = value
        if action in _READ:
            self.kept.append(b"%b: %b\r\n" % (name, value))

    @property
    def path(self) -> bytes:
        """The target without its query, undecoded."""
        return self.target.partition(b"?")[0]

    @property
    def keep_alive(self) -> bool:
        """Whether the client lets its connection live on."""
        return self.minor == 1 and b"close" not in self.tokens

    @property
    def wants_websocket(self) -> bool:
        """Whether this is a well-formed request for an upgrade to a websocket; other upgrades are ignored."""
        return (
            b"upgrade" in self.tokens
            and self.read.get(b"upgrade", b"").lower() == b"websocket"
            and self.method == b"GET"
            and self.minor == 1
        )

    def rebuilt(self, target: bytes, extra: bytes, *, websocket: bool = False) -> bytes:
        """The head for an upstream; `extra` are whole lines that the data plane adds (Host among them)."""
        kept = self.kept
        if not self.tokens <= USUAL_TOKENS:
            kept = [line for line in kept if line.partition(b":")[0].lower() not in self.tokens]
        if websocket:
            framing = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
        elif self.length is None:
            framing = b"Transfer-Encoding: chunked\r\n"
        elif b"content-length" in self.read:
            framing = b"Content-Length: %d\r\n" % self.length
        else:
            framing = b""
        return b"%b %b HTTP/1.1\r\n%b%b%b\r\n" % (self.method, target, extra, b"".join(kept), framing)


USUAL_TOKENS = frozenset((b"close", b"keep-alive", b"upgrade"))


@lru_cache(maxsize=256)
def connection_tokens(value: bytes) -> frozenset[bytes]:
    return frozenset(token.strip() for token in value.lower().split(b",")) - {b""}


def line_fault(data: bytes) -> Fault | None:
    """What can be said of the bytes of a head, whole or not: lines end in CR LF, and there is no NUL."""
    ends = data.count(b"\r\n")
    returns = data.count(b"\r")
    if data.count(b"\n") != ends or (returns != ends and not (returns == ends + 1 and data.endswith(b"\r"))):
        return Fault(400, "Lines of a head end in CR LF.")
    return Fault(400, "A head holds no NUL.") if b"\0" in data else None


def too_large(data: bytes) -> Fault | None:
    """For a head that has not ended yet: whether it is already beyond what is accepted."""
    if len(data) <= TARGET_LIMIT:
        return None
    if b"\r\n" not in data[: TARGET_LIMIT + 64]:
        return Fault(414, f"The address is longer than {TARGET_LIMIT} bytes.")
    return Fault(431, f"The head is longer than {HEAD_LIMIT} bytes.") if len(data) > HEAD_LIMIT else None


def parse_request(head: bytes) -> Request | Fault:
    """Understand one whole head (it ends in an empty line), or say why not."""
    fault = line_fault(head) or too_large(head)
    if fault is not None:
        return fault
    line = _REQUEST_LINE.match(head)
    if line is None:
        return _request_line_fault(head)
    request = Request(line[1], line[2], 1 if line[3] == b"1" else 0)
    try:
        httptools.HttpRequestParser(request).feed_data(head)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserError as error:
        return Fault(400, f"The head is malformed: {error}.")
    return request.fault or _framing_fault(request) or request


def _request_line_fault(head: bytes) -> Fault:
    line = head.partition(b"\r\n")[0]
    words = line.split(b" ")
    if words[0] in (b"CONNECT", b"TRACE"):
        return Fault(405, f"The method {words[0].decode()} is not for this server.")
    if len(words) == 3 and words[2].startswith(b"HTTP/") and words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
        return Fault(505, "This server speaks HTTP/1.1.")
    if len(words) == 3 and not words[1].startswith(b"/"):
        return Fault(400, "The target must begin with a slash.")
    return Fault(400, "The request line is malformed.")


def _framing_fault(request: Request) -> Fault | None:
    read = request.read
    if request.method == b"TRACE":
        return Fault(405, "The method TRACE is not for this server.")
    if not read.get(b"host"):
        return Fault(400, "The header Host is missing.")
    if b"connection" in read:
        request.tokens = connection_tokens(read[b"connection"])
    coding = read.get(b"transfer-encoding")
    length = read.get(b"content-length")
    if coding is not None:
        if length is not None or request.minor == 0 or coding.lower() != b"chunked":
            return Fault(400, "A body is framed by Content-Length or by Transfer-Encoding: chunked.")
        request.length = None
    elif length is not None:
        if LENGTH.fullmatch(length) is None:
            return Fault(400, "Content-Length is no length.")
        request.length = int(length)
    if request.minor == 0 and b"expect" in read:
        request.kept = [line for line in request.kept if line[:7].lower() != b"expect:"]
    if b"upgrade" in read and request.wants_websocket and request.length != 0:
        return Fault(400, "A request for a websocket has no body.")
    return None

"""Where a body ends, and its bytes on the way: counted, not collected. Pure.

`take(data)` returns the bytes to pass on and those that no longer belong to the body; `done` says it is over.
Chunks are written anew (extensions and trailers dropped), so both sides see the same boundaries.
"""

from __future__ import annotations

import re
from typing import Protocol

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[\t ]*(?:;[\t -~\x80-\xff]*)?")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t -~\x80-\xff]*")
_LINE_LIMIT = 4096
_TRAILERS_LIMIT = 16 * 1024


class BodyError(Exception):
    """The framing of a body is broken; nothing after it can be trusted."""


class Body(Protocol):
    """A body in transit."""

    done: bool

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """(bytes to pass on, bytes after the end of the body)."""
        ...


class Counted:
    """A body of known length."""

    __slots__ = ("done", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.done = length == 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """See `Body`."""
        size = len(data)
        if size <= self.remaining:
            self.remaining -= size
            self.done = self.remaining == 0
            return data, b""
        cut, self.remaining, self.done = self.remaining, 0, True
        return data[:cut], data[cut:]


class UntilClose:
    """A body that ends with its connection."""

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """See `Body`."""
        return data, b""


class Chunked:
    """A chunked body; `framed` False gives the content alone (for HTTP/1.0)."""

    __slots__ = ("_framed", "_line", "_remaining", "_state", "_trailers", "done")

    def __init__(self, *, framed: bool = True) -> None:
        self.done = False
        self._framed = framed
        self._line = b""
        self._remaining = 0
        self._state = self._size
        self._trailers = 0

    def take(self, data: bytes) -> tuple[bytes, bytes]:
        """See `Body`."""
        if 0 < len(data) < self._remaining:  # in the midst of a chunk
            self._remaining -= len(data)
            return data, b""
        out: list[bytes] = []
        while data and not self.done:
            data = self._state(data, out)
        return b"".join(out), data

    def _size(self, data: bytes, out: list[bytes]) -> bytes:
        line, data = self._read_line(data)
        if line is None:
            return data
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise BodyError("a chunk has no size")
        self._remaining = int(match[1], 16)
        if self._remaining == 0:
            self._state = self._trailer
            return data
        if self._framed:
            out.append(b"%x\r\n" % self._remaining)
        self._state = self._content
        return data

    def _content(self, data: bytes, out: list[bytes]) -> bytes:
        part = data[: self._remaining]
        out.append(part)
        self._remaining -= len(part)
        if self._remaining == 0:
            self._state = self._content_end
        return data[len(part) :]

    def _content_end(self, data: bytes, out: list[bytes]) -> bytes:
        wanted = b"\r\n"[len(self._line) :]
        given = data[: len(wanted)]
        if not wanted.startswith(given):
            raise BodyError("a chunk is longer than its size")
        self._line += given
        if self._line == b"\r\n":
            self._line = b""
            self._state = self._size
            if self._framed:
                out.append(b"\r\n")
        return data[len(given) :]

    def _trailer(self, data: bytes, out: list[bytes]) -> bytes:
        line, data = self._read_line(data)
        if line is None:
            return data
        if line == b"":
            self.done = True
            if self._framed:
                out.append(b"0\r\n\r\n")
            return data
        self._trailers += len(line)
        if _TRAILER_LINE.fullmatch(line) is None or self._trailers > _TRAILERS_LIMIT:
            raise BodyError("a trailer is malformed or too long")
        return data

    def _read_line(self, data: bytes) -> tuple[bytes | None, bytes]:
        """(the line without CR LF, the rest); (None, b"") when it has not ended yet."""
        whole = self._line + data
        line, end, rest = whole.partition(b"\r\n")
        if len(line) > _LINE_LIMIT or b"\n" in line:
            raise BodyError("a line of the chunk framing is malformed or too long")
        if not end:
            self._line = whole
            return None, b""
        self._line = b""
        return line, rest

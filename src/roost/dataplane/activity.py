"""Who uses what, told to the control plane every few seconds: best effort, never on the way of a request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable

from roost.dataplane.gate import Passport
from roost.dataplane.head import Request
from roost.model.tickets import internal_signature

REPORT_S = 5.0
_TIMEOUT_S = 2.0


#: What an open JupyterLab asks for by itself, again and again: no sign of a person.
_POLLS = frozenset(
    {b"/api/kernels", b"/api/sessions", b"/api/terminals", b"/api/status", b"/api/me", b"/api/metrics/v1"}
)


def by_a_person(request: Request) -> bool:
    """Whether a request is use; what a page in an open tab keeps asking is not."""
    return request.method != b"GET" or request.path not in _POLLS


class Activity:
    """When each workload and session was last used, in UTC microseconds."""

    def __init__(self) -> None:
        self.workloads: dict[str, int] = {}
        self.sessions: dict[str, int] = {}
        self._connected: frozenset[str] = frozenset()

    def touch(self, workload: str, passport: Passport, now_us: int) -> None:
        """A request or the bytes of a person."""
        self.workloads[workload] = now_us
        if not passport.bearer:
            self.sessions[passport.key] = now_us

    def report(self, connected: Iterable[str]) -> dict[str, object] | None:
        """What happened since the last report, with the open connections; None when there is nothing to say."""
        counts: dict[str, int] = {}
        for workload in connected:
            counts[workload] = counts.get(workload, 0) + 1
        named = counts.keys() | self.workloads.keys() | self._connected
        self._connected = frozenset(counts)
        if not named:
            return None
        seen = {id: {"last_us": self.workloads.get(id, 0), "connections": counts.get(id, 0)} for id in sorted(named)}
        content: dict[str, object] = {"workloads": seen, "sessions": dict(self.sessions)}
        self.workloads.clear()
        self.sessions.clear()
        return content


async def send(socket: str, key: bytes, content: dict[str, object]) -> bool:
    """POST a report to the control plane; whether it was taken."""
    body = json.dumps(content, separators=(",", ":")).encode()
    head = (
        "POST /internal/activity HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Roost-Internal: {internal_signature(key)}\r\n\r\n"
    )
    return 200 <= await ask(socket, head.encode() + body) < 300


async def ask(socket: str, request: bytes) -> int:
    """The status the control plane answers to a whole request; 0 when it does not answer."""
    with contextlib.suppress(OSError, TimeoutError, ValueError):
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(request)
                line = await reader.readline()
                return int(line[9:12])
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    return 0

"""How answers are written: JSON dumped once from plain dictionaries, times as ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


class Json(Response):
    """A JSON answer; `content` is plain dictionaries, lists, texts and numbers."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes of the body."""
        return to_json(content)


def time_of(us: int | None) -> str | None:
    """A stored time as the API shows it.

    >>> time_of(0)
    '1970-01-01T00:00:00Z'
    """
    if us is None:
        return None
    shown = datetime.fromtimestamp(us // 1_000_000, UTC).replace(microsecond=us % 1_000_000)
    return shown.isoformat().replace("+00:00", "Z")


def event(name: str, content: Mapping[str, Any], number: int = 0) -> bytes:
    """One server-sent event."""
    mark = b"id: %d\n" % number if number else b""
    return b"event: %s\n%sdata: %s\n\n" % (name.encode(), mark, to_json(content))


def nothing() -> Response:
    """Done, and there is nothing to say."""
    return Response(status_code=204)

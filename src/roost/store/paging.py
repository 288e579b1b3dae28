"""Lists page by keyset: a page begins after the last row of the one before, however many rows there are."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Select, tuple_

from roost.model.errors import InvalidInput

Item = TypeVar("Item")
DEFAULT_LIMIT = 50
MAX_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items, newest first, and the cursor of the next page (None = the end)."""

    items: Sequence[Item]
    next: str | None = None


def checked_limit(limit: int) -> int:
    """A usable limit, or an error that says what is."""
    if not 1 <= limit <= MAX_LIMIT:
        raise InvalidInput(f"The limit is {limit}.", field="limit", hint=f"Use 1 to {MAX_LIMIT}.")
    return limit


def newest_first(statement: Select[Any], keys: Sequence[Column[Any]], limit: int, after: str | None) -> Select[Any]:
    """Order by the keys, descending, and begin after the cursor. Reads one row more than the limit."""
    checked_limit(limit)
    if after:
        statement = statement.where(tuple_(*keys) < tuple_(*_decode(after, keys)))
    return statement.order_by(*(key.desc() for key in keys)).limit(limit + 1)


def page_of(items: Sequence[Item], limit: int, keys: Sequence[Column[Any]]) -> Page[Item]:
    """Cut the row too many off; where there was one, the last row kept is the cursor."""
    if len(items) <= limit:
        return Page(items)
    kept = items[:limit]
    return Page(kept, encode([getattr(kept[-1], key.name) for key in keys]))


def encode(values: Sequence[Any]) -> str:
    """A cursor: opaque to those who send it back."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def _decode(cursor: str, keys: Sequence[Column[Any]]) -> list[Any]:
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):  # binascii.Error is a ValueError
        values = None
    wanted = [key.type.python_type for key in keys]
    fits = isinstance(values, list) and len(values) == len(wanted) and all(map(_fits, values, wanted))
    if not fits:
        raise InvalidInput("The cursor is not one of ours.", field="after", hint="Use `next` of the page before.")
    return list(values)


def _fits(value: Any, wanted: type) -> bool:
    if type(value) is int:
        return wanted is int and abs(value) < 1 << 63
    return type(value) is wanted and (not isinstance(value, str) or value.isascii())

"""Finding one of a few things by id or by what people call it; never by guessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from roost.model.errors import Conflict, NotFound
from roost.model.nearest import nearest


def one(items: Sequence[Mapping[str, Any]], which: str, *keys: str, what: str, one_of: str = "") -> Mapping[str, Any]:
    """The item whose id or one of `keys` equals `which`; an error when there is none, or more than one."""
    exact = [item for item in items if item["id"] == which]
    found = exact or [item for item in items if any(item.get(key) == which for key in keys)]
    if not found:
        near = nearest(which, [str(item[key]) for item in items for key in keys if item.get(key)])
        raise NotFound(
            f'There is no {one_of or what} "{which}".',
            subject=which,
            hint=(f"Did you mean {near}? " if near else "") + f"See `roost {what} list`.",
        )
    if len(found) > 1:
        ids = ", ".join(str(item["id"]) for item in found)
        raise Conflict(f'{len(found)} of them are called "{which}".', subject=which, hint=f"Use an id: {ids}.")
    return found[0]

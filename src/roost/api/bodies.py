"""Bodies of requests, taken apart strictly: an unknown or missing key is named, with what would be valid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import Request

from roost.model.errors import InvalidInput
from roost.model.nearest import hint
from roost.services.workloads import Retry
from roost.store.idempotency import KEY_LIMIT

_LARGEST = 2.0**53  # beyond, JSON's numbers are no longer exact


async def body_of(request: Request, *, allowed: Collection[str] | None = None) -> dict[str, Any]:
    """The JSON object of the body ({} when there is none); keys outside of `allowed` are errors."""
    raw = await request.body()
    if not raw.strip():
        return {}
    content = _parsed(raw)
    if not isinstance(content, dict):
        raise InvalidInput("The body is not an object.", field="body", hint="Send one JSON object.")
    if allowed is not None:
        for key in content:
            if key not in allowed:
                raise InvalidInput(
                    f"Unknown key {key[:60]!r}.", subject=key[:60], field=key[:60], hint=hint(key, list(allowed))
                )
    return content


def _parsed(raw: bytes) -> Any:
    try:
        content = json.loads(raw, parse_constant=_no_constant)
        if b"\\u" in raw:  # half a character (a lone surrogate) could be neither stored nor shown
            json.dumps(content, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise InvalidInput("The body is not valid JSON.", field="body", hint="Send one JSON object.") from None
    return content


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is JavaScript, not JSON")


def text(content: Mapping[str, Any], field: str, default: str | None = None) -> str:
    """A text; without a default it must be there."""
    value = content.get(field, default)
    if value is None:
        raise InvalidInput(f"{field} is missing.", field=field, hint=f'Add "{field}": "…".')
    if not isinstance(value, str):
        raise _wrong(field, value, "a text in quotes")
    return value


def number(content: Mapping[str, Any], field: str, default: float | None = None) -> float:
    """A number; without a default it must be there."""
    value = content.get(field, default)
    if value is None:
        raise InvalidInput(f"{field} is missing.", field=field, hint=f'Add "{field}": a number.')
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
        raise _wrong(field, value, "a number")
    return value


def whole_number(content: Mapping[str, Any], field: str, default: int) -> int:
    """A whole number, or the default."""
    value = content.get(field, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(field, value, "a whole number")
    return value


def flag(content: Mapping[str, Any], field: str) -> bool | None:
    """true, false or not there."""
    value = content.get(field)
    if value is not None and not isinstance(value, bool):
        raise _wrong(field, value, "true or false")
    return value


def texts(content: Mapping[str, Any], field: str) -> list[str]:
    """A list of texts, empty when it is not there."""
    value = content.get(field, [])
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(field, value, "a list of texts")
    return value


def whole(request: Request, field: str, default: int, *, least: int, most: int) -> int:
    """A number of the query, without its fraction, within bounds."""
    raw = request.query_params.get(field)
    if raw is None or raw == "":
        return default
    try:
        value = int(float(raw))
    except (ValueError, OverflowError):
        raise _wrong(field, raw, f"a number from {least} to {most}") from None
    if not least <= value <= most:
        raise _wrong(field, raw, f"a number from {least} to {most}")
    return value


def truth(request: Request, field: str) -> bool:
    """A flag of the query."""
    return request.query_params.get(field, "").lower() in ("1", "true", "yes")


async def retry_of(request: Request, person: str) -> Retry | None:
    """The Idempotency-Key of a create, with what it was sent for."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 0 < len(key) <= KEY_LIMIT or not key.isprintable():
        raise _wrong("Idempotency-Key", key, f"1 to {KEY_LIMIT} printable characters")
    digest = hashlib.sha256(person.encode() + b"\0" + await request.body()).hexdigest()
    return Retry(route=f"{request.method} {request.url.path}", key=key, body_hash=digest)


def _wrong(field: str, value: Any, valid: str) -> InvalidInput:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 60 else shown[:59] + "…"
    return InvalidInput(f"{field} is {shown}.", subject=shown, field=field, hint=f"Use {valid}.")

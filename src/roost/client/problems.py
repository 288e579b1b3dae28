"""From an answer that is not a success to the error tree of the model, nothing lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from roost.model import errors

_BY_STATUS: Mapping[int, type[errors.RoostError]] = {
    400: errors.InvalidInput,
    401: errors.NotSignedIn,
    403: errors.Forbidden,
    404: errors.NotFound,
    409: errors.Conflict,
    422: errors.InvalidInput,
    429: errors.TooMany,
    502: errors.Unavailable,
    503: errors.Unavailable,
    504: errors.Unavailable,
}
_BY_CODE: Mapping[str, type[errors.RoostError]] = {errors.Refused.code: errors.Refused}
_SIGN_IN = "Run `roost login URL`, or set ROOST_TOKEN."


def error_from(response: httpx.Response) -> errors.RoostError:
    """The error an answer stands for; its body must have been read."""
    told = _told(response)
    code = str(told.get("code") or "")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status_code, errors.RoostError)
    message = str(told.get("title") or f"The platform answered {response.status_code} {response.reason_phrase}.")
    hint = str(told.get("hint") or (_SIGN_IN if kind is errors.NotSignedIn else ""))
    return kind(
        message,
        subject=str(told.get("subject") or ""),
        hint=hint,
        code=code or None,
        field=str(told.get("field") or ""),
    )


def is_problem(response: httpx.Response) -> bool:
    """Whether the platform itself explained what is wrong."""
    return str(response.headers.get("content-type", "")).startswith("application/problem+json")


def unreachable(url: str, error: httpx.HTTPError) -> errors.Unavailable:
    """Nobody answered."""
    if isinstance(error, httpx.TimeoutException):
        return errors.Unavailable("The platform did not answer in time.", subject=url, hint="Try again.")
    return errors.Unavailable(
        "The platform cannot be reached.", subject=url, hint="Check the address, and that `roost up` runs there."
    )


def _told(response: httpx.Response) -> Mapping[str, Any]:
    if not is_problem(response):
        return {}
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}

"""Errors as application/problem+json (RFC 9457): the one place where the error tree meets HTTP.

Every answer names what is wrong (`title`), the field and value where there is one, and what would be valid or what
to do next (`hint`). Nothing of an unexpected failure leaks but the fact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from roost.model import errors

MEDIA_TYPE = "application/problem+json"


class BodyTooLarge(errors.InvalidInput):
    """A body that is not read to its end."""

    code = "body-too-large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__("The body is too large.", field="body", hint=f"At most {limit_bytes >> 20} MB.")


#: Class of the error tree -> status. The nearest ancestor counts.
STATUS: Mapping[type[errors.RoostError], int] = {
    BodyTooLarge: 413,
    errors.InvalidInput: 422,
    errors.NotSignedIn: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.Refused: 409,
    errors.TooMany: 429,
    errors.Unavailable: 503,
    errors.RoostError: 500,
}
_PLAIN = {
    404: ("not-found", "There is nothing at this address.", "Check the address; the API is below /api/v1/."),
    405: ("method-not-allowed", "This address does not take that method.", ""),
    413: ("too-large", "What was sent is too large.", ""),
}


def status_of(error: errors.RoostError) -> int:
    """The HTTP status of an error."""
    return next(STATUS[ancestor] for ancestor in type(error).__mro__ if ancestor in STATUS)


def problem(error: errors.RoostError, status: int | None = None) -> Response:
    """The response that says what went wrong."""
    status = status or status_of(error)
    content = {
        "type": f"urn:roost:problem:{error.code}",
        "title": error.message,
        "status": status,
        "code": error.code,
        "detail": error.hint or error.message,
        "field": error.field,
        "hint": error.hint,
        "subject": error.subject,
    }
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="roost"'
    if status in (429, 503):
        headers["Retry-After"] = "5"
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(body, status, headers, MEDIA_TYPE)


def add_problem_handlers(app: FastAPI) -> None:
    """Have every error of the app answered as a problem."""

    @app.exception_handler(errors.RoostError)
    async def _ours(_request: Request, error: errors.RoostError) -> Response:
        return problem(error)

    @app.exception_handler(RequestValidationError)
    async def _malformed(_request: Request, error: RequestValidationError) -> Response:
        return problem(from_validation(error.errors()))

    @app.exception_handler(HTTPException)
    async def _plain(_request: Request, error: HTTPException) -> Response:
        answer = problem(plain_error(error), error.status_code)
        answer.headers.update(error.headers or {})
        return answer


def plain_error(error: HTTPException) -> errors.RoostError:
    """What the framework says, in our words."""
    code, message, hint = _PLAIN.get(error.status_code, ("failed", str(error.detail), ""))
    return errors.RoostError(message, code=code, hint=hint)


def internal_error() -> errors.RoostError:
    """What is said of a failure of ours."""
    return errors.RoostError(
        "The platform failed unexpectedly; the cause is in its log.",
        code="internal",
        hint="Try again; if it stays, show the log of the control plane to whoever runs it.",
    )


def from_validation(found: Any) -> errors.InvalidInput:
    """The first of Pydantic's findings, in our words: field, value and what would be valid."""
    first = found[0]
    where = [str(step) for step in first.get("loc", ()) if step not in ("body", "query", "path", "header")]
    field = ".".join(where)
    kind, context = str(first.get("type", "")), first.get("ctx") or {}
    if kind == "json_invalid":
        return errors.InvalidInput("The body is not valid JSON.", field="body", hint="Send one JSON object.")
    value = _shown(first.get("input"))
    if kind == "missing":
        what = f"{field or 'The body'} is missing."
        return errors.InvalidInput(what, field=field or "body", hint=f"Add {field or 'a JSON object'}.")
    if kind == "extra_forbidden":
        return errors.InvalidInput(
            f"Unknown key {where[-1]!r}.", subject=value, field=field, hint="Remove it, or check its spelling."
        )
    valid = str(context.get("expected") or first.get("msg", "")).removeprefix("Input should be ")
    return errors.InvalidInput(
        f"{field or 'The body'} is {value}.", subject=value, field=field or "body", hint=f"Valid: {valid}."
    )


def _shown(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"

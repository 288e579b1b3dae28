"""The error tree. Expected refusals are return values (`Refusal`); these are for what could not be done.

Every error says what is wrong (`message`), with what (`subject`), and what to do next (`hint`). It is mapped
to an HTTP status once (`roost.api.problems`) and to an exit code once (`roost.cli.main`).
"""

from __future__ import annotations


class RoostError(Exception):
    """Base of all errors Roost raises on purpose.

    `code` is a stable kebab-case word, `field` names the offending input field where there is one.
    """

    code = "failed"

    def __init__(
        self,
        message: str,
        *,
        subject: str = "",
        hint: str = "",
        code: str | None = None,
        field: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.subject = subject
        self.hint = hint
        self.field = field
        if code is not None:
            self.code = code


class InvalidInput(RoostError):
    """What was asked is malformed; the message names the field, the value and what would be valid. HTTP 422."""

    code = "invalid-input"


class NotSignedIn(RoostError):
    """No valid session or token. HTTP 401."""

    code = "not-signed-in"


class Forbidden(RoostError):
    """Signed in, but not allowed. HTTP 403."""

    code = "forbidden"


class NotFound(RoostError):
    """No such thing, or not visible to the caller. HTTP 404."""

    code = "not-found"


class Conflict(RoostError):
    """The name exists, or the state does not allow it. HTTP 409."""

    code = "conflict"


class Refused(RoostError):
    """A decision said no (a `Refusal` that reached the surface). HTTP 409."""

    code = "refused"


class TooMany(RoostError):
    """A rate limit or quota. HTTP 429."""

    code = "too-many"


class Unavailable(RoostError):
    """Something we depend on does not answer now; trying again may help. HTTP 503."""

    code = "unavailable"

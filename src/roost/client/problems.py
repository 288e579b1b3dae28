"""From an answer that is not a success to the error tree of the model, nothing lost."""

from __future__ import annotations

import socket
import ssl
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
#: What a proxy in front of the platform may say for it.
_PROXY_SAYS = frozenset({408, 413, 429, 502, 503, 504})
SIGN_IN = "Run `roost login URL`, or set ROOST_TOKEN."
NO_TOKEN = "No token was sent. Run `roost login URL`, or set ROOST_TOKEN."


def error_from(response: httpx.Response) -> errors.RoostError:
    """The error an answer stands for; its body must have been read."""
    told = _told(response)
    code = str(told.get("code") or "")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(response.status_code, errors.RoostError)
    if code == "control-down":
        hint = "Try again in a moment."
    message = str(told.get("title") or f"The platform answered {response.status_code} {response.reason_phrase}.")
    hint = str(told.get("hint") or (SIGN_IN if kind is errors.NotSignedIn else told.get("detail") or ""))
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
    """Nobody answered, and why as far as the system tells."""
    if isinstance(error, httpx.TimeoutException):
        return errors.Unavailable("The platform did not answer in time.", subject=url, hint="Try again.")
    cause = root_cause(error)
    hint = "Check the address, and that `roost up` runs there."
    if isinstance(cause, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted: {cause.verify_message}"
        hint = "Check the address; a certificate of your own authority belongs into SSL_CERT_FILE."
    elif isinstance(cause, ssl.SSLError):
        why, hint = "it does not speak TLS there", f"Use http:{url.partition(':')[2]}, or check the port."
    elif isinstance(cause, socket.gaierror):
        why, hint = f"the name {httpx.URL(url).host} is not known", "Check the address."
    elif isinstance(cause, ConnectionRefusedError):
        why = "nothing listens there"
    elif isinstance(error, httpx.RemoteProtocolError):
        why, hint = "what answers there does not speak HTTP", "Check the address; with TLS it begins with https://."
    else:
        why = str(error).rstrip(".") or "the connection broke"
    return errors.Unavailable(f"The platform at {url} cannot be reached: {why}.", subject=url, hint=hint)


def is_stranger(response: httpx.Response) -> bool:
    """Whether this is no answer of Roost: every one of its own is JSON, and its failures explain themselves."""
    kind = str(response.headers.get("content-type", ""))
    if response.is_success:
        return bool(response.content) and not kind.startswith("application/json")
    return response.status_code not in _PROXY_SAYS and not is_problem(response)


def stranger(url: str, response: httpx.Response) -> errors.Unavailable:
    """Something answers that is not Roost."""
    leads_to = response.headers.get("location", "") if response.is_redirect else ""
    return errors.Unavailable(
        f"What answers at {url} is not the Roost platform ({response.status_code} {response.reason_phrase}).",
        code="not-roost",
        subject=url,
        hint=f"It leads to {leads_to}: try that address."
        if leads_to
        else "Use the address of the platform's own pages, such as http://localhost:8000.",
    )


def root_cause(error: BaseException) -> BaseException:
    """The error at the bottom: the system's own words."""
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    return error


def _told(response: httpx.Response) -> Mapping[str, Any]:
    if not is_problem(response):
        return {}
    try:
        told = response.json()
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}

"""Cookies, codes and tickets: how a signed-in person gets from the platform's host to a workload's host.

The platform's own cookie never leaves the platform's host. A workload's host gets a *ticket* of its own, in
exchange for a *code* that lives 30 seconds and is bound to the session, to the host and to a *nonce* that only
the asking browser holds. Codes and tickets are HMACs; they name the session by its key (the SHA-256 of its
secret) and grant nothing by themselves: the session's row is looked up on every request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

CODE_LIFETIME_US = 30_000_000
_PLATFORM_COOKIE = re.compile(r"(__host-|__secure-)?roost-((ticket|nonce)-)?[0-9a-f]{8}", re.IGNORECASE)


def session_cookie(instance: str, prefixed: bool) -> str:
    """Name of the cookie that holds a session's secret, on the platform's host.

    >>> session_cookie("0123abcd", True)
    '__Host-roost-0123abcd'
    """
    return _cookie(f"roost-{instance}", prefixed)


def ticket_cookie(instance: str, prefixed: bool) -> str:
    """Name of the cookie that holds a ticket, on a workload's host."""
    return _cookie(f"roost-ticket-{instance}", prefixed)


def nonce_cookie(instance: str, prefixed: bool) -> str:
    """Name of the cookie that holds the nonce of a sign-in under way, on a workload's host."""
    return _cookie(f"roost-nonce-{instance}", prefixed)


# Cookies ignore ports, so the name carries the instance: two platforms on one machine do not disturb each other.
def _cookie(name: str, prefixed: bool) -> str:
    return f"__Host-{name}" if prefixed else name


def is_platform_cookie(name: str) -> bool:
    """Whether a cookie belongs to a Roost, this one or another on the same machine; workloads never see those.

    >>> is_platform_cookie("__Host-roost-ticket-0123abcd"), is_platform_cookie("roost-notes")
    (True, False)
    """
    return _PLATFORM_COOKIE.fullmatch(name) is not None


def cookies_prefixed(secure: bool, user_agent: str) -> bool:
    """Whether cookies are `__Host-` and Secure. Safari drops those on http://localhost; there they are plain."""
    safari = "Safari/" in user_agent and not any(word in user_agent for word in ("Chrome/", "Chromium/", "Android"))
    return secure or not safari


def hash_secret(secret: str) -> str:
    """The key under which a secret (session, token, nonce) is known: SHA-256, hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def issue_code(key: bytes, *, session_key: str, workload_host: str, nonce_hash: str, now_us: int) -> str:
    """A code that the browser with the nonce may exchange for a ticket on this host, for 30 seconds."""
    expires_us = now_us + CODE_LIFETIME_US
    mac = _mac(key, "code", session_key, workload_host, nonce_hash, str(expires_us))
    return f"{session_key}.{expires_us}.{mac}"


def check_code(key: bytes, code: str, *, workload_host: str, nonce: str, now_us: int) -> str | None:
    """The session key of a good code, else None."""
    session_key, _, rest = code.partition(".")
    expires_us, _, mac = rest.partition(".")
    wanted = _mac(key, "code", session_key, workload_host, hash_secret(nonce), expires_us)
    if not nonce or not _same(mac, wanted) or now_us >= int(expires_us):
        return None
    return session_key


def issue_ticket(key: bytes, *, session_key: str, workload_host: str) -> str:
    """A ticket for one host; it is worth as much as the session it names, and ends with it."""
    return f"{session_key}.{_mac(key, 'ticket', session_key, workload_host)}"


def check_ticket(key: bytes, ticket: str, *, workload_host: str) -> str | None:
    """The session key of a good ticket, else None. Whether the session still lives is the caller's question."""
    session_key, _, mac = ticket.partition(".")
    return session_key if _same(mac, _mac(key, "ticket", session_key, workload_host)) else None


def internal_signature(key: bytes) -> str:
    """What the data plane sends as X-Roost-Internal, so that only it can call the control plane's /internal/."""
    return hmac.digest(key, b"internal", "sha256").hex()


# Each field is preceded by its length, so no two lists of fields give the same text.
def _mac(key: bytes, *fields: str) -> str:
    text = "".join(f"{len(field)}:{field}" for field in fields)
    digest = hmac.digest(key, text.encode("utf-8", "surrogateescape"), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), wanted.encode())

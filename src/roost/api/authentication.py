"""Who asks, and may they: every route has this in front of it.

A caller is a session (cookie) or a token (bearer; it wins where both come). A change asked for by a cookie must come
from our own page: its Origin or Sec-Fetch-Site says so, and it carries the token bound to the session. What a route
needs is in the permission table and nowhere else; a route that is not in it refuses everyone.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from fastapi import Request

from roost.control.platform import Platform
from roost.model.access import RULES, Caller, Role, Rule, allowed
from roost.model.errors import Forbidden, InvalidInput, NotFound, NotSignedIn
from roost.model.tickets import hash_secret, internal_signature, session_cookie
from roost.services import sessions, tokens
from roost.services.sessions import Client
from roost.services.workloads import By, missing

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "x-roost-csrf"
CSRF_FIELD = "csrf"
INTERNAL_HEADER = "x-roost-internal"
FORM_TYPE = "application/x-www-form-urlencoded"
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Identity:
    """The caller of a request (None = nobody known), the rule of its route, and by what they came."""

    caller: Caller | None
    rule: Rule
    session_key: str = ""  # of the cookie's session; "" = came by token, or not signed in


async def authorise(request: Request) -> None:
    """Find out who asks and refuse what the permission table does not admit. A dependency of every route."""
    rule = rule_of(request)
    if rule.internal:
        _check_signature(request)
        return
    caller, session_key = await _caller(request)
    request.state.identity = Identity(caller, rule, session_key)
    if caller is None and not rule.anyone:
        raise _not_signed_in(request)
    if request.method not in SAFE_METHODS and not _has_bearer(request):
        await _check_own_page(request, caller)
    if rule.anyone or caller is None:
        return
    # Whoever owns the thing is known later (`check_owner`); here it counts as the caller's own.
    if not allowed(rule, caller, caller.person):
        raise _forbidden(rule, caller)


def rule_of(request: Request) -> Rule:
    """The row of the permission table for the route that was matched."""
    route = request.scope.get("route")
    method = "GET" if request.method == "HEAD" else request.method
    rule = RULES.get((method, getattr(route, "path", "")))
    if rule is None:
        raise Forbidden("This address is not open to anyone.", code="no-rule")
    return rule


def platform_of(request: Request) -> Platform:
    """The control plane that serves the request."""
    platform: Platform = request.app.state.platform
    return platform


def identity_of(request: Request) -> Identity:
    """Who asks, as found by `authorise`."""
    identity: Identity = request.state.identity
    return identity


def caller_of(request: Request) -> Caller:
    """The caller of a route that needs one."""
    caller = identity_of(request).caller
    if caller is None:
        raise _not_signed_in(request)
    return caller


def by_of(request: Request) -> By:
    """The caller as the services want to know them."""
    caller = caller_of(request)
    now_us = platform_of(request).now_us()
    return By(person=caller.person, name=caller.name, via=caller.session, now_us=now_us)


def check_owner(request: Request, owner: str, what: str, reference: str) -> None:
    """Refuse somebody else's thing as if it did not exist: who may not see it learns nothing about it."""
    identity = identity_of(request)
    if not allowed(identity.rule, identity.caller, owner):
        raise missing(what, reference)


def owner_filter(request: Request, owner: str | None) -> str | None:
    """Whose things a list shows: one's own, or as an administrator `all` or those of one person. None = all."""
    caller = caller_of(request)
    if owner in (None, "", caller.person):
        return caller.person
    if caller.role is not Role.ADMINISTRATOR or caller.workload:
        raise Forbidden("Only administrators see what others have.", field="owner", hint="Leave owner out.")
    return None if owner == "all" else owner


def client_of(request: Request) -> Client:
    """From where the request comes, as the data plane says."""
    address = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return Client(address=address, agent=request.headers.get("user-agent", ""))


def csrf_token_of(request: Request) -> str:
    """What pages of this session must send with each change; "" without a session."""
    identity = identity_of(request)
    if identity.caller is None or not identity.session_key:
        return ""
    return sessions.csrf_token(platform_of(request).ticket_key, identity.caller.session)


def own_origins(platform: Platform) -> frozenset[str]:
    """The origins our own pages have: the platform's, and on loopback also its addresses."""
    settings = platform.settings
    origins = {settings.origin}
    if settings.domain == "localhost" and not settings.secure:
        origins |= {f"http://{host}:{settings.port}" for host in ("localhost", "127.0.0.1", "[::1]")}
    return frozenset(origins)


def session_secret(request: Request) -> str:
    """The secret in the session cookie, "" where there is none."""
    settings = platform_of(request).settings
    prefixed = request.cookies.get(session_cookie(settings.instance, True))
    # Without the prefix a workload's page could set it for its parent domain: only plain loopback goes without.
    if prefixed or settings.secure:
        return prefixed or ""
    return request.cookies.get(session_cookie(settings.instance, False)) or ""


async def _caller(request: Request) -> tuple[Caller | None, str]:
    platform = platform_of(request)
    if _has_bearer(request):
        token = request.headers["authorization"][len(_BEARER) :].strip()
        caller = await platform.store.run(tokens.caller_of_token, platform.store, token, now_us=platform.now_us())
        if caller is None:
            raise NotSignedIn(
                "The token is not valid: unknown, expired or revoked.",
                code="token-invalid",
                hint="Make a new one on the page Tokens; programs take it from ROOST_TOKEN or `roost login`.",
            )
        return caller, ""
    secret = session_secret(request)
    if not secret:
        return None, ""
    caller = await platform.store.run(sessions.caller_of_session, platform.store, secret, now_us=platform.now_us())
    return caller, hash_secret(secret) if caller is not None else ""


def _has_bearer(request: Request) -> bool:
    return request.headers.get("authorization", "")[: len(_BEARER)].lower() == _BEARER


def _check_signature(request: Request) -> None:
    """Admit the platform's own processes; to everybody else the address does not exist."""
    given = request.headers.get(INTERNAL_HEADER, "").encode("utf-8", "replace")
    if not hmac.compare_digest(given, internal_signature(platform_of(request).ticket_key).encode()):
        raise NotFound("There is nothing at this address.", hint="Check the address; the API is below /api/v1/.")


async def _check_own_page(request: Request, caller: Caller | None) -> None:
    """Refuse changes that another site made a browser ask for."""
    origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
    known = origin in own_origins(platform_of(request)) if origin is not None else None
    same = site == "same-origin" if site is not None else None
    if known is False or same is False or (known is None and same is None):
        raise Forbidden(
            "This change was not asked for by a page of this platform.",
            code="cross-site",
            subject=origin or site or "no Origin",
            hint="Programs use a token: Authorization: Bearer rst_…",
        )
    if caller is None:
        return  # nobody signed in: there is no session to be misused (sign-in itself, invitations)
    given = request.headers.get(CSRF_HEADER) or await _form_token(request)
    if not sessions.csrf_valid(platform_of(request).ticket_key, caller.session, given):
        raise Forbidden(
            "The page is out of date.",
            code="csrf-token",
            field=CSRF_FIELD,
            hint="Load the page again, then repeat what you did.",
        )


async def _form_token(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        return ""
    value = (await request.form()).get(CSRF_FIELD)
    return value if isinstance(value, str) else ""


def json_only(request: Request) -> None:
    """The API takes JSON; a form, which any site may make a browser send, is refused."""
    if request.method in SAFE_METHODS:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if kind != "application/json" and (kind or has_body):
        raise InvalidInput(
            f"The content type is {kind or 'missing'}.",
            code="json-only",
            field="Content-Type",
            subject=kind,
            hint="Send application/json.",
        )


def _not_signed_in(request: Request) -> NotSignedIn:
    expired = bool(session_secret(request))
    return NotSignedIn(
        "Your session is over." if expired else "You are not signed in.",
        hint="Sign in on the page; programs use a token: Authorization: Bearer rst_…",
    )


def _forbidden(rule: Rule, caller: Caller) -> Forbidden:
    if caller.scopes is not None and (rule.scope is None or rule.scope not in caller.scopes):
        needed = rule.scope.value if rule.scope is not None else "no scope at all (a token without limits)"
        return Forbidden(
            f"The token's scopes do not cover this; it needs {needed}.",
            code="scope-missing",
            subject=" ".join(sorted(caller.scopes)),
            hint="Make a token with that scope.",
        )
    return Forbidden("This is for administrators.", hint="Ask one of them.")

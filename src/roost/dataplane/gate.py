"""Who may pass, decided for every request and every upgrade from what is in memory. Pure; fails closed.

`decide` gives one of four values: `Pass` (to this upstream, with these credentials taken out), `SignIn` (send the
browser to the platform first), `Own` (the data plane answers itself) or `Deny`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from roost.dataplane.cookies import Cookies, read_cookies
from roost.dataplane.head import Request
from roost.dataplane.hosts import Place, extra_port
from roost.model.targets import local_path
from roost.model.tickets import check_ticket, cookies_prefixed, hash_secret, session_cookie, ticket_cookie
from roost.settings import Settings
from roost.store.gate import GateRoute, GateSession, GateView

_SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS"))
_BEARER = re.compile(rb"bearer +(rst_[!-~]+)", re.IGNORECASE)
_TICKET_LENGTH = 128  # 64 of the key, a point, 43 of the signature
_AGENT_LENGTH = 512
_NEXT_LENGTH = 4096  # it travels quoted in the query of /enter
_NO_COOKIES = Cookies(b"", {})
# Opening a workload is running code in it: a token limited to reading cannot.
_SCOPE_OF_KIND = {"workspace": "workspaces", "cluster": "clusters"}


class Passport(NamedTuple):
    """By what a request passed; asked again for as long as its connection is open. `label` "" is the platform."""

    key: str
    bearer: bool
    label: str


class Pass(NamedTuple):
    """Lead the request on: `lines` are the headers that replace Cookie and Authorization."""

    address: str
    target: bytes
    lines: bytes
    passport: Passport
    workload: str
    websocket: bool


class SignIn(NamedTuple):
    """A browser without a ticket: send it to the platform and back to `next`."""

    label: str
    next: str


class Own(NamedTuple):
    """The data plane answers: `what` is health, static, enter or status."""

    what: str
    route: GateRoute | None = None


class Deny(NamedTuple):
    """No. `code` is a stable word; `route` is there when the page may name the workload, `owner` when it is theirs."""

    status: int
    code: str
    title: str
    detail: str
    route: GateRoute | None = None
    owner: bool = False


Decision = Pass | SignIn | Own | Deny

UNKNOWN_HOST = Deny(421, "unknown-host", "Nothing answers under this name", "Check the address you typed.")
NOT_FOUND = Deny(404, "not-found", "Not found", "There is nothing at this address.")
NO_WORKLOAD = Deny(404, "not-found", "Not found", "This workspace or cluster does not exist, or not any more.")
NOT_SIGNED_IN = Deny(401, "not-signed-in", "Sign in first", "Open this address in a browser, or send a token.")
BAD_TOKEN = Deny(401, "not-signed-in", "The token is not valid", "It is unknown, expired or revoked; make a new one.")
WRONG_ORIGIN = Deny(
    403, "wrong-origin", "Refused", "A page of another origin asked for this. Open the address itself instead."
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the gate needs besides the view. `key` signs tickets, `control` is the address of the control plane."""

    key: bytes
    instance: str
    secure: bool
    control: str

    @staticmethod
    def of(settings: Settings, key: bytes) -> Rules:
        """The rules of a platform with these settings."""
        return Rules(key, settings.instance, settings.secure, f"unix:{settings.control_socket}")


def decide(request: Request, place: Place, view: GateView, rules: Rules, now_us: int) -> Decision:
    """What becomes of one request."""
    if not place.label:
        return _platform(request, view, rules)
    reserved = _reserved(request.path) if request.target.startswith(b"/.roost/") else ""
    if reserved == "static":
        return Own("static")
    route, port = find_route(place.label, view)
    if route is None:
        return NO_WORKLOAD
    if reserved == "enter":
        return Own("enter", route)
    decision = _workload(request, place, route, reserved, view, rules, now_us)
    if port and isinstance(decision, Pass):
        return decision._replace(target=b"/proxy/%d%b" % (port, request.target))
    return decision


def _platform(request: Request, view: GateView, rules: Rules) -> Decision:
    path = _decoded(request.path)
    if path == b"/healthz":
        return Own("health")
    if path.startswith(b"/.roost/static/"):
        return Own("static")
    if path.lower() == b"/internal" or path.lower().startswith(b"/internal/"):
        return NOT_FOUND
    read = request.read
    cookie = read.get(b"cookie", b"")
    lines = b"Cookie: %b\r\n" % cookie if cookie else b""
    authorization = read.get(b"authorization", b"")
    if authorization:
        lines += b"Authorization: %b\r\n" % authorization
    if request.ours:
        lines += b"".join(request.ours)
    passport = _platform_passport(cookie, authorization, request, view, rules)
    return Pass(rules.control, request.target, lines, passport, "", False)


def _platform_passport(cookie: bytes, authorization: bytes, request: Request, view: GateView, rules: Rules) -> Passport:
    """Whom the control plane will see, where that is known here; only to end streams that outlive their session."""
    key = ""
    if authorization:
        bearer = _BEARER.fullmatch(authorization)
        key = hash_secret(bearer[1].decode()) if bearer else ""
        return Passport(key if key and view.token(key) else "", True, "")
    if b"roost-" in cookie:
        name = session_cookie(rules.instance, prefixed(request, rules))
        secret = read_cookies(cookie).ours.get(name, "")
        key = hash_secret(secret) if secret else ""
    return Passport(key if key and view.session(key) else "", False, "")


def _decoded(path: bytes) -> bytes:
    """The path as the control plane will understand it (decoded once), with one slash in front."""
    decoded = unquote_to_bytes(path) if b"%" in path else path
    return b"/" + decoded.lstrip(b"/") if decoded.startswith(b"//") else decoded


def find_route(label: str, view: GateView) -> tuple[GateRoute | None, int]:
    """The route of a host label; with a port, where an extra port leads through the workload's own proxy.

    An extra port that has no route of its own goes through `/proxy/<port>/` of the workload's JupyterLab:
    dialling 127.0.0.1:<port> from here would reach other people's ports on a shared machine, while the proxy
    inside the workload reaches what the workload itself can reach and no more.
    """
    route = view.route(label)
    if route is not None or label[0] != "p":
        return route, 0
    extra = extra_port(label)
    route = view.route(extra.workload) if extra is not None else None
    if extra is None or route is None or route.kind != "workspace":
        return None, 0
    return route, extra.port


def _reserved(path: bytes) -> str:
    if path.startswith(b"/.roost/static/"):
        return "static"
    return path[8:].decode() if path in (b"/.roost/enter", b"/.roost/status") else "unknown"


def _workload(
    request: Request,
    place: Place,
    route: GateRoute,
    reserved: str,
    view: GateView,
    rules: Rules,
    now_us: int,
) -> Decision:
    authorization = request.read.get(b"authorization", b"")
    bearer = _BEARER.fullmatch(authorization) if authorization[:7].lower() == b"bearer " else None
    cookies = read_cookies(request.read[b"cookie"]) if b"cookie" in request.read else _NO_COOKIES
    if bearer is not None:
        passport = Passport(hash_secret(bearer[1].decode()), True, place.label)
    else:
        passport = Passport(_ticket(request, place, cookies, rules), False, place.label)
    refusal = admit(passport, view, now_us)
    if refusal is not None:
        return _refused(refusal, request, place)
    if not origin_allowed(request, place.origin, bearer=bearer is not None):
        return WRONG_ORIGIN
    if reserved:
        return Own("status", route) if reserved == "status" else NOT_FOUND
    if not route.address:
        return not_running(route, owner=is_owner(passport, route, view))
    lines = b"Cookie: %b\r\n" % cookies.passed if cookies.passed else b""
    if authorization and bearer is None:
        lines += b"Authorization: %b\r\n" % authorization
    # An address ends in "/", and what people put behind it often begins with one.
    target = b"/" + request.target.lstrip(b"/") if request.target.startswith(b"//") else request.target
    return Pass(route.address, target, lines, passport, route.workload, request.wants_websocket)


def _ticket(request: Request, place: Place, cookies: Cookies, rules: Rules) -> str:
    """The session key that the request's ticket names, or ""."""
    if not cookies.ours:
        return ""
    ticket = cookies.ours.get(ticket_cookie(rules.instance, prefixed(request, rules)), "")
    if not 0 < len(ticket) <= _TICKET_LENGTH:
        return ""
    return _checked_ticket(rules.key, ticket, place.name)


@lru_cache(maxsize=1024)
def _checked_ticket(key: bytes, ticket: str, host: str) -> str:
    """Whether a signature is right never changes, so the answer is remembered; the session is looked up each time."""
    return check_ticket(key, ticket, workload_host=host) or ""


def prefixed(request: Request, rules: Rules) -> bool:
    """Whether the names of our cookies are prefixed for this browser."""
    agent = request.read.get(b"user-agent", b"")
    return rules.secure or _agent_prefixed(agent[:_AGENT_LENGTH])


@lru_cache(maxsize=256)
def _agent_prefixed(agent: bytes) -> bool:
    return cookies_prefixed(False, agent.decode("latin-1"))


def _refused(refusal: Deny, request: Request, place: Place) -> Decision:
    if refusal is NOT_SIGNED_IN and is_navigation(request):
        target = request.target.decode("ascii")
        fits = len(target) <= _NEXT_LENGTH and not target.startswith("/.roost/")
        return SignIn(place.label, local_path(target) if fits else "/")
    return refusal


def admit(passport: Passport, view: GateView, now_us: int) -> Deny | None:
    """Why this passport is not good (any more), or None. Asked again and again while a connection is open."""
    if not passport.label:
        return _admit_platform(passport, view, now_us)
    row = view.token(passport.key) if passport.bearer else view.session(passport.key) if passport.key else None
    if row is None or row.revoked or now_us >= row.expires_at_us:
        return BAD_TOKEN if passport.bearer else NOT_SIGNED_IN
    person = view.person(row.person)
    if person is None or person.disabled:
        return BAD_TOKEN if passport.bearer else NOT_SIGNED_IN
    route, _ = find_route(passport.label, view)
    if route is None:
        return NO_WORKLOAD
    if row.person != route.owner:
        only_owner = passport.label[0] == "p" and extra_port(passport.label) is not None
        if only_owner or not view.granted(route.workload, row.person):
            return _no_access(route)
    return _no_access(route) if passport.bearer and not token_opens(row, route) else None


def _admit_platform(passport: Passport, view: GateView, now_us: int) -> Deny | None:
    """The control plane decides about its own requests; here only a session that was known and ended counts."""
    if not passport.key:
        return None
    row = (view.token if passport.bearer else view.session)(passport.key)
    person = view.person(row.person) if row is not None else None
    alive = row is not None and not row.revoked and now_us < row.expires_at_us
    return None if alive and person is not None and not person.disabled else NOT_SIGNED_IN


def is_owner(passport: Passport, route: GateRoute, view: GateView) -> bool:
    """Whether the passport is one of the workload's owner."""
    row = view.token(passport.key) if passport.bearer else view.session(passport.key)
    return row is not None and row.person == route.owner


def token_opens(token: GateSession, route: GateRoute) -> bool:
    """Whether a token's scope reaches this workload. A workload's own token opens its owner's clusters only."""
    if not token.scope:
        return True
    words = frozenset(token.scope.split())
    names = frozenset(word for word in words if not word.startswith("workload:"))
    if words != names and (route.kind != "cluster" or route.owner != token.person):
        return False
    return not names or _SCOPE_OF_KIND.get(route.kind) in names


def origin_allowed(request: Request, own: bytes, *, bearer: bool) -> bool:
    """Whether a request may change things, or open a websocket, given where it came from.

    Workloads are same-site with each other, so SameSite cookies do not help: unsafe methods and upgrades need
    the exact Origin of the workload. A token cannot be attached by a foreign page, so it needs none.
    """
    read = request.read
    origin = read.get(b"origin")
    site = read.get(b"sec-fetch-site", b"")
    upgrade = request.wants_websocket
    if upgrade or request.method not in _SAFE:
        if origin is not None:
            return origin == own
        return bearer or (site == b"same-origin" and not upgrade)
    # Reading by a page of a sibling: scripts, images and fetches are refused, navigation is not.
    return bearer or site not in (b"same-site", b"cross-site") or read.get(b"sec-fetch-mode") == b"navigate"


def is_navigation(request: Request) -> bool:
    """Whether a person looks at this: a top-level GET of a browser, the only kind that may be sent elsewhere."""
    if request.method != b"GET" or request.wants_websocket:
        return False
    mode = request.read.get(b"sec-fetch-mode")
    if mode is not None:
        return mode == b"navigate" and request.read.get(b"sec-fetch-dest") == b"document"
    return b"text/html" in request.read.get(b"accept", b"")


def _no_access(route: GateRoute) -> Deny:
    return Deny(403, "forbidden", "No access", f"You have no access to this {route.kind}. Ask its owner for it.")


def not_running(route: GateRoute, *, owner: bool) -> Deny:
    """What to say of a workload that has no address, or whose address does not answer."""
    if route.phase == "starting":
        return Deny(503, "starting", f"{route.name} is starting", route.reason, route, owner)
    if route.phase == "running":
        detail = "It runs, but does not answer at the moment."
        return Deny(502, "no-answer", f"{route.name} does not answer", detail, route, owner)
    words = {"failed": "has failed", "stopping": "is stopping"}.get(route.phase, "is stopped")
    return Deny(503, route.phase, f"{route.name} {words}", route.reason, route, owner)

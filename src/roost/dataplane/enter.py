"""Sign-in on a workload's host: send the browser to the platform, and take it back with a ticket. Pure."""

from __future__ import annotations

from urllib.parse import parse_qs, quote

from roost.dataplane.cookies import read_cookies
from roost.dataplane.gate import Deny, Passport, Rules, SignIn, admit, prefixed
from roost.dataplane.head import Request
from roost.dataplane.hosts import Place
from roost.dataplane.pages import Answer, redirect
from roost.model.targets import local_path
from roost.model.tickets import check_code, hash_secret, issue_ticket, nonce_cookie, ticket_cookie
from roost.store.gate import GateView

_NONCE_AGE_S = 3600
_NONCE_LENGTH = 43  # token_urlsafe(32)
STALE = Deny(
    400, "stale-link", "This sign-in has expired", "It worked once, for half a minute. Open the address again."
)


def send_to_platform(request: Request, decision: SignIn, rules: Rules, origin: str, fresh_nonce: str) -> Answer:
    """Redirect to the platform's /enter. A nonce that is there already is kept: two tabs may sign in at once."""
    safe = prefixed(request, rules)
    name = nonce_cookie(rules.instance, safe)
    held = _ours(request).get(name, "")
    nonce = held if len(held) == _NONCE_LENGTH else fresh_nonce
    cookie = f"{name}={nonce}; Path=/; Max-Age={_NONCE_AGE_S}; HttpOnly; SameSite=Lax" + _secure(safe)
    query = f"nonce={hash_secret(nonce)}&next={quote(decision.next, safe='')}"
    return redirect(f"{origin}/enter/{decision.label}?{query}", (cookie,))


def take_back(
    request: Request, place: Place, view: GateView, rules: Rules, now_us: int, used: dict[str, int]
) -> Answer | Deny:
    """Exchange the code for a ticket. `used` remembers the codes of the last half minute: each works once."""
    if request.method != b"GET":
        return STALE
    query = parse_qs(request.target.partition(b"?")[2].decode("ascii"))
    code, target = query.get("code", [""])[0], local_path(query.get("next", ["/"])[0])
    safe = prefixed(request, rules)
    nonce = _ours(request).get(nonce_cookie(rules.instance, safe), "")
    for old in [old for old, expires_us in used.items() if expires_us <= now_us]:
        del used[old]
    session_key = check_code(rules.key, code, workload_host=place.name, nonce=nonce, now_us=now_us)
    if session_key is None or code in used:
        return STALE
    refused = admit(Passport(session_key, False, place.label), view, now_us)
    if refused is not None:
        return refused
    used[code] = int(code.split(".")[1])
    ticket = issue_ticket(rules.key, session_key=session_key, workload_host=place.name)
    attributes = "; Path=/; HttpOnly; SameSite=Lax" + _secure(safe)
    return redirect(target, (f"{ticket_cookie(rules.instance, safe)}={ticket}{attributes}",))


def _ours(request: Request) -> dict[str, str]:
    return read_cookies(request.read.get(b"cookie", b"")).ours


def _secure(safe: bool) -> str:
    return "; Secure" if safe else ""

"""Who may do what: one table, `RULES`. A route of the API or the pages that is not in it fails the tests.

An action is allowed when the rule admits the caller's role or its owner, and the token (where one is used) carries
the scope. Whoever is admitted because something was shared with them is the business of grants, not of this table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Role(StrEnum):
    """A person's role on the platform."""

    ADMINISTRATOR = "administrator"
    MEMBER = "member"


class Scope(StrEnum):
    """What an API token may be limited to. No scope at all means everything its person may do."""

    READ = "read"
    WORKSPACES = "workspaces"
    CLUSTERS = "clusters"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, and by what. `scopes` None = not limited. `workload`: the caller is this workload's own token."""

    person: str
    role: Role
    session: str = ""  # id of the session or token
    scopes: frozenset[Scope] | None = None
    workload: str = ""
    name: str = ""  # of the person, to be shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the permission table.

    `anyone` needs no sign-in; `member` admits everybody signed in (who then sees their own things only); `owner`
    admits the owner of the thing; `administrator` every administrator. `scope`: what a limited token must carry
    (None = no limited token may); `reads`: the scope READ is enough. `internal`: the platform's own processes only.
    """

    anyone: bool = False
    member: bool = False
    owner: bool = False
    administrator: bool = True
    scope: Scope | None = None
    reads: bool = False
    internal: bool = False


def allowed(rule: Rule, caller: Caller | None, owner: str | None) -> bool:
    """Whether the caller may do what the rule guards, to a thing of this owner (None = nobody's).

    A workload's own token never acts as an administrator, whoever owns the workload: what runs in a notebook may be
    anybody's code.
    """
    if rule.internal:
        return False
    if rule.anyone:
        return True
    if caller is None or not _in_scope(rule, caller.scopes):
        return False
    if rule.member or (rule.administrator and caller.role is Role.ADMINISTRATOR and not caller.workload):
        return True
    return rule.owner and owner is not None and owner == caller.person


def _in_scope(rule: Rule, scopes: frozenset[Scope] | None) -> bool:
    if scopes is None or rule.scope in scopes:
        return True
    return rule.reads and Scope.READ in scopes


_ANYONE = Rule(anyone=True)
_SIGNED_IN = Rule(member=True)  # unlimited callers only: sessions, and tokens that may do everything
_READS = Rule(member=True, reads=True)
_ADMINISTERS = Rule(scope=Scope.ADMIN)
_OWN = Rule(owner=True)
_SECRET = Rule(owner=True, administrator=False)


def _workloads(plural: str, scope: Scope) -> Mapping[tuple[str, str], Rule]:
    """The rows that workspaces and clusters have alike. Running code in somebody's workload is its owner's alone."""
    path = f"/api/v1/{plural}"
    sees, changes = Rule(owner=True, scope=scope, reads=True), Rule(owner=True, scope=scope)
    return {
        ("GET", path): replace(sees, member=True),
        ("POST", path): replace(changes, member=True),
        ("GET", f"{path}/{{id}}"): sees,
        ("PATCH", f"{path}/{{id}}"): changes,
        ("DELETE", f"{path}/{{id}}"): changes,
        ("POST", f"{path}/{{id}}/start"): changes,
        ("POST", f"{path}/{{id}}/stop"): changes,
        ("POST", f"{path}/{{id}}/restart"): changes,
        ("POST", f"{path}/{{id}}/restore"): changes,
        ("POST", f"{path}/{{id}}/extend"): changes,
        ("POST", f"{path}/{{id}}/exec"): replace(changes, administrator=False),
        ("GET", f"{path}/{{id}}/logs"): sees,
        ("GET", f"{path}/{{id}}/events"): sees,
        ("GET", f"{path}/{{id}}/usage"): sees,
    }


def _pages(plural: str, more: Sequence[str]) -> Mapping[tuple[str, str], Rule]:
    """The pages that workspaces and clusters have alike, and the forms on them."""
    verbs = ("start", "stop", "restart", "delete", "restore", "extend", "rename", "resize", "idle", *more)
    return {
        ("GET", f"/{plural}"): _SIGNED_IN,
        ("POST", f"/{plural}"): _SIGNED_IN,
        ("GET", f"/{plural}/new"): _SIGNED_IN,
        ("GET", f"/{plural}/{{id}}"): _OWN,
        ("GET", f"/{plural}/{{id}}/charts"): _OWN,
        **{("POST", f"/{plural}/{{id}}/{verb}"): _OWN for verb in verbs},
    }


#: Method and path template of every route -> who may use it. HEAD is as GET.
RULES: Mapping[tuple[str, str], Rule] = {
    # The platform itself
    ("GET", "/healthz"): _ANYONE,
    ("GET", "/static/{path:path}"): _ANYONE,
    ("GET", "/favicon.ico"): _ANYONE,
    ("POST", "/internal/activity"): Rule(internal=True),
    ("GET", "/api/v1/version"): _ANYONE,
    ("GET", "/api/v1/me"): Rule(member=True, reads=True, scope=Scope.CLUSTERS),
    ("GET", "/api/v1/sizes"): Rule(member=True, reads=True, scope=Scope.CLUSTERS),
    ("GET", "/api/v1/machine"): _READS,
    ("GET", "/api/v1/stream"): _READS,
    # Workspaces and clusters
    **_workloads("workspaces", Scope.WORKSPACES),
    **_workloads("clusters", Scope.CLUSTERS),
    ("POST", "/api/v1/clusters/{id}/scale"): Rule(owner=True, scope=Scope.CLUSTERS),
    ("GET", "/api/v1/clusters/{id}/credentials"): Rule(owner=True, administrator=False, scope=Scope.CLUSTERS),
    ("GET", "/api/v1/volumes"): Rule(member=True, reads=True, scope=Scope.WORKSPACES),
    ("POST", "/api/v1/volumes/{id}/restore"): Rule(owner=True, scope=Scope.WORKSPACES),
    ("DELETE", "/api/v1/volumes/{id}"): Rule(owner=True, scope=Scope.WORKSPACES),
    # People and how they get in. Tokens are made by people, never by limited tokens.
    ("GET", "/api/v1/people"): replace(_ADMINISTERS, reads=True),
    ("PATCH", "/api/v1/people/{id}"): _ADMINISTERS,
    ("POST", "/api/v1/invitations"): _ADMINISTERS,
    ("GET", "/api/v1/sessions"): _SIGNED_IN,
    ("DELETE", "/api/v1/sessions/{id}"): _OWN,
    ("GET", "/api/v1/tokens"): _SIGNED_IN,
    ("POST", "/api/v1/tokens"): _SIGNED_IN,
    ("DELETE", "/api/v1/tokens/{id}"): _OWN,
    # Pages
    ("GET", "/sign-in"): _ANYONE,
    ("POST", "/sign-in"): _ANYONE,
    ("POST", "/sign-out"): _ANYONE,
    ("GET", "/join/{code}"): _ANYONE,
    ("POST", "/join/{code}"): _ANYONE,
    ("GET", "/"): _SIGNED_IN,
    ("GET", "/machine"): _SIGNED_IN,
    **_pages("workspaces", ("safe-mode",)),
    **_pages("clusters", ("scale",)),
    ("GET", "/volumes"): _SIGNED_IN,
    ("POST", "/volumes/{id}/restore"): _OWN,
    ("GET", "/volumes/{id}/destroy"): _OWN,
    ("POST", "/volumes/{id}/destroy"): _OWN,
    ("GET", "/people"): Rule(),
    ("POST", "/people/invite"): Rule(),
    ("POST", "/people/invitations/{id}/revoke"): Rule(),
    ("POST", "/people/{id}/role"): Rule(),
    ("POST", "/people/{id}/enable"): Rule(),
    ("POST", "/people/{id}/disable"): Rule(),
    ("POST", "/people/{id}/password-link"): Rule(),
    ("GET", "/settings"): _SIGNED_IN,
    ("GET", "/tokens"): _SIGNED_IN,
    ("POST", "/settings/theme"): _SIGNED_IN,
    ("POST", "/settings/password"): _SIGNED_IN,
    ("POST", "/settings/tokens"): _SIGNED_IN,
    ("POST", "/settings/tokens/{id}/revoke"): _OWN,
    ("POST", "/settings/sessions/{id}/revoke"): _OWN,
    ("POST", "/settings/sessions/revoke-others"): _SIGNED_IN,
    ("GET", "/enter/{host}"): _SECRET,
}

"""Who may do what: one table. A route of the API or the pages that is not in it fails the tests.

An action is allowed when the caller's role is in `roles`, or `owner` is set and the caller owns the thing, and
the token (where one is used) carries the scope.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    """One row of the permission table: `anyone` needs no sign-in; `owner` admits the owner of the thing."""

    anyone: bool = False
    member: bool = False
    owner: bool = False
    administrator: bool = True
    scope: Scope | None = None


def allowed(rule: Rule, caller: Caller | None, owner: str | None) -> bool:
    """Whether the caller may do what the rule guards, to a thing of this owner (None = nobody's)."""
    if rule.anyone:
        return True
    if caller is None:
        return False
    if caller.scopes is not None and not (rule.scope is not None and rule.scope in caller.scopes):
        return False
    if rule.member or (rule.administrator and caller.role is Role.ADMINISTRATOR):
        return True
    return rule.owner and owner is not None and owner == caller.person

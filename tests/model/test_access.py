"""The permission table: what each kind of caller may do, and what no token may ever do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.access import RULES, Caller, Role, Rule, Scope, allowed

ME, OTHER = "pe-me", "pe-other"
rules = st.builds(
    Rule,
    anyone=st.booleans(),
    member=st.booleans(),
    owner=st.booleans(),
    administrator=st.booleans(),
    scope=st.none() | st.sampled_from(Scope),
    reads=st.booleans(),
    internal=st.booleans(),
)
callers = st.builds(
    Caller,
    person=st.sampled_from([ME, OTHER]),
    role=st.sampled_from(Role),
    scopes=st.none() | st.frozensets(st.sampled_from(Scope)),
    workload=st.sampled_from(["", "ws-x"]),
)
owners = st.sampled_from([None, ME, OTHER])


def member(**more: object) -> Caller:
    return Caller(person=ME, role=Role.MEMBER, **more)  # type: ignore[arg-type]


def administrator(**more: object) -> Caller:
    return Caller(person=ME, role=Role.ADMINISTRATOR, **more)  # type: ignore[arg-type]


@given(rules, callers, owners)
def test_fewer_scopes_never_allow_more(rule: Rule, caller: Caller, owner: str | None) -> None:
    free = Caller(person=caller.person, role=caller.role, workload=caller.workload)
    assert allowed(rule, free, owner) or not allowed(rule, caller, owner)


@given(rules, owners)
def test_nobody_known_may_only_do_what_anyone_may(rule: Rule, owner: str | None) -> None:
    assert allowed(rule, None, owner) == (rule.anyone and not rule.internal)


@given(rules, callers)
def test_somebody_elses_thing_is_no_member_s(rule: Rule, caller: Caller) -> None:
    other = ME if caller.person == OTHER else OTHER
    if caller.role is Role.MEMBER and not rule.anyone and not rule.member:
        assert not allowed(rule, caller, other)


@given(rules, callers, owners)
def test_a_workloads_token_is_never_an_administrator(rule: Rule, caller: Caller, owner: str | None) -> None:
    if caller.workload:
        plain = Caller(person=caller.person, role=Role.MEMBER, scopes=caller.scopes, workload=caller.workload)
        assert allowed(rule, caller, owner) == allowed(rule, plain, owner)


@pytest.mark.parametrize(("method", "path"), RULES)
def test_rows_are_well_formed(method: str, path: str) -> None:
    assert method in ("GET", "POST", "PATCH", "DELETE")
    assert re.fullmatch(r"/([a-z0-9.-]+|\{[a-z:]+\})?(/([a-z0-9.-]+|\{[a-z:]+\}))*", path)


@pytest.mark.parametrize(("method", "path"), RULES)
def test_what_changes_something_is_never_open_to_a_reading_token(method: str, path: str) -> None:
    rule = RULES[method, path]
    if method != "GET" and not rule.anyone:
        assert not rule.reads
        assert not allowed(rule, administrator(scopes=frozenset({Scope.READ})), ME)


def test_what_is_open_to_everybody() -> None:
    assert {path for (_, path), rule in RULES.items() if rule.anyone} == {
        "/healthz",
        "/static/{path:path}",
        "/favicon.ico",
        "/api/v1/version",
        "/sign-in",
        "/sign-out",
        "/join/{code}",
    }


def test_running_code_in_somebody_elses_workload_is_nobodys_right() -> None:
    for key in (
        ("POST", "/api/v1/workspaces/{id}/exec"),
        ("POST", "/api/v1/clusters/{id}/exec"),
        ("GET", "/api/v1/clusters/{id}/credentials"),
        ("GET", "/enter/{host}"),
    ):
        assert not allowed(RULES[key], administrator(), OTHER)
        assert allowed(RULES[key], member(), ME)


def test_limited_tokens_make_no_tokens_and_no_people() -> None:
    everything = administrator(scopes=frozenset(Scope))
    assert not allowed(RULES["POST", "/api/v1/tokens"], everything, ME)
    assert allowed(RULES["POST", "/api/v1/tokens"], member(), None)
    clusters = administrator(scopes=frozenset({Scope.CLUSTERS, Scope.READ}), workload="ws-x")
    assert not allowed(RULES["POST", "/api/v1/invitations"], clusters, None)
    assert not allowed(RULES["GET", "/api/v1/people"], clusters, None)


def test_a_notebooks_token_starts_clusters_of_its_owner_only() -> None:
    token = administrator(scopes=frozenset({Scope.CLUSTERS, Scope.READ}), workload="ws-x")
    assert allowed(RULES["POST", "/api/v1/clusters"], token, None)
    assert allowed(RULES["GET", "/api/v1/clusters/{id}/credentials"], token, ME)
    assert not allowed(RULES["DELETE", "/api/v1/clusters/{id}"], token, OTHER)
    assert not allowed(RULES["POST", "/api/v1/workspaces"], token, None)
    assert not allowed(RULES["POST", "/api/v1/workspaces/{id}/exec"], token, ME)


def test_the_internal_route_is_for_no_caller() -> None:
    assert not allowed(RULES["POST", "/internal/activity"], administrator(), None)

import pytest
from tests.services.fixed import by, counted
from tests.store.making import DAY, HOUR, MINUTE, NOW, person

from roost.model.access import Caller, Role, Scope
from roost.model.errors import Forbidden, InvalidInput, NotFound
from roost.model.specs import WorkspaceSpec
from roost.services import tokens, workloads
from roost.store.database import Store


def caller_of(store: Store, token: str, now_us: int = NOW) -> Caller | None:
    return tokens.caller_of_token(store, token, now_us=now_us)


def test_a_token_is_a_prefix_and_256_bits_and_lasts_thirty_days(store: Store) -> None:
    ada = person(store)
    token, row = tokens.create_token(store, ada, "laptop", now_us=NOW, entropy=counted())
    assert token.startswith("rst_")
    assert len(token) == 4 + 43
    assert row.beginning == token[:8]
    assert caller_of(store, token) == Caller(person=ada.person, role=Role.MEMBER, session=row.id, name="Ada")
    assert caller_of(store, token, NOW + 30 * DAY - 1) is not None
    assert caller_of(store, token, NOW + 30 * DAY) is None
    for wrong in ("", token[4:], token[:-1], row.key, "rst_", token.upper()):
        assert caller_of(store, wrong) is None


@pytest.mark.parametrize(("days", "valid"), [(1, True), (90, True), (0, False), (91, False), (-1, False)])
def test_ninety_days_at_most(store: Store, days: int, valid: bool) -> None:
    ada = person(store)
    if valid:
        token, _ = tokens.create_token(store, ada, "t", expires_days=days, now_us=NOW)
        assert caller_of(store, token, NOW + days * DAY - 1) is not None
        assert caller_of(store, token, NOW + days * DAY) is None
        return
    with pytest.raises(InvalidInput) as caught:
        tokens.create_token(store, ada, "t", expires_days=days, now_us=NOW)
    assert (caught.value.field, caught.value.hint) == ("expires_days", "Use 1 to 90 days.")


def test_scopes_are_kept_and_unknown_ones_named(store: Store) -> None:
    ada = person(store)
    token, _ = tokens.create_token(store, ada, "t", scopes=["read", "clusters"], now_us=NOW)
    caller = caller_of(store, token)
    assert caller is not None
    assert caller.scopes == frozenset({Scope.READ, Scope.CLUSTERS})
    with pytest.raises(InvalidInput, match="everything") as caught:
        tokens.create_token(store, ada, "t", scopes=["everything"], now_us=NOW)
    assert caught.value.hint == "Valid scopes: admin, clusters, read, workspaces."


def test_a_token_makes_none_that_may_do_more(store: Store) -> None:
    ada = person(store)
    limited = Caller(person=ada.person, role=ada.role, scopes=frozenset({Scope.READ, Scope.CLUSTERS}))
    tokens.create_token(store, limited, "less", scopes=["read"], now_us=NOW)
    for more in (["read", "workspaces"], ["admin"], []):
        with pytest.raises(Forbidden):
            tokens.create_token(store, limited, "more", scopes=more, now_us=NOW)
    inside = Caller(person=ada.person, role=ada.role, scopes=frozenset({Scope.READ}), workload="ws-a")
    with pytest.raises(Forbidden):
        tokens.create_token(store, inside, "t", scopes=["read"], now_us=NOW)


def test_revoking_is_for_ones_own_and_for_administrators(store: Store) -> None:
    ada, bob, root = person(store, "Ada"), person(store, "Bob"), person(store, "Root", Role.ADMINISTRATOR)
    (first, one), (second, two) = (tokens.create_token(store, ada, name, now_us=NOW) for name in "ab")
    with pytest.raises(NotFound):
        tokens.revoke_token(store, bob, one.id, now_us=NOW)
    tokens.revoke_token(store, ada, one.id, now_us=NOW)
    tokens.revoke_token(store, ada, one.id, now_us=NOW)
    tokens.revoke_token(store, root, two.id, now_us=NOW)
    assert [caller_of(store, token) for token in (first, second)] == [None, None]
    assert tokens.list_tokens(store, ada.person, now_us=NOW) == []


def test_a_workloads_token_is_bound_short_and_replaced(store: Store) -> None:
    ada = person(store)
    row, _ = workloads.create(store, by(ada, NOW), "home", WorkspaceSpec())
    first = tokens.issue_workload_token(store, row.id, ada.person, now_us=NOW)
    caller = caller_of(store, first)
    assert caller is not None
    assert (caller.workload, caller.scopes) == (row.id, frozenset({Scope.READ, Scope.CLUSTERS}))
    assert caller_of(store, first, NOW + 2 * HOUR) is None
    second = tokens.issue_workload_token(store, row.id, ada.person, now_us=NOW + HOUR)
    assert caller_of(store, first, NOW + HOUR + 10 * MINUTE - 1) is not None
    assert caller_of(store, first, NOW + HOUR + 10 * MINUTE) is None
    assert caller_of(store, second, NOW + 3 * HOUR - 1) is not None
    with store.write() as tx:
        tokens.end_workload_tokens(tx, row.id, now_us=NOW)
    assert caller_of(store, second, NOW + HOUR) is None
    assert tokens.list_tokens(store, ada.person, now_us=NOW) == []


def test_a_clock_that_was_ahead_issued_nothing_for_years(store: Store) -> None:
    ada = person(store)
    token, _ = tokens.create_token(store, ada, "t", now_us=NOW + 3650 * DAY)
    assert caller_of(store, token) is None
    assert caller_of(store, token, NOW + 3650 * DAY) is not None


def test_last_use_is_written_every_five_minutes_at_most(store: Store) -> None:
    ada = person(store)
    token, row = tokens.create_token(store, ada, "t", now_us=NOW)
    assert row.seen_us is None
    caller_of(store, token)
    before = store.commits
    caller_of(store, token, NOW + 4 * MINUTE)
    assert store.commits == before
    caller_of(store, token, NOW + 5 * MINUTE)
    assert [row.seen_us for row in tokens.list_tokens(store, ada.person, now_us=NOW)] == [NOW + 5 * MINUTE]

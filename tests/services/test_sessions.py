import pytest
from tests.services.fixed import counted
from tests.store.making import DAY, HOUR, MINUTE, NOW, person

from roost.model.access import Caller, Role
from roost.model.errors import NotFound
from roost.services import people, sessions
from roost.services.sessions import Client, NewSession
from roost.store.database import Store


def begin(store: Store, caller: Caller, seed: str = "", now_us: int = NOW) -> NewSession:
    row = people.get_person(store, caller.person)
    with store.write() as tx:
        return sessions.begin(tx, row, Client("192.0.2.1", "x" * 999), now_us=now_us, entropy=counted(seed))


def counts(store: Store, new: NewSession, now_us: int) -> bool:
    return sessions.caller_of_session(store, new.secret, now_us=now_us) is not None


def test_the_secret_stands_for_its_person_in_their_present_role(store: Store) -> None:
    ada, root = person(store, "Ada"), person(store, "Root", Role.ADMINISTRATOR)
    new = begin(store, ada)
    caller = sessions.caller_of_session(store, new.secret, now_us=NOW)
    assert caller == Caller(person=ada.person, role=Role.MEMBER, session=new.session.id, name="Ada")
    people.change_role(store, root, ada.person, Role.ADMINISTRATOR, now_us=NOW)
    caller = sessions.caller_of_session(store, new.secret, now_us=NOW)
    assert caller is not None
    assert caller.role is Role.ADMINISTRATOR
    assert sessions.caller_of_session(store, new.session.key, now_us=NOW) is None  # the hash is no secret
    assert len(new.session.agent) == 200


def test_it_ends_after_twelve_hours_of_rest(store: Store) -> None:
    new = begin(store, person(store))
    assert counts(store, new, NOW + 12 * HOUR - 1)  # this was use: it goes on
    assert counts(store, new, NOW + 24 * HOUR - 2)
    assert not counts(store, new, NOW + 36 * HOUR)


def test_it_ends_after_seven_days_however_busy(store: Store) -> None:
    new = begin(store, person(store))
    for hour in range(10, 7 * 24, 10):
        assert counts(store, new, NOW + hour * HOUR)
    assert counts(store, new, NOW + 7 * DAY - 1)
    assert not counts(store, new, NOW + 7 * DAY)


def test_use_is_written_every_five_minutes_at_most(store: Store) -> None:
    new = begin(store, person(store))
    before = store.commits
    for minute in range(5):
        counts(store, new, NOW + minute * MINUTE)
    assert store.commits == before
    counts(store, new, NOW + 5 * MINUTE)
    assert store.commits == before + 1


def test_reports_of_the_data_plane_are_use_and_cannot_wake_the_dead(store: Store) -> None:
    ada = person(store)
    alive, dead = begin(store, ada, "a"), begin(store, ada, "b")
    sessions.revoke(store, ada, dead.session.id, now_us=NOW)
    seen = {alive.session.key: NOW + HOUR, dead.session.key: NOW + HOUR, "unknown": NOW}
    sessions.touch(store, seen, now_us=NOW + HOUR)
    sessions.touch(store, {alive.session.key: NOW + 9999 * DAY}, now_us=NOW + 2 * HOUR)
    assert counts(store, alive, NOW + 14 * HOUR - 1)
    assert not counts(store, dead, NOW + HOUR)


def test_one_is_revoked_by_its_person_or_an_administrator(store: Store) -> None:
    ada, bob, root = person(store, "Ada"), person(store, "Bob"), person(store, "Root", Role.ADMINISTRATOR)
    first, second = begin(store, ada, "a"), begin(store, ada, "b")
    with pytest.raises(NotFound):
        sessions.revoke(store, bob, first.session.id, now_us=NOW)
    assert counts(store, first, NOW)
    sessions.revoke(store, ada, first.session.id, now_us=NOW)
    sessions.revoke(store, ada, first.session.id, now_us=NOW)
    sessions.revoke(store, root, second.session.id, now_us=NOW)
    assert not counts(store, first, NOW)
    assert not counts(store, second, NOW)
    assert sessions.list_sessions(store, ada.person, now_us=NOW) == []


def test_all_others_are_revoked_at_once(store: Store) -> None:
    ada, bob = person(store, "Ada"), person(store, "Bob")
    mine, other, bobs = begin(store, ada, "a"), begin(store, ada, "b"), begin(store, bob, "c")
    caller = sessions.caller_of_session(store, mine.secret, now_us=NOW)
    assert caller is not None
    sessions.revoke_others(store, caller, now_us=NOW)
    assert [counts(store, new, NOW) for new in (mine, other, bobs)] == [True, False, True]


def test_signing_out_twice_is_harmless(store: Store) -> None:
    new = begin(store, person(store))
    sessions.sign_out(store, new.secret, now_us=NOW)
    sessions.sign_out(store, new.secret, now_us=NOW)
    sessions.sign_out(store, "nonsense", now_us=NOW)
    assert not counts(store, new, NOW)


def test_a_clock_that_was_ahead_signed_nobody_in_for_years(store: Store) -> None:
    ada = person(store)
    future, soon = begin(store, ada, "a", NOW + 3650 * DAY), begin(store, ada, "b", NOW + HOUR)
    assert not counts(store, future, NOW)
    assert counts(store, soon, NOW)
    assert counts(store, future, NOW + 3650 * DAY)


def test_what_ended_a_month_ago_is_removed(store: Store) -> None:
    ada = person(store)
    begin(store, ada)
    assert sessions.prune(store, now_us=NOW + 30 * DAY) == 0
    assert sessions.prune(store, now_us=NOW + 31 * DAY) == 1


def test_the_token_of_a_page_is_of_one_session(store: Store) -> None:
    key = b"k" * 32
    token = sessions.csrf_token(key, "sn-a")
    assert sessions.csrf_valid(key, "sn-a", token)
    for wrong in (
        "",
        "\ud800",
        "é",
        token[:-1],
        sessions.csrf_token(key, "sn-b"),
        sessions.csrf_token(b"x" * 32, "sn-a"),
    ):
        assert not sessions.csrf_valid(key, "sn-a", wrong)

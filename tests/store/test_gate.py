from tests.services.fixed import counted
from tests.store.making import DAY, HOUR, NOW, file_of, person

from roost.model.access import Role
from roost.services import people, sessions, tokens
from roost.services.sessions import Client, NewSession
from roost.store.database import Store
from roost.store.gate import PRUNE_S, GateReader


class Clock:
    """The time the gate is told."""

    def __init__(self) -> None:
        self.now_us = NOW

    def __call__(self) -> int:
        return self.now_us


def begin(store: Store, id: str, seed: str, now_us: int = NOW) -> NewSession:
    row = people.get_person(store, id)
    with store.write() as tx:
        return sessions.begin(tx, row, Client(), now_us=now_us, entropy=counted(seed))


def test_what_is_revoked_is_told_once_and_forgotten(store: Store) -> None:
    ada, gate = person(store), GateReader(file_of(store), now_us=Clock())
    new = begin(store, ada.person, "a")
    assert gate.refresh() == frozenset()
    assert gate.session(new.session.key) is not None
    sessions.revoke(store, ada, new.session.id, now_us=NOW)
    assert gate.refresh() == {new.session.id}
    assert gate.refresh() == frozenset()
    assert gate.session(new.session.key) is None
    gate.close()


def test_who_is_shut_out_is_told_with_all_they_hold(store: Store) -> None:
    root, ada = person(store, "Root", Role.ADMINISTRATOR), person(store, "Ada")
    new = begin(store, ada.person, "a")
    _, token = tokens.create_token(store, ada, "t", now_us=NOW)
    gate = GateReader(file_of(store), now_us=Clock())
    gate.refresh()
    people.set_disabled(store, root, ada.person, True, now_us=NOW)
    assert gate.refresh() == {new.session.id, token.id}
    gate.close()


def test_a_clock_that_was_ahead_forgets_nobody_and_lets_nobody_in_for_years(store: Store) -> None:
    ada, clock = person(store), Clock()
    before = begin(store, ada.person, "before")
    _, token = tokens.create_token(store, ada, "t", now_us=NOW)
    gate = GateReader(file_of(store), now_us=clock)
    gate.refresh()
    clock.now_us = NOW + 3650 * DAY
    during = begin(store, ada.person, "during", clock.now_us)
    gate._prune_at -= PRUNE_S  # the time to look for what expired has come
    gate.refresh()
    assert gate.session(during.session.key) is not None
    assert gate.session(before.session.key) is None
    clock.now_us = NOW + HOUR
    assert during.session.id in gate.refresh()
    assert gate.session(during.session.key) is None
    assert gate.session(before.session.key) is not None
    assert gate.token(token.key) is not None
    gate.close()

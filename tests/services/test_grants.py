import pytest
from tests.services.fixed import by, dump
from tests.store.making import NOW, file_of, person

from roost.model.access import Caller, Role
from roost.model.errors import InvalidInput, NotFound
from roost.model.specs import WorkspaceSpec
from roost.services import grants, people, workloads
from roost.store import grants as table
from roost.store.database import Store
from roost.store.gate import GateReader


@pytest.fixture
def ada(store: Store) -> Caller:
    return person(store, "Ada")


@pytest.fixture
def home(store: Store, ada: Caller) -> str:
    return workloads.create(store, by(ada, NOW), "home", WorkspaceSpec())[0].id


def test_sharing_and_taking_back_are_seen_by_the_gate(store: Store, ada: Caller, home: str) -> None:
    bob, gate = person(store, "Bob"), GateReader(file_of(store))
    for _ in range(2):
        grants.grant(store, ada, home, bob.person, now_us=NOW)
    assert [row.person for row in grants.list_grants(store, ada, home)] == [bob.person]
    gate.refresh()
    assert gate.granted(home, bob.person)
    before = dump(file_of(store))
    grants.grant(store, ada, home, bob.person, now_us=NOW)
    assert dump(file_of(store)) == before
    for _ in range(2):
        grants.revoke_grant(store, ada, home, bob.person, now_us=NOW)
    assert gate.refresh() == {home}
    assert not gate.granted(home, bob.person)
    with store.read() as tx:
        assert table.of_person(tx, bob.person) == []
    gate.close()


def test_only_the_owner_and_administrators_share(store: Store, ada: Caller, home: str) -> None:
    bob, root = person(store, "Bob"), person(store, "Root", Role.ADMINISTRATOR)
    for attempt in (
        lambda: grants.grant(store, bob, home, bob.person, now_us=NOW),
        lambda: grants.revoke_grant(store, bob, home, bob.person, now_us=NOW),
        lambda: grants.list_grants(store, bob, home),
    ):
        with pytest.raises(NotFound):
            attempt()
    grants.grant(store, root, home, bob.person, now_us=NOW)
    grants.revoke_grant(store, root, home, bob.person, now_us=NOW)


def test_whom_it_is_shared_with_must_be_there_and_somebody_else(store: Store, ada: Caller, home: str) -> None:
    root, bob = person(store, "Root", Role.ADMINISTRATOR), person(store, "Bob")
    with pytest.raises(NotFound):
        grants.grant(store, ada, home, "pe-" + "a" * 26, now_us=NOW)
    with pytest.raises(InvalidInput):
        grants.grant(store, ada, home, ada.person, now_us=NOW)
    people.set_disabled(store, root, bob.person, True, now_us=NOW)
    with pytest.raises(NotFound):
        grants.grant(store, ada, home, bob.person, now_us=NOW)
    workloads.delete(store, by(ada, NOW), home, keep_s=60)
    with pytest.raises(NotFound):
        grants.list_grants(store, ada, home)

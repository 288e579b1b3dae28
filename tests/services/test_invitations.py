import threading

import pytest
from tests.services.fixed import counted
from tests.store.making import DAY, HOUR, NOW, person

from roost.model.access import Caller, Role
from roost.model.errors import Conflict, InvalidInput, NotFound, RoostError
from roost.services import invitations, people, sessions, sign_in, tokens
from roost.services.sessions import Client
from roost.store.database import Store

PASSWORD = "a password of five words"
HERE = Client("192.0.2.1", "a browser")


@pytest.fixture
def root(store: Store) -> Caller:
    return person(store, "Root", Role.ADMINISTRATOR)


def redeem(store: Store, code: str, name: str = "Bob", *, now_us: int = NOW) -> Caller | None:
    new = invitations.redeem(store, code, name, PASSWORD, HERE, now_us=now_us)
    return sessions.caller_of_session(store, new.secret, now_us=now_us)


def refusal(store: Store, code: str, name: str = "Bob", *, now_us: int = NOW) -> str:
    with pytest.raises(RoostError) as caught:
        redeem(store, code, name, now_us=now_us)
    return caught.value.code


def test_a_link_makes_one_person_of_its_role_and_signs_them_in(store: Store, root: Caller) -> None:
    code, row = invitations.invite(
        store, root, role=Role.MEMBER, email_hint="bob@example.org", now_us=NOW, entropy=counted()
    )
    assert [open_.id for open_ in invitations.list_invitations(store, now_us=NOW)] == [row.id]
    bob = redeem(store, code)
    assert bob is not None
    assert (bob.name, bob.role) == ("Bob", Role.MEMBER)
    assert refusal(store, code, "Eve") == "link-used"
    assert invitations.list_invitations(store, now_us=NOW) == []
    assert sign_in.sign_in(store, "BOB", PASSWORD, HERE, now_us=NOW).person.id == bob.person


def test_a_link_ends_after_a_week_or_when_it_is_taken_back(store: Store, root: Caller) -> None:
    code, row = invitations.invite(store, root, now_us=NOW)
    assert refusal(store, code, now_us=NOW + 7 * DAY) == "link-expired"
    assert invitations.list_invitations(store, now_us=NOW + 7 * DAY) == []
    assert invitations.look(store, code, now_us=NOW + 7 * DAY - 1).id == row.id
    invitations.revoke_invitation(store, root, row.id, now_us=NOW)
    assert refusal(store, code) == "link-revoked"
    assert refusal(store, code + "x") == "link-invalid"
    with pytest.raises(NotFound):
        invitations.revoke_invitation(store, root, "iv-" + "a" * 26, now_us=NOW)
    used, row = invitations.invite(store, root, now_us=NOW)
    redeem(store, used)
    with pytest.raises(Conflict):
        invitations.revoke_invitation(store, root, row.id, now_us=NOW)


def test_a_refusal_leaves_the_link_usable(store: Store, root: Caller) -> None:
    code, _ = invitations.invite(store, root, now_us=NOW)
    assert refusal(store, code, "ROOT") == "conflict"
    with pytest.raises(InvalidInput):
        invitations.redeem(store, code, "Bob", "short", HERE, now_us=NOW)
    assert redeem(store, code) is not None


def test_eight_at_once_make_one_person(store: Store, root: Caller) -> None:
    code, _ = invitations.invite(store, root, now_us=NOW)
    made: list[str] = []
    refused: list[str] = []

    def use(number: int) -> None:
        try:
            caller = redeem(store, code, f"Bob {number}")
            assert caller is not None
            made.append(caller.name)
        except RoostError as error:
            refused.append(error.code)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), refused) == (1, ["link-used"] * 7)
    assert len(people.list_people(store)) == 2


def test_the_first_administrators_link_is_renewed_until_somebody_has_used_one(store: Store) -> None:
    first = invitations.first_administrator_code(store, now_us=NOW)
    second = invitations.first_administrator_code(store, now_us=NOW)
    assert first
    assert second
    assert refusal(store, first) == "link-revoked"
    assert refusal(store, second, now_us=NOW + DAY) == "link-expired"
    root = redeem(store, second, "Root")
    assert root is not None
    assert root.role is Role.ADMINISTRATOR
    assert invitations.first_administrator_code(store, now_us=NOW) is None
    assert refusal(store, second, "Eve") == "link-used"


def test_the_first_administrators_link_adopts_the_administrator_of_the_token_file(store: Store) -> None:
    admin = person(store, "admin", Role.ADMINISTRATOR)
    code = invitations.first_administrator_code(store, now_us=NOW)
    assert code
    adopted = redeem(store, code, "Admin")
    assert adopted is not None
    assert adopted.person == admin.person
    assert len(people.list_people(store)) == 1


def test_the_first_administrators_link_adopts_no_member(store: Store) -> None:
    person(store, "Mallory")
    code = invitations.first_administrator_code(store, now_us=NOW)
    assert code
    assert refusal(store, code, "mallory") == "conflict"


def test_a_password_link_is_for_one_person_and_ends_their_sessions(store: Store, root: Caller) -> None:
    code, _ = invitations.invite(store, root, now_us=NOW)
    bob = redeem(store, code)
    assert bob is not None
    old = sign_in.sign_in(store, "bob", PASSWORD, HERE, now_us=NOW)
    token, _ = tokens.create_token(store, bob, "t", now_us=NOW)
    useless, _ = invitations.password_link(store, root, bob.person, now_us=NOW)
    link, _ = invitations.password_link(store, root, bob.person, now_us=NOW)
    assert refusal(store, useless) == "link-revoked"
    again = redeem(store, link, "whatever is typed here", now_us=NOW + HOUR)
    assert again is not None
    assert (again.person, again.name) == (bob.person, "Bob")
    assert sessions.caller_of_session(store, old.secret, now_us=NOW + HOUR) is None
    assert tokens.caller_of_token(store, token, now_us=NOW + HOUR) is not None
    people.set_disabled(store, root, bob.person, True, now_us=NOW)
    link, _ = invitations.password_link(store, root, bob.person, now_us=NOW)
    assert refusal(store, link) == "conflict"

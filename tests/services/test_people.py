from typing import Any

import pytest
from tests.services.fixed import counted
from tests.store.making import DAY, HOUR, NOW, person

from roost.model.access import Role
from roost.model.errors import Conflict, InvalidInput, NotFound
from roost.services import audit, passwords, people, sessions, tokens
from roost.services.sessions import Client
from roost.store import people as table
from roost.store.database import Store


def test_names_are_unique_however_they_are_written(store: Store) -> None:
    person(store, "Straße Ⅳ")
    for same in ("STRASSE IV", "straße  iv", "ｓｔｒａｓｓｅ Ⅳ"):
        with pytest.raises(Conflict) as caught:
            person(store, same)
        assert (caught.value.field, caught.value.subject) == ("name", " ".join(same.split()))
    assert [row.name for row in people.list_people(store)] == ["Straße Ⅳ"]


def test_renaming_frees_the_old_name(store: Store) -> None:
    ada, bob = person(store, "Ada"), person(store, "Bob")
    with pytest.raises(Conflict):
        people.rename(store, ada, bob.person, "ADA", now_us=NOW)
    assert people.rename(store, ada, ada.person, "Ada Lovelace", now_us=NOW).name == "Ada Lovelace"
    assert people.rename(store, ada, bob.person, "ada", now_us=NOW).name == "ada"
    assert people.rename(store, ada, bob.person, "ADA", now_us=NOW).name == "ADA"


def test_there_always_is_an_administrator(store: Store) -> None:
    root, other = person(store, "Root", Role.ADMINISTRATOR), person(store, "Other", Role.ADMINISTRATOR)
    people.set_disabled(store, root, other.person, True, now_us=NOW)
    wishes: tuple[dict[str, Any], ...] = (
        {"role": Role.MEMBER},
        {"disabled": True},
        {"role": Role.MEMBER, "disabled": True},
    )
    for wish in wishes:
        with pytest.raises(Conflict) as caught:
            people.change(store, root, root.person, **wish, now_us=NOW)
        assert caught.value.code == "last-administrator"
    with pytest.raises(Conflict):  # one half that could be, one that could not: nothing
        people.change(store, root, root.person, role=Role.ADMINISTRATOR, disabled=True, now_us=NOW)
    people.set_disabled(store, root, other.person, False, now_us=NOW)
    assert people.change_role(store, root, root.person, Role.MEMBER, now_us=NOW).role is Role.MEMBER


def test_who_is_shut_out_loses_every_session_and_token(store: Store) -> None:
    root, ada = person(store, "Root", Role.ADMINISTRATOR), person(store, "Ada")
    row = people.get_person(store, ada.person)
    with store.write() as tx:
        new = sessions.begin(tx, row, Client(), now_us=NOW, entropy=counted())
    token, _ = tokens.create_token(store, ada, "t", now_us=NOW)
    people.set_disabled(store, root, ada.person, True, now_us=NOW)
    assert sessions.caller_of_session(store, new.secret, now_us=NOW) is None
    assert tokens.caller_of_token(store, token, now_us=NOW) is None
    people.set_disabled(store, root, ada.person, False, now_us=NOW)
    assert sessions.caller_of_session(store, new.secret, now_us=NOW) is None
    assert tokens.caller_of_token(store, token, now_us=NOW) is None


def test_changing_the_password_ends_the_other_sessions(store: Store) -> None:
    old = "the first of the passwords"
    ada = person(store, "Ada", password_hash=passwords.hash_password(old))
    row = people.get_person(store, ada.person)
    with store.write() as tx:
        here, there = (sessions.begin(tx, row, Client(), now_us=NOW, entropy=counted(s)) for s in "ab")
    caller = sessions.caller_of_session(store, here.secret, now_us=NOW)
    assert caller is not None
    with pytest.raises(InvalidInput) as caught:
        people.change_password(store, caller, "not it at all", "the second password", now_us=NOW)
    assert caught.value.field == "old"
    people.change_password(store, caller, old, "the second password", now_us=NOW)
    assert sessions.caller_of_session(store, here.secret, now_us=NOW + HOUR) is not None
    assert sessions.caller_of_session(store, there.secret, now_us=NOW) is None
    with store.read() as tx:
        hashed = table.password_hash(tx, ada.person)
    assert passwords.password_matches("the second password", hashed)
    assert not passwords.password_matches(old, hashed)


def test_preferences_are_words_that_are_known(store: Store) -> None:
    ada = person(store)
    assert people.choose(store, ada, {"theme": "dark"}, now_us=NOW).preferences == {"theme": "dark"}
    for wrong in ({"theme": "pink"}, {"colour": "dark"}, {"theme": ["dark"]}):
        with pytest.raises(InvalidInput) as caught:
            people.choose(store, ada, wrong, now_us=NOW)
        assert "system, light, dark" in caught.value.hint


def test_somebody_unknown_is_not_found(store: Store) -> None:
    ada = person(store)
    with pytest.raises(NotFound):
        people.get_person(store, "pe-" + "a" * 26)
    with pytest.raises(NotFound):
        people.set_disabled(store, ada, "pe-" + "a" * 26, True, now_us=NOW + DAY)
    assert audit.verify(store).intact


@pytest.mark.parametrize("password", ["short", "x" * 1001, "aaaaaaaaaaaa", "ababababab", "Ada Lovelace"])
def test_passwords_that_are_not_accepted(password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        passwords.checked_password(password, "ada lovelace")
    assert caught.value.field == "password"
    assert password not in caught.value.message


def test_hashes_are_argon2id_salted_and_of_todays_cost() -> None:
    first, second = (passwords.hash_password("the same password") for _ in range(2))
    assert first != second
    assert first.startswith("$argon2id$v=19$m=32768,t=3,p=1$")
    assert passwords.password_matches("the same password", first)
    assert not passwords.password_matches("the same passwore", first)
    assert not passwords.outdated(first)
    assert passwords.outdated(first.replace("t=3", "t=1"))


def test_an_unknown_name_costs_a_whole_hash_too() -> None:
    """The hash of nobody is well formed and of the same cost: a malformed one would be refused at once."""
    import argon2

    nobody, real = passwords._NOBODY, passwords.hash_password("a password of somebody")
    costs = [argon2.extract_parameters(hashed) for hashed in (nobody, real)]
    assert len({(cost.type, cost.time_cost, cost.memory_cost, cost.parallelism, cost.hash_len) for cost in costs}) == 1
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(nobody, "anything")
    assert not passwords.password_matches("anything", None)
    assert not passwords.password_matches("x" * 2000, real)
    assert not passwords.password_matches("anything", "not a hash")

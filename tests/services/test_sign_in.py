import threading

import pytest
from tests.services.fixed import counted
from tests.store.making import DAY, MINUTE, NOW, person

from roost.model.access import Role
from roost.model.errors import RoostError
from roost.services import passwords, people, sign_in
from roost.services.sessions import Client
from roost.store import people as table
from roost.store.database import Store

PASSWORD = "a password of five words"
HASHED = passwords.hash_password(PASSWORD)
HERE, THERE = Client("192.0.2.1", "a browser"), Client("192.0.2.2", "another")


def attempt(store: Store, name: str, password: str, client: Client = HERE, *, now_us: int = NOW) -> str:
    """ "" = signed in, else why not."""
    try:
        sign_in.sign_in(store, name, password, client, now_us=now_us)
    except RoostError as error:
        return error.code
    return ""


def test_the_right_words_begin_a_session(store: Store) -> None:
    ada = person(store, "Ada", password_hash=HASHED)
    new = sign_in.sign_in(store, " ADA ", PASSWORD, HERE, now_us=NOW, entropy=counted())
    assert (new.person.id, new.session.address, new.session.agent) == (ada.person, "192.0.2.1", "a browser")
    assert attempt(store, "Ada", PASSWORD + " ") == "wrong-password"
    assert attempt(store, "nobody", PASSWORD) == "wrong-password"
    person(store, "No password")
    assert attempt(store, "No password", "") == "wrong-password"


def test_ten_guesses_of_a_name_then_a_quarter_of_an_hour(store: Store) -> None:
    person(store, "Ada", password_hash=HASHED)
    assert [attempt(store, "Ada", "wrong", THERE) for _ in range(11)] == ["wrong-password"] * 10 + ["too-many-attempts"]
    assert attempt(store, "ＡＤＡ", PASSWORD, HERE) == "too-many-attempts"  # wherever from, however written
    assert attempt(store, "Ada", PASSWORD, now_us=NOW + 15 * MINUTE - 1) == "too-many-attempts"
    assert attempt(store, "Ada", PASSWORD, now_us=NOW + 15 * MINUTE) == ""


def test_signing_in_forgets_the_slips_before_it(store: Store) -> None:
    person(store, "Ada", password_hash=HASHED)
    for _ in range(2):
        assert [attempt(store, "Ada", "wrong") for _ in range(6)] == ["wrong-password"] * 6
        assert attempt(store, "Ada", PASSWORD) == ""


def test_so_many_guesses_from_an_address_whatever_name(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sign_in.PER_ADDRESS == 50
    monkeypatch.setattr(sign_in, "PER_ADDRESS", 5)  # each one costs a hash
    assert {attempt(store, f"name {n}", "wrong") for n in range(5)} == {"wrong-password"}
    assert attempt(store, "name 6", "wrong") == "too-many-attempts"
    assert attempt(store, "name 6", "wrong", THERE) == "wrong-password"
    assert attempt(store, "name 7", "wrong", Client()) == "wrong-password"  # from nowhere: no limit to share


def test_forty_guesses_at_once_are_ten(store: Store) -> None:
    person(store, "Ada", password_hash=HASHED)
    told: list[str] = []
    threads = [
        threading.Thread(target=lambda n=n: told.append(attempt(store, "Ada", f"guess number {n}"))) for n in range(40)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(told) == ["too-many-attempts"] * 30 + ["wrong-password"] * 10


def test_how_long_to_wait_is_said(store: Store) -> None:
    for _ in range(10):
        attempt(store, "Ada", "wrong")
    with pytest.raises(RoostError) as caught:
        sign_in.sign_in(store, "Ada", "wrong", HERE, now_us=NOW + 5 * MINUTE)
    assert caught.value.hint == "Try again in 10 minutes."


def test_guesses_of_a_clock_that_was_ahead_shut_nobody_out(store: Store) -> None:
    person(store, "Ada", password_hash=HASHED)
    for _ in range(10):
        attempt(store, "Ada", "wrong", now_us=NOW + 3650 * DAY)
    assert attempt(store, "Ada", PASSWORD) == ""


def test_who_is_disabled_is_told_so_only_with_the_right_password(store: Store) -> None:
    root = person(store, "Root", Role.ADMINISTRATOR)
    ada = person(store, "Ada", password_hash=HASHED)
    people.set_disabled(store, root, ada.person, True, now_us=NOW)
    assert attempt(store, "Ada", "wrong") == "wrong-password"
    assert attempt(store, "Ada", PASSWORD) == "account-disabled"


def test_an_outdated_hash_is_renewed(store: Store) -> None:
    import argon2

    old = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    ada = person(store, "Ada", password_hash=old)
    assert attempt(store, "Ada", PASSWORD) == ""
    with store.read() as tx:
        hashed = table.password_hash(tx, ada.person)
    assert hashed is not None
    assert not passwords.outdated(hashed)
    assert attempt(store, "Ada", PASSWORD) == ""

import pytest
from tests.services.fixed import change_by_hand
from tests.store.making import NOW, person

from roost.model.access import Caller, Role
from roost.services import audit
from roost.services.audit import Anchor
from roost.store.database import Store

ROWS = 12
COLUMNS = {
    "at_us": NOW + 999,
    "actor": "pe-somebody-else",
    "action": "person.enable",
    "subject": "another",
    "detail": '{"number":99}',
    "previous": "f" * 64,
    "hash": "f" * 64,
}


@pytest.fixture
def written(store: Store) -> Store:
    ada = person(store)
    for number in range(ROWS):
        with store.write() as tx:
            audit.record(tx, "thing.done", "thing", actor=ada, now_us=NOW + number, number=number)
    assert audit.verify(store).intact
    return store


def test_an_untouched_log_is_intact(written: Store) -> None:
    verdict = audit.verify(written)
    assert (verdict.rows, verdict.broken_at, verdict.why) == (ROWS, None, "")
    assert audit.verify(written, verdict.anchor).intact


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("number", [1, 6, ROWS])
def test_a_row_that_was_tampered_with_is_found_at_its_place(written: Store, number: int, column: str) -> None:
    assert change_by_hand(written, f"UPDATE audit SET {column} = ? WHERE id = ?", COLUMNS[column], number) == 1
    verdict = audit.verify(written)
    assert not verdict.intact
    assert verdict.broken_at == number


@pytest.mark.parametrize("number", range(1, ROWS + 1))
def test_a_row_that_was_removed_is_missed(written: Store, number: int) -> None:
    assert change_by_hand(written, "DELETE FROM audit WHERE id = ?", number) == 1
    assert audit.verify(written).broken_at == number


def test_a_row_put_in_between_or_two_that_changed_places_are_found(written: Store) -> None:
    change_by_hand(written, "UPDATE audit SET id = 100 WHERE id = 4")
    change_by_hand(written, "UPDATE audit SET id = 4 WHERE id = 5")
    change_by_hand(written, "UPDATE audit SET id = 5 WHERE id = 100")
    assert audit.verify(written).broken_at == 4


@pytest.mark.parametrize("kept", [0, 5, ROWS - 1])
def test_an_end_that_was_cut_off_is_missed(written: Store, kept: int) -> None:
    change_by_hand(written, "DELETE FROM audit WHERE id > ?", kept)
    verdict = audit.verify(written)
    assert (verdict.broken_at, verdict.why) == (kept + 1, f"{ROWS - kept} rows are missing at the end")


def test_a_log_written_anew_does_not_pass_through_the_anchor(written: Store) -> None:
    anchor = audit.verify(written).anchor
    change_by_hand(written, "DELETE FROM audit")
    change_by_hand(written, "DELETE FROM counters WHERE name = 'audit'")
    assert audit.verify(written).intact  # of nothing, which is why one notes the anchor elsewhere
    assert audit.verify(written, anchor).why == "the log ends before the anchor"
    for number in range(ROWS + 1):
        with written.write() as tx:
            audit.record(tx, "thing.forged", "thing", actor=audit.PLATFORM, now_us=NOW + number)
    assert audit.verify(written).intact
    assert audit.verify(written, anchor).broken_at == anchor.number
    assert not audit.verify(written, Anchor(ROWS + 9, "0" * 64)).intact


def test_a_change_that_is_undone_leaves_no_row(written: Store) -> None:
    with pytest.raises(KeyError), written.write() as tx:
        audit.record(tx, "thing.undone", "thing", actor=audit.PLATFORM, now_us=NOW)
        raise KeyError
    assert audit.verify(written).rows == ROWS


def test_it_says_by_which_session_or_token(written: Store) -> None:
    from roost.store import audit as log

    with written.write() as tx:
        caller = Caller(person="pe-x", role=Role.MEMBER, session="sn-x")
        audit.record(tx, "thing.done", "t", actor=caller, now_us=NOW)
        (row,) = log.newest(tx, limit=1)
    assert (row.actor, row.detail) == ("pe-x", '{"by":"sn-x"}')

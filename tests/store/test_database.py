import asyncio
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest
from tests.store.making import file_of

from roost.model.errors import RoostError, Unavailable
from roost.settings import Settings
from roost.store import database, instance
from roost.store.database import Store, open_store


def put(store: Store, name: str, value: object) -> None:
    with store.write() as tx:
        instance.put(tx, name, value)


def get(store: Store, name: str) -> object:
    with store.read() as tx:
        return instance.get(tx, name)


def test_settings_open_the_database_of_their_home(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "not" / "yet" / "there")
    store = open_store(settings)
    assert settings.database.stat().st_mode & 0o777 == 0o600
    assert settings.home.stat().st_mode & 0o777 == 0o700
    put(store, "a", [1])
    store.close()
    again = open_store(settings)
    assert get(again, "a") == [1]
    again.close()


def test_every_connection_is_durable_and_strict(store: Store) -> None:
    with store.read() as tx:
        found = {
            name: tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 5000}


def test_an_exception_undoes_everything_and_wakes_nobody(store: Store) -> None:
    heard: list[frozenset[str]] = []
    store.listen(heard.append)
    before = store.commits
    with pytest.raises(KeyError), store.write() as tx:
        instance.put(tx, "a", 1)
        raise KeyError
    assert get(store, "a") is None
    assert (heard, store.commits) == ([], before)


def test_a_commit_tells_what_changed(store: Store) -> None:
    heard: list[frozenset[str]] = []
    end = store.listen(heard.append)
    put(store, "a", 1)
    end()
    put(store, "a", 2)
    assert heard == [frozenset({"setting:a"})]


def test_waiting_for_a_commit_ends_with_the_commit(store: Store) -> None:
    since = store.commits
    threading.Timer(0.05, put, (store, "a", 1)).start()
    began = time.monotonic()
    assert store.wait_commit(since, 10) == since + 1
    assert time.monotonic() - began < 5
    assert store.wait_commit(since + 1, 0.01) == since + 1


async def test_functions_run_beside_the_event_loop(store: Store) -> None:
    threads = await asyncio.gather(*(store.run(threading.get_ident) for _ in range(3)))
    assert threading.get_ident() not in threads
    await store.run(put, store, "a", 1)
    assert await store.run(get, store, "a") == 1


def test_a_write_inside_a_write_is_a_defect_and_not_a_hang(store: Store) -> None:
    with pytest.raises(RuntimeError, match="inside another"), store.write(), store.write():
        pass
    put(store, "a", 1)


def test_a_reader_sees_one_state_while_another_writes(store: Store) -> None:
    put(store, "a", 1)
    with store.read() as tx:
        assert instance.get(tx, "a") == 1
        put(store, "a", 2)
        assert instance.get(tx, "a") == 1
    assert get(store, "a") == 2


def test_revisions_grow_from_commit_to_commit(store: Store) -> None:
    seen: list[int] = []

    def write() -> None:
        for _ in range(20):
            with store.write() as tx:
                revision = tx.revision()
                assert tx.revision() == revision
                seen.append(revision)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == list(range(1, 81))


def test_a_writer_that_waits_too_long_gives_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WRITE_WAIT_S", 0.05)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with store.write():
            held.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with pytest.raises(Unavailable) as caught:
        put(store, "a", 1)
    done.set()
    thread.join()
    assert caught.value.code == "database-locked"
    put(store, "a", 1)


def test_a_lock_held_by_another_program_is_said_and_passes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.store.dialects._PRAGMAS", ("busy_timeout=50", "journal_mode=WAL"))
    store = open_store(tmp_path / "roost.db")
    other = sqlite3.connect(file_of(store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        put(store, "a", 1)
    assert caught.value.code == "database-locked"
    assert caught.value.subject == str(tmp_path / "roost.db")
    assert get(store, "a") is None  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    put(store, "a", 1)
    store.close()


@pytest.mark.parametrize("content", [b"this is not a database, it is a letter to a friend" * 100, b"\0" * 8192])
def test_a_corrupt_file_is_named_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "roost.db"
    path.write_bytes(content)
    with pytest.raises(Unavailable) as caught:
        open_store(path)
    assert (caught.value.code, caught.value.subject) == ("database-corrupt", str(path))
    assert "copy" in caught.value.hint
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["roost.db"]


def test_a_damaged_page_is_an_error_and_not_a_wrong_answer(tmp_path: Path) -> None:
    path = tmp_path / "roost.db"
    store = open_store(path)
    put(store, "a", 1)
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(Unavailable) as caught:
        open_store(path)
    assert caught.value.code == "database-corrupt"


def test_a_home_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RoostError) as caught:
        open_store(tmp_path / "file" / "home" / "roost.db")
    assert caught.value.code == "database-not-writable"
    assert "--home" in caught.value.hint


def test_a_database_that_is_a_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "roost.db").mkdir()
    with pytest.raises(RoostError) as caught:
        open_store(tmp_path / "roost.db")
    assert caught.value.code == "database-not-writable"


def test_a_full_disk_changes_nothing_and_heals(store: Store) -> None:
    put(store, "a", 1)
    with store.read() as tx:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
    with pytest.raises(Unavailable) as caught, store.write() as tx:
        tx.connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        instance.put(tx, "a", 2)
        instance.put(tx, "b", "x" * 1_000_000)
    assert caught.value.code == "disk-full"
    assert (get(store, "a"), get(store, "b")) == (1, None)
    store.engine.dispose()
    put(store, "b", "x" * 1_000_000)
    assert get(store, "b") == "x" * 1_000_000

"""What makes services repeatable: bytes that are the same in each run, and callers of given people."""

import hashlib
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roost.model.access import Caller
from roost.services.workloads import By
from roost.store.database import Store


def counted(seed: str = "") -> Callable[[int], bytes]:
    """Entropy whose nth answer is known."""
    numbers = itertools.count()
    return lambda size: hashlib.shake_128(f"{seed}{next(numbers)}".encode()).digest(size)


def by(caller: Caller, now_us: int) -> By:
    """The caller as the services of workloads want to know them."""
    return By(person=caller.person, name=caller.name, via=caller.session, now_us=now_us)


def change_by_hand(store: Store, statement: str, *values: Any) -> int:
    """Write into the database file past the store, as somebody with an editor would; returns how many rows."""
    connection = sqlite3.connect(Path(store.subject))
    with connection:
        count = connection.execute(statement, values).rowcount
    connection.close()
    return count


def dump(path: Path) -> list[str]:
    """Everything in a database, as statements: two equal dumps are two equal databases."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()

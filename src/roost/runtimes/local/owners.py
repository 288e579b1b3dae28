"""A user id of its own for each owner, for ever: files on disk belong to it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from roost.runtimes.image.files import write_json

_FIRST, _PER_INSTANCE, _INSTANCES = 300_000, 10_000, 30_000


class Owners:
    """Owner -> user id, in ranges that homes on one machine do not share."""

    def __init__(self, file: Path, instance: str, *, separate: bool) -> None:
        self._file = file
        self._separate = separate
        self._base = _FIRST + int(instance, 16) % _INSTANCES * _PER_INSTANCE
        self._numbers: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}

    def uid(self, owner: str) -> int:
        """The user id of an owner; -1 where everybody is the user who runs Roost."""
        if not self._separate:
            return -1
        if owner not in self._numbers:
            self._numbers[owner] = len(self._numbers)
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self._file, self._numbers)
        return self._base + self._numbers[owner]

    def own(self, path: Path, owner: str) -> None:
        """Give a path to an owner."""
        uid = self.uid(owner)
        if uid >= 0:
            os.chown(path, uid, uid)

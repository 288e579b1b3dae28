"""Keys are files beside the database, never in it: whoever gets a copy of one does not have the other.

`ticket.key` signs what the platform hands to browsers (codes, tickets, CSRF tokens); `secrets.key` seals stored
secrets, newest key first, one per line: to rotate, put a new line on top and keep the old ones.
"""

from __future__ import annotations

import base64
import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from roost.model.errors import Unavailable
from roost.settings import Settings
from roost.store import secrets
from roost.store.database import Transaction

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

Entropy = Callable[[int], bytes]
KEY_BYTES = 32


def ticket_key_path(settings: Settings) -> Path:
    """The key shared by control plane and data plane."""
    return settings.keys / "ticket.key"


def secrets_key_path(settings: Settings) -> Path:
    """The keys that seal stored secrets."""
    return settings.keys / "secrets.key"


def ensure_keys(settings: Settings, *, entropy: Entropy = os.urandom) -> None:
    """Make the keys that are missing (mode 0600). Keys that exist are never replaced, also by two at once."""
    try:
        settings.keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make(ticket_key_path(settings), entropy(KEY_BYTES))
        _make(secrets_key_path(settings), base64.urlsafe_b64encode(entropy(KEY_BYTES)) + b"\n")
    except OSError as error:
        raise Unavailable(
            f"The keys cannot be created: {error.strerror}.",
            subject=str(settings.keys),
            code="keys-not-writable",
            hint="Choose a directory you may write to with --home.",
        ) from None


def load_ticket_key(settings: Settings) -> bytes:
    """32 bytes, or an error that says what is wrong with the file."""
    path = ticket_key_path(settings)
    key = _read(path)
    if len(key) != KEY_BYTES:
        raise _broken(path, f"holds {len(key)} bytes instead of {KEY_BYTES}")
    return key


class Vault:
    """Seals and opens stored secrets. The keys are read when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        self._path = secrets_key_path(settings)
        self._loaded: MultiFernet | None = None

    def put(self, tx: Transaction, workload: str, values: Mapping[str, bytes], *, now_us: int) -> None:
        """Seal and write secrets of a workload by name."""
        sealed = {name: self._cipher().encrypt(value) for name, value in values.items()}
        secrets.put(tx, workload, sealed, now_us=now_us)

    def of(self, tx: Transaction, workload: str) -> dict[str, bytes]:
        """All secrets of a workload by name, opened."""
        from cryptography.fernet import InvalidToken

        try:
            return {name: self._cipher().decrypt(blob) for name, blob in secrets.of(tx, workload).items()}
        except InvalidToken:
            raise _broken(self._path, f"does not open the secrets of {workload}") from None

    def _cipher(self) -> MultiFernet:
        if self._loaded is None:
            from cryptography.fernet import Fernet, MultiFernet

            try:
                self._loaded = MultiFernet([Fernet(line) for line in _read(self._path).split()])
            except ValueError:
                raise _broken(self._path, "holds no valid key") from None
        return self._loaded


def _make(path: Path, content: bytes) -> None:
    """Write the file as a whole or not at all; where it exists, the one that exists stays."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _broken(path, f"cannot be read: {error.strerror}") from None


def _broken(path: Path, what: str) -> Unavailable:
    return Unavailable(
        f"The key file {what}.",
        subject=str(path),
        code="key-unusable",
        hint="Put the file that belongs to this database back in its place.",
    )

"""Passwords: what is accepted, and argon2id hashes of them. argon2 is imported when first needed."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from roost.model.errors import InvalidInput
from roost.model.names import fold

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 10
LONGEST = 1000
#: OWASP's recommendation for argon2id, with more memory: about 50 ms on one core.
MEMORY_KIB, PASSES, LANES = 32 * 1024, 3, 1
#: At most so many hashes at once, so that a flood of sign-ins holds 64 MB and not the machine.
_slots = threading.BoundedSemaphore(2)
#: A hash of nothing anybody knows, of the same cost: checking an unknown name takes as long as a known one.
_NOBODY = "$argon2id$v=19$m=32768,t=3,p=1$cm9vc3Qtbm9ib2R5LXNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def checked_password(password: str, name: str) -> str:
    """The password, or an error that says what is accepted."""
    if len(password) < SHORTEST:
        raise InvalidInput(
            f"The password has {len(password)} characters; at least {SHORTEST} are needed.",
            field="password",
            hint="A sentence of four or five words is long, and easy to remember.",
        )
    if len(password) > LONGEST:
        raise InvalidInput(
            f"The password has {len(password)} characters; at most {LONGEST} are allowed.", field="password"
        )
    if fold(password) == fold(name) or len(set(password)) < 4:
        raise InvalidInput(
            "The password is too easy to guess.",
            field="password",
            hint="Do not use the name, nor the same few characters again and again.",
        )
    return password


def hash_password(password: str) -> str:
    """An argon2id hash. Slow on purpose: call it outside a transaction."""
    with _slots:
        return _hasher().hash(password)


def password_matches(password: str, hashed: str | None) -> bool:
    """Whether the password is that of the hash; without a hash as slow as with one, and False."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if len(password) > LONGEST:
        return False
    with _slots:
        try:
            _hasher().verify(hashed or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return hashed is not None


def outdated(hashed: str) -> bool:
    """Whether the hash was made with other parameters than today's."""
    return _hasher().check_needs_rehash(hashed)


@functools.cache
def _hasher() -> PasswordHasher:
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)

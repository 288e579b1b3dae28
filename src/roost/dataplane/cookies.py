"""The Cookie header on a workload's host: our cookies are read and taken out, the rest goes to the workload."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from roost.model.tickets import is_platform_cookie

_CACHED_LENGTH = 2048


class Cookies(NamedTuple):
    """`passed`: what a workload may see. `ours`: the platform's cookies by name; one that came twice is "" (void)."""

    passed: bytes
    ours: dict[str, str]


def read_cookies(header: bytes) -> Cookies:
    """Split a Cookie header. Keep-alive connections repeat it, so small ones are remembered."""
    return _remembered(header) if len(header) <= _CACHED_LENGTH else _split(header)


def _split(header: bytes) -> Cookies:
    if b"roost-" not in header.lower():
        return Cookies(header, {})
    passed: list[bytes] = []
    ours: dict[str, str] = {}
    for pair in header.split(b";"):
        name, _, value = pair.strip().partition(b"=")
        text = name.strip().decode("latin-1")
        if is_platform_cookie(text):
            # A cookie set for a parent domain comes beside our own: two of one name cannot be told apart.
            ours[text] = value.strip().decode("latin-1") if text not in ours else ""
        elif pair.strip():
            passed.append(pair.strip())
    return Cookies(b"; ".join(passed), ours)


_remembered = lru_cache(maxsize=512)(_split)

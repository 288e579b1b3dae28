"""Which valid word somebody probably meant. For hints only: nothing is ever accepted because it is near."""

from __future__ import annotations

from collections.abc import Iterable

_LISTED = 12


def nearest(word: str, valid: Iterable[str]) -> str | None:
    """The valid word closest to what was typed, or None where nothing is close.

    >>> nearest("enviroment", ["environment", "volume"])
    'environment'
    >>> nearest("16 GB", ["4gb", "16gb", "64gb"])
    '16gb'
    >>> nearest("zebra", ["volume"]) is None
    True
    """
    import difflib  # wanted only when something is wrong already

    plain = {_plain(candidate): candidate for candidate in sorted(valid, reverse=True)}
    found = difflib.get_close_matches(_plain(word[:100]), list(plain), n=1, cutoff=0.6)
    return plain[found[0]] if found else None


def hint(word: str, valid: Iterable[str]) -> str:
    """A hint that names the nearest valid word and lists all, in the order of a list, else sorted.

    >>> hint("worker", {"workers", "volume"})
    'Did you mean workers? Valid: volume, workers.'
    """
    known = list(valid) if isinstance(valid, list | tuple) else sorted(valid)
    close = nearest(word, known)
    listed = ", ".join(known[:_LISTED]) + (f" and {len(known) - _LISTED} more" if len(known) > _LISTED else "")
    return f"Did you mean {close}? Valid: {listed}." if close else f"Valid: {listed}." if known else ""


def _plain(word: str) -> str:
    return "".join(character for character in word.casefold() if character not in " -_")

"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown (see `prose` and `code`)."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def prose(text: str) -> str:
    """Plain text as Markdown: what looks like a tag or a column is none, what is in backticks stays.

    >>> prose("at <id>.roost, or `a<b`")
    'at \\\\<id>.roost, or `a<b`'
    """
    parts = " ".join(text.split()).split("`")
    escaped = [part.replace("<", "\\<").replace("*", "\\*") if i % 2 == 0 else part for i, part in enumerate(parts)]
    return "`".join(escaped).replace("|", "\\|")


def code(text: str) -> str:
    """Text as code, "" as nothing."""
    return f"`{text}`".replace("|", "\\|") if text else ""

"""Data to stdout, everything else to stderr; colours and movement only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from unicodedata import combining, east_asian_width

from roost.model.units import format_bytes, format_duration, format_usd

_PHASE_STYLE = {"running": "green", "starting": "cyan", "stopping": "cyan", "failed": "red", "stopped": "dim"}


def print_json(value: Any) -> None:
    """The stable form, for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_items(items: Sequence[Any]) -> None:
    """A list in the stable form: always `{"items": [...]}`."""
    print_json({"items": list(items)})


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Aligned columns, folded to the width of a terminal; `empty` goes to stderr when there is nothing to show.

    Columns that are empty in every row are left out.
    """
    if not rows:
        print(empty, file=sys.stderr)
        return
    used = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    columns, rows = [columns[i] for i in used], [[row[i] for i in used] for row in rows]
    if sys.stdout.isatty():
        _print_rich(columns, rows)
        return
    widths = [max(_width(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    for row in (columns, *rows):
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def print_details(pairs: Sequence[tuple[str, str]]) -> None:
    """One thing: a line per fact, empty ones left out."""
    shown = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        print(f"{name:<{width}}  {value}")


def note(text: str) -> None:
    """Something to know that is not data."""
    print(text, file=sys.stderr)


def memory(amount_bytes: int | None) -> str:
    """Bytes as people say them; unknown is empty.

    >>> memory(1536 * 2**20), memory(None)
    ('1.5 GB', '')
    """
    return "" if amount_bytes is None else format_bytes(amount_bytes)


def lasting(moment: str | None, now: datetime | None = None) -> str:
    """How long ago an ISO time is, without "ago".

    >>> lasting("2026-01-01T10:00:00+00:00", datetime(2026, 1, 1, 13, 5, tzinfo=UTC))
    '3 h 5 min'
    """
    return format_duration(max(int(-_distance_s(moment, now)), 0)) if moment else ""


def ago(moment: str | None, now: datetime | None = None) -> str:
    """An ISO time as a distance from now, in its largest unit.

    >>> now = datetime(2026, 1, 1, 13, 5, tzinfo=UTC)
    >>> ago("2026-01-01T10:00:00+00:00", now), ago("2026-01-08T13:04:50Z", now), ago(None)
    ('3 h ago', 'in 6 d', '')
    """
    if not moment:
        return ""
    distance_s = int(_distance_s(moment, now))
    amount = " ".join(format_duration(abs(distance_s)).split()[:2])
    return f"in {amount}" if distance_s > 0 else f"{amount} ago"


def clock(moment: str | None) -> str:
    """An ISO time on the clock of this machine, to the second."""
    return f"{_parsed(moment).astimezone():%Y-%m-%d %H:%M:%S}" if moment else ""


def money(usd: str | None) -> str:
    """An amount as the platform tells it; unknown is shown as unknown."""
    return format_usd(None if usd is None else Decimal(usd))


def flat(value: Any) -> str:
    """Any JSON value in one cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _parsed(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def _distance_s(moment: str, now: datetime | None) -> float:
    return (_parsed(moment) - (now or datetime.now(UTC))).total_seconds()


def _width(text: str) -> int:
    """Columns of a terminal that a text takes: wide characters are two, marks on others none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=_PHASE_STYLE.get(cell, "")) for cell in row))
    Console().print(table)

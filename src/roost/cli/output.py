"""Data to stdout, everything else to stderr; colours and movement only on a terminal."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from roost.client.values import Workload

_PHASE_STYLE = {"running": "green", "starting": "cyan", "stopping": "cyan", "failed": "red", "stopped": "dim"}
_UNITS = ((2**40, "TB"), (2**30, "GB"), (2**20, "MB"), (2**10, "kB"))


def print_json(value: Any) -> None:
    """The stable form, for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_items(items: Sequence[Any]) -> None:
    """A list in the stable form: always `{"items": [...]}`."""
    print_json({"items": list(items)})


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], empty: str) -> None:
    """Aligned columns; `empty` goes to stderr when there is nothing to show."""
    if not rows:
        print(empty, file=sys.stderr)
        return
    if sys.stdout.isatty():
        _print_rich(columns, rows)
        return
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]
    for row in (columns, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


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
    """Bytes as people say them: 512 MB, 1.5 GB.

    >>> memory(1536 * 2**20)
    '1.5 GB'
    """
    if amount_bytes is None:
        return ""
    for unit, name in _UNITS:
        if amount_bytes >= unit:
            return f"{amount_bytes / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{amount_bytes} B"


def ago(moment: str | None, now: datetime | None = None) -> str:
    """An ISO time as a distance from now.

    >>> ago("2026-01-01T10:00:00+00:00", datetime(2026, 1, 1, 13, 5, tzinfo=UTC))
    '3 h ago'
    """
    if not moment:
        return ""
    seconds = int(((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds())
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name} ago"
    return f"{max(seconds, 0)} s ago"


class Waiting:
    """Shows what a wait waits for: moving on a terminal, a line per news elsewhere, nothing when `quiet`."""

    def __init__(self, what: str, *, quiet: bool = False) -> None:
        self._what = what
        self._quiet = quiet
        self._began = time.monotonic()
        self._last = ""
        self._status: Any = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(self._what)
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def news(self, seen: Workload) -> None:
        """Show the phase and its reason."""
        text = f"{seen.name}: {seen.phase}" + (f", {seen.reason}" if seen.reason else "")
        if self._status is not None:
            from rich.markup import escape

            self._status.update(f"{escape(text)} ({time.monotonic() - self._began:.0f} s)")
        elif not self._quiet and text != self._last:
            note(text)
        self._last = text


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


def money(hourly_usd: str | None) -> str:
    """A price per hour; unknown is shown as unknown."""
    return "unknown" if hourly_usd is None else f"${hourly_usd}"


def flat(value: Any) -> str:
    """Any JSON value in one cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)

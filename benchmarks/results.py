"""What a benchmark gives: rows that can be compared, judged and printed. No measuring here."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One measured value. Units that end in "/s" are better when higher, all others when lower."""

    value: float
    unit: str
    detail: str = ""

    @property
    def higher_is_better(self) -> bool:
        return self.unit.endswith("/s")

    def __str__(self) -> str:
        return f"{shown(self.value)} {self.unit}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `limit` bounds Roost's figure, `ratio_limit` how many times better than the peer."""

    family: str
    what: str
    roost: Figure | None
    peer: Figure | None = None
    peer_name: str = ""
    limit: float | None = None
    ratio_limit: float | None = None
    failed: int = 0  # operations of ours that failed; any is a miss

    @property
    def ratio(self) -> float | None:
        """How many times better Roost is, None where one of the two was not measured."""
        if self.roost is None or self.peer is None or not self.roost.value or not self.peer.value:
            return None
        ratio = self.roost.value / self.peer.value
        return ratio if self.roost.higher_is_better else 1 / ratio

    @property
    def target(self) -> str:
        """What must be reached, in words."""
        said = []
        unit = self.roost.unit if self.roost else self.peer.unit if self.peer else ""
        if self.limit is not None:
            said.append(f"{'at least' if unit.endswith('/s') else 'at most'} {shown(self.limit)} {unit}")
        if self.ratio_limit is not None:
            said.append(f"{shown(self.ratio_limit)}x")
        return ", ".join(said)

    @property
    def reached(self) -> bool | None:
        """Whether every part of the target is met; None where something needed was not measured."""
        if self.failed:
            return False
        met: list[bool] = []
        if self.limit is not None:
            if self.roost is None:
                return None
            within = self.roost.value >= self.limit if self.roost.higher_is_better else self.roost.value <= self.limit
            met.append(within)
        if self.ratio_limit is not None:
            if self.ratio is None:
                return None
            met.append(self.ratio >= self.ratio_limit)
        return all(met) if met else None

    @property
    def cells(self) -> tuple[str, ...]:
        """What stands in the table."""
        verdict = {True: "yes", False: "NO", None: "-"}[self.reached]
        peer = f"{self.peer} ({self.peer_name})" if self.peer else "-"
        ours = str(self.roost) if self.roost else "-"
        failed = f", {self.failed} failed" if self.failed else ""
        return (
            self.what,
            ours + failed,
            peer,
            f"{shown(self.ratio)}x" if self.ratio else "-",
            self.target or "-",
            verdict if self.target else "-",
        )

    def to_json(self) -> dict[str, Any]:
        """Everything, with what follows from it."""
        return {**asdict(self), "ratio": self.ratio, "target": self.target, "reached": self.reached}


TITLES = ("What", "Roost", "Peer", "Ratio", "Must reach", "Reached")


def shown(value: float) -> str:
    """Three significant digits, no exponent.

    >>> shown(0.19473), shown(26731.2), shown(8)
    ('0.195', '26,700', '8')
    """
    if not value:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    text = f"{rounded:,.{max(digits, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    lines = [TITLES, *(row.cells for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(TITLES))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)


def markdown(rows: Sequence[Row]) -> str:
    """For the documentation."""
    lines = [TITLES, ("---",) * len(TITLES), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def median(values: Sequence[float]) -> float:
    """The middle value."""
    return percentile(values, 0.5)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed.

    >>> percentile([3.0, 1.0, 2.0], 0.5)
    2.0
    """
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]

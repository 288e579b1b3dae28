"""What running costs: exact over half-open intervals, rounded once.

An unknown price is not zero: what ran without one is counted apart, in time, and said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Protocol

from roost.model.units import MICROSECONDS_PER_HOUR, from_micro_usd


class Billed(Protocol):
    """A stretch of time at one price: [from_us, until_us), `count` machines; `until_us` None = still open."""

    @property
    def from_us(self) -> int: ...
    @property
    def until_us(self) -> int | None: ...
    @property
    def count(self) -> int: ...
    @property
    def hourly_micro_usd(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """The plain form of `Billed`. Times are UTC microseconds; a price of None is unknown, 0 is free."""

    from_us: int
    until_us: int | None = None
    count: int = 1
    hourly_micro_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """An amount in micro-USD, and for how long (machine-microseconds) something ran at an unknown price beside it."""

    micro_usd: int
    unpriced_us: int = 0

    @property
    def usd(self) -> Decimal | None:
        """Dollars, or None as soon as any part of it is unknown."""
        return None if self.unpriced_us else from_micro_usd(self.micro_usd)


def cost(intervals: Iterable[Billed], *, now_us: int, from_us: int | None = None, until_us: int | None = None) -> Cost:
    """What the intervals cost, open ones until now, where asked only within [from_us, until_us).

    The sum is exact; it is rounded once, half to even.

    >>> cost([Interval(from_us=0, until_us=1_800_000_000, hourly_micro_usd=252_000)], now_us=0).micro_usd
    126000
    """
    amount, unpriced = 0, 0
    for interval in intervals:
        start = interval.from_us if from_us is None else max(interval.from_us, from_us)
        end = now_us if interval.until_us is None else interval.until_us
        machine_us = max(0, (end if until_us is None else min(end, until_us)) - start) * interval.count
        if interval.hourly_micro_usd is None:
            unpriced += machine_us
        else:
            amount += machine_us * interval.hourly_micro_usd
    return Cost(micro_usd=round(Fraction(amount, MICROSECONDS_PER_HOUR)), unpriced_us=unpriced)


def overlaps(intervals: Iterable[Billed]) -> bool:
    """Whether any two intervals share a moment: then somebody would pay twice."""
    filled = [i for i in intervals if i.until_us is None or i.until_us > i.from_us]
    ordered = sorted(filled, key=lambda interval: interval.from_us)
    return any(a.until_us is None or a.until_us > b.from_us for a, b in pairwise(ordered))

"""Bills: additive, exact, rounded once, and never silent about an unknown price."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from roost.model.billing import Interval, cost, overlaps
from roost.model.units import MICROSECONDS_PER_HOUR

times = st.integers(0, 10**16)
intervals = st.builds(
    lambda start, length, count, price: Interval(
        from_us=start, until_us=None if length is None else start + length, count=count, hourly_micro_usd=price
    ),
    times,
    st.none() | st.integers(0, 10**13),
    st.integers(0, 100),
    st.none() | st.integers(0, 200_000_000),
)


@given(intervals, times, times)
def test_cutting_an_interval_anywhere_changes_nothing(interval: Interval, cut_us: int, now_us: int) -> None:
    whole = cost([interval], now_us=now_us)
    first = cost([interval], now_us=now_us, until_us=cut_us)
    rest = cost([interval], now_us=now_us, from_us=cut_us)
    assert abs(first.micro_usd + rest.micro_usd - whole.micro_usd) <= 1
    assert first.unpriced_us + rest.unpriced_us == whole.unpriced_us


@given(st.lists(intervals, max_size=6), st.integers(1, 20), times)
def test_many_short_pieces_cost_what_the_whole_costs(many: list[Interval], pieces: int, now_us: int) -> None:
    cut = []
    for interval in many:
        end = interval.until_us if interval.until_us is not None else max(now_us, interval.from_us)
        edges = [interval.from_us + (end - interval.from_us) * i // pieces for i in range(pieces + 1)]
        cut += [
            Interval(from_us=a, until_us=b, count=interval.count, hourly_micro_usd=interval.hourly_micro_usd)
            for a, b in pairwise(edges)
        ]
    assert cost(cut, now_us=now_us) == cost(many, now_us=now_us)


@given(st.lists(intervals, max_size=5), times, st.integers(0, 10**12))
def test_a_bill_never_shrinks(many: list[Interval], now_us: int, later_us: int) -> None:
    before, after = cost(many, now_us=now_us), cost(many, now_us=now_us + later_us)
    assert 0 <= before.micro_usd <= after.micro_usd
    assert 0 <= before.unpriced_us <= after.unpriced_us


def test_a_month_of_the_largest_machine() -> None:
    month = Interval(from_us=0, until_us=730 * MICROSECONDS_PER_HOUR, hourly_micro_usd=4_032_000)
    assert cost([month], now_us=0).usd == Decimal("2943.36")


def test_what_runs_at_an_unknown_price_has_no_total() -> None:
    known = Interval(from_us=0, until_us=MICROSECONDS_PER_HOUR, hourly_micro_usd=10)
    unknown = Interval(from_us=0, until_us=MICROSECONDS_PER_HOUR, count=2)
    both = cost([known, unknown], now_us=0)
    assert (both.micro_usd, both.unpriced_us, both.usd) == (10, 2 * MICROSECONDS_PER_HOUR, None)


def test_free_is_not_unknown() -> None:
    assert cost([Interval(from_us=0, until_us=1, hourly_micro_usd=0)], now_us=0).usd == 0


def test_overlaps() -> None:
    def span(start: int, end: int | None) -> Interval:
        return Interval(from_us=start, until_us=end)

    assert not overlaps([])
    assert not overlaps([span(5, 9), span(0, 5), span(9, None)])
    assert not overlaps([span(0, 5), span(3, 3), span(5, None)])
    assert overlaps([span(0, 5), span(4, 6)])
    assert overlaps([span(0, None), span(7, 9)])
    assert overlaps([span(0, 10), span(1, 2), span(3, 4)])

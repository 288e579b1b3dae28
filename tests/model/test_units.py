"""Amounts: what is said can be read back, nothing is misread, money is exact."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.model.errors import InvalidInput
from roost.model.units import (
    GIB,
    KIB,
    MIB,
    TIB,
    format_bytes,
    format_cpu,
    format_duration,
    format_usd,
    format_used,
    from_micro_usd,
    micro_usd,
    monthly_usd,
    parse_bytes,
    parse_cpu,
    parse_duration,
    parse_usd,
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("1", 1),
        ("4 GB", 4 * GIB),
        ("4GiB", 4 * GIB),
        ("4g", 4 * GIB),
        ("1.5GB", 3 * GIB // 2),
        (" 512 Mi ", 512 * MIB),
        ("10 kb", 10 * KIB),
        ("2 TB", 2 * TIB),
        ("700 B", 700),
    ],
)
def test_memory_is_read_in_1024s(text: str, amount: int) -> None:
    assert parse_bytes(text) == amount


@pytest.mark.parametrize("text", ["", "GB", "-1 GB", "4 XB", "4 i", "1e9", "NaN", "٤ GB", "4 GB 3", "9" * 400])
def test_what_is_not_memory_is_refused_with_its_field(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_bytes(text, field="memory")
    assert refused.value.field == "memory"
    assert "such as 4 GB" in refused.value.hint


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (0, "0 B"),
        (1023, "1 KB"),
        (900, "900 B"),
        (1 * GIB - 1, "1 GB"),
        (15 * GIB + 600 * MIB, "15.6 GB"),
        (512 * GIB, "512 GB"),
        (1536 * GIB, "1.5 TB"),
    ],
)
def test_memory_is_said_shortly(amount: int, said: str) -> None:
    assert format_bytes(amount) == said


@given(st.integers(0, 1 << 55))
def test_said_memory_is_read_back_to_the_last_digit_said(amount: int) -> None:
    assert parse_bytes(format_bytes(amount)) == pytest.approx(amount, rel=0.06, abs=1)


@given(st.integers(0, 4000), st.sampled_from([KIB, MIB, GIB, TIB]))
def test_round_memory_is_read_back_exactly(count: int, scale: int) -> None:
    if count < 900:
        assert parse_bytes(format_bytes(count * scale)) == count * scale


def test_use_and_limit_are_said_in_one_unit() -> None:
    assert format_used(300 * MIB, 4 * GIB) == "0.3 of 4.0 GB"
    assert format_used(5, 10) == "5 of 10 B"


@given(st.integers(0, 10**8))
def test_cpu_is_read_back(cpu_millis: int) -> None:
    assert parse_cpu(format_cpu(cpu_millis)) == cpu_millis
    assert parse_cpu(f"{cpu_millis}m") == cpu_millis


@pytest.mark.parametrize("text", ["", "-1", "half", "1.2345", "2 mm"])
def test_what_is_not_cpu_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_cpu(text)


@given(st.integers(0, 10**9))
def test_a_duration_is_said_in_two_units_and_never_too_long(duration_s: int) -> None:
    said = format_duration(duration_s)
    assert parse_duration(said) <= duration_s
    assert parse_duration(said) >= duration_s * 0.9 - 60
    assert len(said.split()) <= 4


@given(st.integers(0, 400), st.integers(0, 23))
def test_days_and_hours_are_read_back_exactly(days: int, hours: int) -> None:
    duration_s = days * 86_400 + hours * 3600
    assert parse_duration(format_duration(duration_s)) == duration_s


@pytest.mark.parametrize("text", ["", " ", "4 weeks", "-1 h", "h", "1 h x"])
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_duration(text, field="idle")
    assert refused.value.field == "idle"


@given(st.integers(-(10**15), 10**15))
def test_money_is_stored_exactly(amount: int) -> None:
    assert micro_usd(from_micro_usd(amount)) == amount


def test_money_is_rounded_half_to_even_once() -> None:
    assert [micro_usd(Decimal(text)) for text in ("0.0000005", "0.0000015", "0.0000025")] == [0, 2, 2]


@given(st.integers(1, 10**12))
def test_money_that_is_not_nothing_is_never_said_as_nothing(amount: int) -> None:
    assert format_usd(from_micro_usd(amount)) not in ("$0", "$0.00")


def test_an_unknown_price_is_never_free() -> None:
    assert format_usd(None) == "unknown"
    assert monthly_usd(None) is None


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "five"])
def test_what_is_not_money_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_usd(text)

"""The table of instance types: read once, fast, and an unknown price stays unknown."""

from __future__ import annotations

import time
from decimal import Decimal
from pathlib import Path

import pytest

import roost.data
from roost.model.errors import NotFound
from roost.model.offers import LIST_PRICE_DATE, OWN_MACHINE, instance_type, instance_types, list_offer
from roost.model.units import MIB


def test_the_whole_table_is_read_in_less_than_20_ms_and_once() -> None:
    def read() -> float:
        instance_types.cache_clear()
        began = time.perf_counter()
        instance_types()
        return time.perf_counter() - began

    assert min(read() for _ in range(5)) < 0.020
    assert instance_types() is instance_types()


def test_the_facts_of_a_row() -> None:
    row = instance_type("g4dn.xlarge")
    assert (row.vcpus, row.memory_bytes, row.architecture) == (4, 16_384 * MIB, "x86_64")
    assert (row.gpu_name, row.gpu_count, row.gpu_memory_bytes) == ("NVIDIA T4", 1, 16_384 * MIB)
    assert (row.network_interfaces, row.ipv4_per_interface, row.local_nvme_gb) == (3, 10, 125)
    assert row.current_generation
    assert not row.bare_metal
    assert not row.burstable
    assert row.list_hourly_usd == Decimal("0.526")


def test_every_row_makes_sense() -> None:
    assert len(instance_types()) > 1_300
    for row in instance_types().values():
        assert row.vcpus >= 1
        assert row.memory_bytes > 0
        assert row.network_interfaces >= 1
        assert row.ipv4_per_interface >= 2
        assert row.list_hourly_usd is None or row.list_hourly_usd > 0


@pytest.mark.parametrize(
    ("name", "monthly"),
    [
        ("t3.medium", "30.368"),
        ("r5.large", "91.98"),
        ("r5.2xlarge", "367.92"),
        ("r5.4xlarge", "735.84"),
        ("r5.8xlarge", "1471.68"),
        ("r5.16xlarge", "2943.36"),
    ],
)
def test_months_as_on_the_price_page(name: str, monthly: str) -> None:
    offer = list_offer(name)
    assert offer.monthly_usd == Decimal(monthly)
    assert offer.price_date == LIST_PRICE_DATE
    assert offer.price_source


def test_an_unknown_price_is_none_with_neither_date_nor_source() -> None:
    offer = list_offer("p5e.48xlarge")
    assert (offer.hourly_usd, offer.monthly_usd, offer.price_date, offer.price_source) == (None, None, None, "")


def test_ones_own_machine_costs_nothing_here() -> None:
    assert OWN_MACHINE.hourly_usd == 0


def test_a_misspelt_type_is_answered_with_the_nearest() -> None:
    with pytest.raises(NotFound) as missing:
        instance_type("r5.xlrge")
    assert "Did you mean r5.xlarge?" in missing.value.hint


def test_the_readme_of_the_data_has_the_date_of_the_prices() -> None:
    readme = Path(roost.data.__path__[0], "README.md").read_text()
    assert LIST_PRICE_DATE.isoformat() in readme

"""Sizes and what their machines cost on EKS, with date and source, from the model."""

from __future__ import annotations

from decimal import Decimal

from docs.generate.tables import code, prose, table
from roost.model.offers import LIST_PRICE_DATE, LIST_PRICE_SOURCE, LIST_REGION, instance_types, list_offer
from roost.model.sizes import eks_cost, eks_sizes, local_sizes
from roost.model.units import HOURS_PER_MONTH, TIB, format_bytes, monthly_usd


def local_markdown() -> str:
    """The sizes of one machine: the same names everywhere."""
    rows = []
    for local in local_sizes(4 * TIB, 256):
        offer = eks_cost(local.size)
        machine = code(offer.instance_type) if offer else "none is large enough"
        hourly = offer.hourly_usd if offer else None
        rows.append((code(local.size.name), format_bytes(local.size.memory_bytes), machine, *_price(hourly)))
    return table(("Size", "Memory", "Machine on EKS", "Per hour", "Per month"), rows)


def eks_markdown() -> str:
    """The catalogue for EKS."""
    rows = []
    for size in eks_sizes():
        gpus = f"{size.gpus} x {size.gpu_name}" if size.gpus else ""
        hourly = list_offer(size.instance_type).hourly_usd
        memory = format_bytes(size.memory_bytes)
        cores = f"{size.cpu_millis // 1000}"
        rows.append((code(size.name), memory, cores, prose(gpus), code(size.instance_type), *_price(hourly)))
    return table(("Size", "Memory", "vCPUs", "GPUs", "Machine", "Per hour", "Per month"), rows)


def source_markdown() -> str:
    """Where the prices come from, and how many are unknown."""
    known = sum(row.list_hourly_usd is not None for row in instance_types().values())
    total = len(instance_types())
    return (
        f"Source: {LIST_PRICE_SOURCE}. Date: {LIST_PRICE_DATE}. A month is {HOURS_PER_MONTH} hours. "
        f"The table knows {total} instance types of {LIST_REGION}, {known} of them with a price; "
        f"the price of the other {total - known} is unknown and is shown as unknown."
    )


def _price(hourly: Decimal | None) -> tuple[str, str]:
    if hourly is None:
        return "unknown", "unknown"
    return f"${hourly.normalize():f}", f"${monthly_usd(hourly) or 0:,.0f}"

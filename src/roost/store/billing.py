"""How long each workload ran at which size and price. Intervals are half-open and never overlap per workload."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, insert, select, update

from roost.store.database import Transaction
from roost.store.rows import BILLING, BillingRow
from roost.store.tables import billing_intervals as intervals


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """What runs, and its price; `hourly_micro_usd` None = unknown, 0 = free."""

    owner: str
    size: str
    count: int = 1
    hourly_micro_usd: int | None = None
    price_source: str = ""


def begin(tx: Transaction, workload: str, rate: Rate, *, now_us: int) -> None:
    """Bill the workload at this rate from now on; an open interval of the same rate goes on."""
    current = open_interval(tx, workload)
    if current is not None:
        same = Rate(
            owner=current.owner,
            size=current.size,
            count=current.count,
            hourly_micro_usd=current.hourly_micro_usd,
            price_source=current.price_source,
        )
        if same == rate:
            return
        end(tx, workload, now_us=now_us)
    start = max(now_us, _last_end(tx, workload))
    tx.execute(
        insert(intervals),
        {
            "workload": workload,
            "owner": rate.owner,
            "size": rate.size,
            "count": rate.count,
            "from_us": start,
            "hourly_micro_usd": rate.hourly_micro_usd,
            "price_source": rate.price_source,
        },
    )


def end(tx: Transaction, workload: str, *, now_us: int) -> None:
    """Stop billing; a clock that went back ends the interval where it began. Harmless when nothing is open."""
    still = update(intervals).where(intervals.c.workload == workload, intervals.c.until_us.is_(None))
    tx.execute(still.where(intervals.c.from_us <= now_us).values(until_us=now_us))
    tx.execute(still.values(until_us=intervals.c.from_us))


def open_interval(tx: Transaction, workload: str) -> BillingRow | None:
    """The interval that is still open."""
    return BILLING.one(tx, BILLING.where(intervals.c.workload == workload, intervals.c.until_us.is_(None)))


def of(tx: Transaction, workload: str) -> list[BillingRow]:
    """All intervals of a workload, oldest first."""
    return BILLING.many(tx, BILLING.where(intervals.c.workload == workload).order_by(intervals.c.from_us))


def _last_end(tx: Transaction, workload: str) -> int:
    return int(tx.scalar(select(func.max(intervals.c.until_us)).where(intervals.c.workload == workload)) or 0)

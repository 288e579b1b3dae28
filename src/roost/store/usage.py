"""The recent past of what workloads use: a ring of samples each, for charts."""

from __future__ import annotations

from collections.abc import Sequence

from roost.store.database import Transaction
from roost.store.rows import SECOND_US, USAGE, UsageRow
from roost.store.tables import usage_samples

INTERVAL_S = 10
SLOTS = 360  # one hour


def put(tx: Transaction, samples: Sequence[UsageRow]) -> None:
    """Write one sample per workload, in the place of the one an hour older."""
    tx.upsert(
        usage_samples,
        [
            {
                "workload": sample.workload,
                "slot": sample.at_us // (INTERVAL_S * SECOND_US) % SLOTS,
                "at_us": sample.at_us,
                "memory_bytes": sample.memory_bytes,
                "memory_limit_bytes": sample.memory_limit_bytes,
                "cpu_millis": sample.cpu_millis,
                "disk_bytes": sample.disk_bytes,
            }
            for sample in samples
        ],
    )


def of(tx: Transaction, workload: str, *, since_us: int = 0) -> list[UsageRow]:
    """The samples of a workload after a time, oldest first."""
    mine = USAGE.where(usage_samples.c.workload == workload, usage_samples.c.at_us > since_us)
    return USAGE.many(tx, mine.order_by(usage_samples.c.at_us))

"""Dask's adaptive scaling over workers that are numbered: only the highest numbers can go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from distributed.deploy import Adaptive


class NumberedAdaptive(Adaptive):  # type: ignore[misc]
    """Scales a RoostCluster. The scheduler offers to close only idle workers above all busy ones."""

    async def workers_to_close(self, target: int) -> Sequence[Any]:
        """As many of the highest numbers as the scheduler is willing to let go."""
        willing = await super().workers_to_close(target)
        names = sorted(self.observed)
        return names[len(names) - len(willing) :]

    async def scale_down(self, workers: Sequence[Any]) -> None:
        """Let so many workers go; the cluster moves their results first."""
        if workers:
            await self.cluster.scale_to(len(self.plan) - len(workers))

    async def scale_up(self, n: int) -> None:
        """Have n workers."""
        await self.cluster.scale_to(n)

"""An amount of what a machine has: the one vector that sizes, requests, nodes and pools are measured in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """Memory in bytes, CPU in thousandths of a core, GPUs, and how many programs (pods) it is for."""

    memory_bytes: int = 0
    cpu_millis: int = 0
    gpus: int = 0
    pods: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(
            memory_bytes=self.memory_bytes + other.memory_bytes,
            cpu_millis=self.cpu_millis + other.cpu_millis,
            gpus=self.gpus + other.gpus,
            pods=self.pods + other.pods,
        )

    def __sub__(self, other: Resources) -> Resources:
        return self + other * -1

    def __mul__(self, times: int) -> Resources:
        return Resources(
            memory_bytes=self.memory_bytes * times,
            cpu_millis=self.cpu_millis * times,
            gpus=self.gpus * times,
            pods=self.pods * times,
        )

    def fits(self, room: Resources) -> bool:
        """Whether this amount goes into the room.

        >>> Resources(memory_bytes=4, gpus=1).fits(Resources(memory_bytes=8))
        False
        """
        return (
            self.memory_bytes <= room.memory_bytes
            and self.cpu_millis <= room.cpu_millis
            and self.gpus <= room.gpus
            and self.pods <= room.pods
        )


def total(amounts: Iterable[Resources]) -> Resources:
    """The sum of amounts."""
    return sum(amounts, Resources())

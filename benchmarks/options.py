"""What a measurement may be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import Peers


@dataclass(frozen=True, kw_only=True)
class Options:
    """`peers` None = measure Roost alone. `quick` makes everything small: it tries the benchmark, not the platform."""

    directory: Path
    peers: Peers | None
    quick: bool = False

    @property
    def rounds(self) -> int:
        """Repetitions of a start."""
        return 2 if self.quick else 7

    @property
    def clusters(self) -> int:
        """Repetitions of a cluster."""
        return 2 if self.quick else 20

    @property
    def seconds(self) -> float:
        """Length of a load."""
        return 1.0 if self.quick else 5.0

    @property
    def at_once(self) -> int:
        """Workspaces started at once."""
        return 20 if self.quick else 200

    def many(self, count: int) -> int:
        """How many rows stand for `count`."""
        return count // 20 if self.quick else count

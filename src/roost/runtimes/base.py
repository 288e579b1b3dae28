"""The low seam: what a runtime must do, and nothing about how.

Every call is idempotent and safe to repeat after a crash at any line. `observe` changes nothing. Callers ask
for capabilities, never for the name of a runtime. Errors are `roost.model.errors.RoostError`s.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from roost.model.lifecycle import Observed
from roost.model.workload import Workload


class Capability(StrEnum):
    """What a runtime may be able to do beyond the seam."""

    EXEC = "exec"
    USAGE = "usage"
    SEPARATES_PEOPLE = "separates-people"  # one person's workload cannot reach another's


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a workload uses now. `cpu_seconds` is cumulative; `limit_bytes` 0 = no limit."""

    memory_bytes: int
    memory_limit_bytes: int
    cpu_seconds: float
    disk_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecChunk:
    """Output of an exec: `stream` 1 (stdout) or 2 (stderr); the last chunk has `exit_code`."""

    stream: int = 1
    data: bytes = b""
    exit_code: int | None = None


class Runtime(Protocol):
    """Runs workloads somewhere."""

    capabilities: frozenset[Capability]

    async def start(self) -> None:
        """Get ready (find what already runs, start pre-imported parents). Called once, before any other call."""

    async def close(self) -> None:
        """Let go of everything without stopping any workload."""

    async def apply(self, workload: Workload) -> None:
        """Make it run as said: start missing instances, replace those of an older generation, end surplus ones.

        An instance that has ended at this generation is not started again (the caller raises the generation),
        except surplus workers and workers of index > 0, which are replaced. Returns when the starts are issued,
        not when they are ready.
        """

    async def delete(self, id: str, *, grace_s: float = 10.0) -> None:
        """End all instances, politely first; the volumes stay. Harmless when there is nothing."""

    async def forget(self, id: str) -> None:
        """Remove what is left of an ended workload (logs, exit records). Harmless when there is nothing."""

    async def observe(self) -> Mapping[str, Observed]:
        """Everything this runtime has of ours, ended instances included until they are forgotten."""

    async def wait_change(self, timeout_s: float) -> bool:
        """Return True as soon as something changed since the last observe (an exit, a readiness), else False."""

    def logs(
        self, id: str, part: str, *, index: int = 0, offset: int = 0, follow: bool = False
    ) -> AsyncIterator[bytes]:
        """Log bytes from `offset` on; with `follow`, until the instance ends. Also after the end."""

    async def usage(self) -> Mapping[str, Usage]:
        """What each running workload uses now (capability USAGE)."""

    def exec(self, id: str, part: str, argv: Sequence[str], *, stdin: bytes = b"") -> AsyncIterator[ExecChunk]:
        """Run a command inside an instance, same user, limits and environment (capability EXEC)."""

    async def write_files(self, id: str, part: str, files: Mapping[str, bytes]) -> None:
        """Replace secret files of running instances (token rotation)."""


class Disks(Protocol):
    """The volumes beside a runtime."""

    async def ensure(self, volume: str, owner: str) -> None:
        """Create the volume where it does not exist."""

    async def destroy(self, volume: str) -> None:
        """Remove the volume and all in it, for ever. Harmless when it is gone."""

    async def exists(self, volume: str) -> bool:
        """Whether the volume is there."""

    async def usage_bytes(self, volume: str) -> int:
        """Bytes used by the files of the volume."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildProgress:
    """One step of an image build: `fraction` 0 to 1 or None where it is not known."""

    message: str
    fraction: float | None = None


class Builder(Protocol):
    """Builds images (environments that workloads run in)."""

    def build(self, image: str) -> AsyncIterator[BuildProgress]:
        """Build the image where it is missing or its recipe changed, replacing it atomically."""

    async def ready(self, image: str) -> bool:
        """Whether the image is there and matches its recipe."""

    async def versions(self, image: str) -> Mapping[str, Any]:
        """What is in it: `python`, and `packages` by name; empty where it is not built."""

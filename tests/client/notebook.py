"""Running code as a notebook of a workspace would, in the image's Python, against a running platform."""

from __future__ import annotations

import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.client.dask_parts import SOURCES
from tests.harness import Platform

_BEGIN = """
import asyncio, sys, time
from distributed import Client
from roost import RoostCluster, RoostError

def names(cluster):
    return sorted(cluster.observed)

def until(ask, within_s=30):
    deadline = time.monotonic() + within_s
    while not ask():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)
"""


@dataclass(frozen=True)
class Notebook:
    """Where code runs."""

    platform: Platform
    python: Path

    def run(self, code: str, **variables: str) -> str:
        """Run code and return what it printed; its warnings about resources are errors."""
        done = subprocess.run(
            [self.python, "-W", "error::ResourceWarning", "-c", _BEGIN + textwrap.dedent(code)],
            env={**self.platform.environment, "PYTHONPATH": str(SOURCES), "ROOST_WORKLOAD": "ws-notebook", **variables},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def clusters(self) -> list[str]:
        """Names of the clusters there are."""
        return sorted(each["name"] for each in self.platform.cli_json("cluster", "list")["items"])

"""What an idle platform weighs, by PSS: shared pages are divided among those who share them."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.harness import processes_of

from benchmarks.hub import hub
from benchmarks.options import Options
from benchmarks.ours import roost
from benchmarks.processes import pss_megabytes
from benchmarks.results import Figure, Row

FAMILY = "memory"


def measure(options: Options) -> Sequence[Row]:
    """The platform, and apart from it the pre-imported parents that every workload shares."""
    wait_s = 3.0 if options.quick else 15.0
    peer = None
    if options.peers is not None:
        with hub(options.peers, options.directory / "hub-memory") as running:
            time.sleep(wait_s)
            peer = Figure(value=pss_megabytes(running.pids), unit="MB", detail="hub and proxy")
    with roost() as platform:
        time.sleep(wait_s)
        assert platform.process is not None
        children = platform.children()
        weights = {"supervisor": platform.process.pid, **children}
        parts = {name.rpartition(".")[2]: pss_megabytes([pid]) for name, pid in weights.items()}
        parents = [
            pid for pid, command in processes_of(platform.home).items() if "roost.runtimes.image.parent" in command
        ]
        parents_mb = pss_megabytes(parents)
    detail = ", ".join(f"{name} {weight:.0f}" for name, weight in parts.items())
    return [
        Row(
            family=FAMILY,
            what="memory of the idle platform (PSS)",
            roost=Figure(value=sum(parts.values()), unit="MB", detail=detail),
            peer=peer,
            peer_name="JupyterHub and its proxy",
            limit=150,
        ),
        Row(
            family=FAMILY,
            what="apart from it: pre-imported parents (PSS)",
            roost=Figure(value=parents_mb, unit="MB", detail=f"{len(parents)} parents"),
        ),
    ]

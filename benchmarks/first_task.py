"""From the constructor of a cluster with two workers to the first result, import apart."""

from __future__ import annotations

import json
from collections.abc import Sequence

from benchmarks.gateway import first_tasks
from benchmarks.options import Options
from benchmarks.ours import roost
from benchmarks.results import Figure, Row, median, percentile

FAMILY = "first-task"
_ROUNDS = """
import json, sys, time
from roost import RoostCluster
times = []
for _ in range(int(sys.argv[1])):
    began = time.perf_counter()
    cluster = RoostCluster(workers=2)
    client = cluster.get_client()
    assert client.submit(sum, range(10)).result() == 45
    times.append(time.perf_counter() - began)
    client.close()
    cluster.close()
    time.sleep(0.5)
print(json.dumps(times))
"""


def measure(options: Options) -> Sequence[Row]:
    """The median and the 95th percentile."""
    peer = first_tasks(options.peers, options.directory / "gateway", options.clusters) if options.peers else []
    ours = _first_tasks(options.clusters)
    what = "RoostCluster(workers=2) to its first result"
    return [
        Row(
            family=FAMILY,
            what=f"{what}, {name}",
            roost=Figure(value=choose(ours), unit="s", detail=f"of {len(ours)}"),
            peer=Figure(value=choose(peer), unit="s", detail=f"of {len(peer)}") if peer else None,
            peer_name="dask-gateway",
            limit=0.5,
            ratio_limit=5,
        )
        for name, choose in (("median", median), ("p95", _p95))
    ]


def _p95(times: Sequence[float]) -> float:
    return percentile(times, 0.95)


def _first_tasks(rounds: int) -> list[float]:
    with roost() as platform:
        platform.cli("workspace", "create", "bench", "--wait")
        said = platform.cli(
            "workspace", "exec", "bench", "--", "python", "-W", "ignore", "-c", _ROUNDS, str(rounds), timeout_s=600
        )
    times: list[float] = json.loads(said.stdout.splitlines()[-1])
    return times

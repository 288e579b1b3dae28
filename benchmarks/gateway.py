"""dask-gateway with its local backend: from the constructor of a cluster to the first result."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from benchmarks.asking import Address
from benchmarks.peers import Peers
from benchmarks.processes import Failed, free_port, running, wait_for

# `dask-scheduler` and `dask-worker`, its defaults, are gone from this Dask: without the two commands nothing starts.
_CONFIGURATION = """
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = "bench"
c.Proxy.address = "127.0.0.1:{port}"
c.Proxy.tcp_address = "127.0.0.1:{tcp_port}"
c.DaskGateway.address = "127.0.0.1:{api_port}"
c.LocalBackend.clusters_directory = {clusters!r}
c.ClusterConfig.scheduler_cmd = [{dask!r}, "scheduler"]
c.ClusterConfig.worker_cmd = [{dask!r}, "worker"]
c.ClusterConfig.worker_cores = 1
"""
_ROUNDS = """
import json, sys, time
from dask_gateway import BasicAuth, GatewayCluster
times = []
for _ in range(int(sys.argv[3])):
    began = time.perf_counter()
    cluster = GatewayCluster(address=sys.argv[1], proxy_address=sys.argv[2], auth=BasicAuth("bench", "bench"))
    cluster.scale(2)
    client = cluster.get_client()
    assert client.submit(sum, range(10)).result() == 45
    times.append(time.perf_counter() - began)
    client.close()
    cluster.shutdown()
    time.sleep(0.5)
print(json.dumps(times))
"""


def first_tasks(peers: Peers, directory: Path, rounds: int) -> list[float]:
    """Seconds of each round."""
    directory.mkdir(parents=True, exist_ok=True)
    port, tcp_port, api_port = free_port(), free_port(), free_port()
    (directory / "clusters").mkdir(exist_ok=True)
    (directory / "config.py").write_text(
        _CONFIGURATION.format(
            port=port,
            tcp_port=tcp_port,
            api_port=api_port,
            clusters=str(directory / "clusters"),
            dask=str(peers.gateway / "dask"),
        )
    )
    log = directory / "gateway.log"
    environment = {"PATH": f"{peers.gateway}:{os.environ['PATH']}"}
    command = [str(peers.gateway / "dask-gateway-server"), "-f", "config.py"]
    with running(command, log=log, directory=directory, environment=environment):
        at = Address(port, host="127.0.0.1")
        wait_for(lambda: at.ask("GET", "/api/health").status == 200, within_s=60, what="dask-gateway", log=log)
        addresses = [f"http://127.0.0.1:{port}", f"gateway://127.0.0.1:{tcp_port}"]
        done = subprocess.run(
            [str(peers.gateway / "python"), "-W", "ignore", "-c", _ROUNDS, *addresses, str(rounds)],
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60 + 20 * rounds,
            check=False,
        )
        if done.returncode != 0:
            raise Failed(f"dask-gateway: {done.stderr[-1500:]}\n{log.read_text()[-1500:]}")
    times: list[float] = json.loads(done.stdout.splitlines()[-1])
    return times

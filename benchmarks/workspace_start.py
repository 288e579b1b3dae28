"""From the request that creates a workspace to the first 200 of its JupyterLab, everything else being warm."""

from __future__ import annotations

import time
from collections.abc import Sequence

from benchmarks.asking import Address
from benchmarks.hub import Hub, hub, person
from benchmarks.options import Options
from benchmarks.ours import door, roost, workload_door
from benchmarks.processes import Failed, wait_for
from benchmarks.results import Figure, Row, median

FAMILY = "workspace-start"


def measure(options: Options) -> Sequence[Row]:
    """One row."""
    peer = None
    if options.peers is not None:
        with hub(options.peers, options.directory / "hub") as running:
            running.add_people(options.rounds + 1)
            peer = figure([_server(running, number) for number in range(options.rounds + 1)])
    ours = figure(_workspaces(options.rounds + 1))
    what = "create request to JupyterLab answers, warm"
    return [Row(family=FAMILY, what=what, roost=ours, peer=peer, peer_name="JupyterHub", limit=0.4, ratio_limit=8)]


def figure(times: Sequence[float]) -> Figure:
    """The median; the first start warms up and is left out."""
    warm = times[1:]
    return Figure(value=median(warm), unit="s", detail=f"median of {len(warm)}, {min(warm):.2f} to {max(warm):.2f} s")


def _workspaces(count: int) -> list[float]:
    times = []
    with roost() as platform:
        at = door(platform)
        for number in range(count):
            began = time.perf_counter()
            answer = at.ask("POST", "/api/v1/workspaces", {"name": person(number)})
            if answer.status != 201:
                raise Failed(f"no workspace: {answer.status} {answer.body[:300]!r}")
            wait_for_lab(workload_door(platform, answer.json["id"]), "/api/status")
            times.append(time.perf_counter() - began)
            at.ask("DELETE", f"/api/v1/workspaces/{answer.json['id']}")
            time.sleep(1)
    return times


def _server(running: Hub, number: int) -> float:
    name = person(number)
    began = time.perf_counter()
    answer = running.address.ask("POST", f"/hub/api/users/{name}/server")
    if answer.status not in (201, 202):
        raise Failed(f"no server: {answer.status} {answer.body[:300]!r}")
    wait_for_lab(running.address, f"/user/{name}/api/status")
    took = time.perf_counter() - began
    running.stop_server(name)
    time.sleep(1)
    return took


def wait_for_lab(at: Address, path: str) -> None:
    """Until JupyterLab itself answers through the front door."""
    wait_for(lambda: at.ask("GET", path).status == 200, within_s=60, every_s=0.005, what="JupyterLab")

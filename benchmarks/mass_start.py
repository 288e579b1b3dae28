"""Two hundred workspaces started at once with a program that does nothing: what the platforms themselves cost."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence

from benchmarks.asking import all_at_once
from benchmarks.hub import hub, person
from benchmarks.options import Options
from benchmarks.ours import door, roost
from benchmarks.peers import Peers
from benchmarks.processes import wait_for
from benchmarks.results import Figure, Row

FAMILY = "mass-start"
_PARALLEL = 32
_PATIENCE_S = 300.0


def measure(options: Options) -> Sequence[Row]:
    """One row: starts per second until the last one is ready, by the platform's own word."""
    count = options.at_once
    peer = _servers(options, options.peers, count) if options.peers else None
    seconds, failed = _workspaces(count)
    return [
        Row(
            family=FAMILY,
            what=f"workspaces started per second (stub command), {count} at once",
            roost=Figure(value=(count - failed) / seconds, unit="starts/s", detail=f"{seconds:.1f} s"),
            peer=peer,
            peer_name="JupyterHub",
            ratio_limit=5,
            failed=failed,
        )
    ]


def _workspaces(count: int) -> tuple[float, int]:
    with roost(stub=True) as platform:
        at = door(platform)
        size = at.ask("GET", "/api/v1/sizes").json["items"][0]["name"]
        bodies = [json.dumps({"name": person(number), "size": size}).encode() for number in range(count)]
        requests = [(at.port, at.head("POST", "/api/v1/workspaces", body)) for body in bodies]
        phases: list[str] = []

        def settled() -> bool:
            phases[:] = [item["phase"] for item in at.ask("GET", "/api/v1/workspaces?limit=200").json["items"]]
            return all(phase in ("running", "failed") for phase in phases)

        began = time.perf_counter()
        refused = sum(answer.status != 201 for answer in all_at_once(requests, _PARALLEL))
        wait_for(settled, within_s=_PATIENCE_S, every_s=0.05, what="the last workspace")
        seconds = time.perf_counter() - began
        return seconds, refused + phases.count("failed")


def _servers(options: Options, peers: Peers, count: int) -> Figure:
    with hub(peers, options.directory / "hub-stub", stub=True) as running:
        running.add_people(count)
        at = running.address
        requests = [(at.port, at.head("POST", f"/hub/api/users/{person(number)}/server")) for number in range(count)]

        def ready() -> int:
            people = at.ask("GET", "/hub/api/users?limit=200&state=ready").json
            return sum(1 for each in people if each["servers"].get("", {}).get("ready"))

        began = time.perf_counter()
        refused = sum(answer.status not in (201, 202) for answer in all_at_once(requests, _PARALLEL))
        wait_for(lambda: ready() >= count - refused, within_s=_PATIENCE_S, every_s=0.05, what="the last server")
        seconds = time.perf_counter() - began
        detail = f"{seconds:.1f} s, {refused} refused" if refused else f"{seconds:.1f} s"
        return Figure(value=(count - refused) / seconds, unit="starts/s", detail=detail)

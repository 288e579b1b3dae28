"""Fifty of ten thousand workspaces, and one of them, by the API through the front door."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from tests.harness import Platform

from benchmarks.asking import Address, Connection, together
from benchmarks.hub import fill, hub, person
from benchmarks.options import Options
from benchmarks.ours import door, home
from benchmarks.peers import Peers
from benchmarks.processes import Failed
from benchmarks.results import Figure, Row, median, percentile
from roost.model.lifecycle import Wanted
from roost.model.names import IdKind, new_id
from roost.model.workload import Kind
from roost.settings import Settings
from roost.store import people, workloads
from roost.store.database import open_store
from roost.store.rows import WorkloadRow

FAMILY = "lists"
COUNT = 10_000
CLIENTS = 20
_ASKED = 300


def measure(options: Options) -> Sequence[Row]:
    """p50 of one client and p99 of twenty, for a page of the list and for one workspace."""
    count = options.many(COUNT)
    peer = _theirs(options, options.peers, count) if options.peers else {}
    ours = _ours(options, count)
    return [
        Row(
            family=FAMILY,
            what=f"{what} of {count:,} workspaces, {how}",
            roost=ours[what, how],
            peer=peer.get((what, how)),
            peer_name="JupyterHub, users",
            limit=limit,
            failed=int(ours[what, "failed"].value),
        )
        for what in ("list 50", "one")
        for how, limit in (("p50", 5.0), ("p99 of 20 clients", 100.0))
    ]


def fill_home(path: Path, count: int) -> list[str]:
    """Put stopped workspaces of the first administrator into a home that nobody uses; returns their ids."""
    store = open_store(Settings(home=path))
    now_us = time.time_ns() // 1000
    ids = []
    with store.write() as tx:
        owner = people.administrators(tx)[0].id
        for number in range(count):
            row = WorkloadRow(
                id=new_id(IdKind.WORKSPACE, os.urandom(16)),
                owner=owner,
                kind=Kind.WORKSPACE,
                name=person(number),
                spec={"kind": "workspace", "environment": {"image": "default", "size": ""}},
                spec_version=1,
                wanted=Wanted.STOPPED,
                generation=1,
                created_us=now_us - number,
                changed_us=now_us - number,
                phase_since_us=now_us - number,
            )
            workloads.add(tx, row)
            ids.append(row.id)
    store.close()
    return ids


def _ours(options: Options, count: int) -> dict[tuple[str, str], Figure]:
    with home() as path:
        platform = Platform(home=path)
        platform.start()
        platform.stop()
        ids = fill_home(path, count)
        platform.start()
        try:
            at = door(platform)
            paths = {
                "list 50": "/api/v1/workspaces?limit=50",
                "one": f"/api/v1/workspaces/{ids[count // 2]}",
            }
            return _figures(at, paths, options.seconds)
        finally:
            platform.stop()


def _theirs(options: Options, peers: Peers, count: int) -> dict[tuple[str, str], Figure]:
    directory = options.directory / "hub-lists"
    with hub(peers, directory):
        pass  # makes the database
    fill(peers, directory, count)
    with hub(peers, directory) as running:
        paths = {"list 50": "/hub/api/users?limit=50", "one": f"/hub/api/users/{person(count // 2)}"}
        return _figures(running.address, paths, options.seconds)


def _figures(at: Address, paths: dict[str, str], seconds: float) -> dict[tuple[str, str], Figure]:
    found = {}
    for what, path in paths.items():
        request = at.head("GET", path)
        with Connection(at.port) as connection:
            answers = [connection.ask(request) for _ in range(_ASKED + 20)][20:]
        if any(answer.status != 200 for answer in answers):
            raise Failed(f"{path}: {answers[-1].status} {answers[-1].body[:300]!r}")
        alone = [answer.took_s for answer in answers]
        crowd, failed = together(at.port, request, clients=CLIENTS, seconds=seconds)
        found[what, "p50"] = Figure(value=median(alone) * 1e3, unit="ms", detail=f"{len(answers[0].body):,} bytes")
        rate = f"{len(crowd) / seconds:,.0f} requests/s"
        found[what, "p99 of 20 clients"] = Figure(value=percentile(crowd, 0.99) * 1e3, unit="ms", detail=rate)
        found[what, "failed"] = Figure(value=failed, unit="requests")
    return found

"""Requests and websocket messages through the front door, gate on, 32 connections, beside configurable-http-proxy."""

from __future__ import annotations

import argparse
import contextlib
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import dataplane
from benchmarks.asking import Address
from benchmarks.options import Options
from benchmarks.peers import Peers
from benchmarks.processes import free_port, running, wait_for
from benchmarks.results import Figure, Row

FAMILY = "front-door"
PROXY = "configurable-http-proxy"


def measure(options: Options) -> Sequence[Row]:
    """Requests per second, their p99, and websocket messages per second."""
    upstream = free_port()
    with contextlib.ExitStack() as stack:
        proxies = []
        if options.peers is not None:
            port = stack.enter_context(_proxy(options.peers, options.directory / "proxy", upstream))
            proxies.append(f"{PROXY}={port}")
        asked = argparse.Namespace(
            connections=32, seconds=options.seconds, upstream_port=upstream, proxy=proxies, json=True
        )
        rows = {row[0]: [float(cell.replace(",", "") or 0) for cell in row[1:]] for row in dataplane.run(asked)}
    ours, peer, direct = rows["roost"], rows.get(PROXY), rows["direct"]
    failed = ours[6]

    def row(what: str, unit: str, index: int, **targets: float | None) -> Row:
        return Row(
            family=FAMILY,
            what=what,
            roost=Figure(value=ours[index], unit=unit, detail=f"without a proxy {direct[index]:,.0f}"),
            peer=Figure(value=peer[index], unit=unit) if peer else None,
            peer_name=PROXY,
            limit=targets.get("limit"),
            ratio_limit=targets.get("ratio_limit"),
            failed=int(failed),
        )

    return [
        row("front door, 32 connections: requests", "req/s", 0, ratio_limit=5),
        row("front door, 32 connections: p99", "ms", 2, limit=6),
        row("front door, 32 connections: websocket messages", "messages/s", 4, ratio_limit=1),
    ]


@contextlib.contextmanager
def _proxy(peers: Peers, directory: Path, upstream: int) -> Iterator[int]:
    """configurable-http-proxy with one route to the upstream; yields its port."""
    directory.mkdir(parents=True, exist_ok=True)
    port, api_port, token = free_port(), free_port(), secrets.token_hex(16)
    log = directory / "proxy.log"
    command = [str(peers.proxy), "--ip", "127.0.0.1", "--port", str(port), "--api-ip", "127.0.0.1"]
    command += ["--api-port", str(api_port), "--default-target", f"http://127.0.0.1:{upstream}", "--log-level", "warn"]
    with running(command, log=log, directory=directory, environment={"CONFIGPROXY_AUTH_TOKEN": token}):
        api = Address(api_port, host="127.0.0.1", token=token, scheme="token")
        wait_for(lambda: api.ask("GET", "/api/routes").status == 200, within_s=30, what=PROXY, log=log)
        yield port

"""How long the platform takes to be there: first page after `roost up`, a restart with 5,000 workspaces, the CLI."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.harness import Platform

from benchmarks.asking import Address
from benchmarks.hub import fill, hub
from benchmarks.lists import fill_home
from benchmarks.options import Options
from benchmarks.ours import home
from benchmarks.processes import Failed, wait_for
from benchmarks.results import Figure, Row, median

FAMILY = "platform-start"
WORKSPACES = 5_000


def measure(options: Options) -> Sequence[Row]:
    """Three rows: start, restart, help page."""
    count = options.many(WORKSPACES)
    rounds = 2 if options.quick else 5
    fresh, full = _ours(rounds, count)
    their_fresh, their_full = _theirs(options, rounds, count)
    return [
        _row("`roost up` to the sign-in page", fresh, their_fresh, 1.2),
        _row(f"restart with {count:,} workspaces", full, their_full, 2.5, "JupyterHub, users"),
        _help(options, rounds),
    ]


def _row(what: str, ours: Sequence[float], theirs: Sequence[float], limit: float, peer: str = "JupyterHub") -> Row:
    return Row(
        family=FAMILY,
        what=what,
        roost=_figure(ours),
        peer=_figure(theirs) if theirs else None,
        peer_name=peer,
        limit=limit,
    )


def _figure(times: Sequence[float]) -> Figure:
    return Figure(value=median(times), unit="s", detail=f"median of {len(times)}, {min(times):.2f} to {max(times):.2f}")


def _ours(rounds: int, count: int) -> tuple[list[float], list[float]]:
    with home() as path:
        platform = Platform(home=path)
        platform.start()  # makes the database and the first administrator
        platform.stop()
        fresh = [_until_sign_in(platform) for _ in range(rounds)]
        fill_home(path, count)
        full = [_until_sign_in(platform) for _ in range(rounds)]
    return fresh, full


def _until_sign_in(platform: Platform) -> float:
    """From starting the process to the sign-in page; then ends it."""
    at = Address(platform.port)
    began = time.perf_counter()
    flags = ["--home", str(platform.home), "--port", str(platform.port), "--no-open"]
    command = [sys.executable, "-m", "roost", "up", *flags]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for(lambda: at.ask("GET", "/sign-in").status == 200, within_s=60, every_s=0.005, what="the sign-in page")
        return time.perf_counter() - began
    finally:
        process.terminate()
        if process.wait(30) != 0:
            raise Failed(f"roost up ended with {process.returncode}")


def _theirs(options: Options, rounds: int, count: int) -> tuple[list[float], list[float]]:
    if options.peers is None:
        return [], []
    peers, directory = options.peers, options.directory / "hub-start"

    def once() -> float:
        began = time.perf_counter()
        with hub(peers, directory):
            return time.perf_counter() - began

    once()  # makes the database
    fresh = [once() for _ in range(rounds)]
    fill(peers, directory, count)
    once()
    return fresh, [once() for _ in range(rounds)]


def _help(options: Options, rounds: int) -> Row:
    theirs = _timed([str(options.peers.hub / "jupyterhub"), "--help"], rounds) if options.peers else None
    program = str(Path(sys.prefix, "bin", "roost"))
    return Row(
        family=FAMILY,
        what="`roost --help`",
        roost=_timed([program, "--help"], rounds * 4),
        peer=theirs,
        peer_name="jupyterhub --help",
        limit=120,
    )


def _timed(command: Sequence[str], rounds: int) -> Figure:
    def once() -> float:
        began = time.perf_counter()
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
        return (time.perf_counter() - began) * 1e3

    once()
    times = [once() for _ in range(rounds)]
    return Figure(
        value=median(times), unit="ms", detail=f"median of {len(times)}, {min(times):.0f} to {max(times):.0f}"
    )

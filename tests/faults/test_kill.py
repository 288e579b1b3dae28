"""`kill -9` of every part of the platform at random moments: notebooks, websockets and Dask clients live on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter as Tally
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import Platform, eventually, platform, processes_of
from tests.jupyter import Counter, Lab

ROUNDS = int(os.environ.get("ROOST_KILL_ROUNDS", "200"))
SEED = int(os.environ.get("ROOST_KILL_SEED", str(random.SystemRandom().randrange(10**6))))

COUNT = """
import itertools, time
for number in itertools.count(1):
    print(number, flush=True)
    time.sleep(0.02)
"""
COUNT_WITH_DASK = """
import itertools, time
from roost import RoostCluster
cluster = RoostCluster(workers=2, name="under-fire")
client = cluster.get_client()
for number in itertools.count(1):
    print(client.submit(lambda n: n, number, pure=False).result(timeout=60), flush=True)
    time.sleep(0.05)
"""
VICTIMS = ("control", "dataplane", "supervisor", "parents")


@pytest.fixture
def running(short_home: Path, default_image: object) -> Iterator[Platform]:
    with platform(short_home) as up:
        yield up


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_nothing_is_lost_when_any_process_is_killed(running: Platform) -> None:
    print(f"ROOST_KILL_SEED={SEED}")
    dice = random.Random(SEED)
    created = running.cli_json("workspace", "create", "under fire", "--wait")
    lab = Lab(created["url"], running.token)
    eventually(lambda: lab.request("GET", "/api/status")[0] == 200, what="JupyterLab")
    plain, dask = Counter(lab.start_kernel()), Counter(lab.start_kernel())
    plain.begin(COUNT)
    dask.begin(COUNT_WITH_DASK)
    plain.advance(30, may_reconnect=False)
    dask.advance(60, may_reconnect=False)
    expected = _workload_processes(running)
    sockets = _sockets(running)

    hits: Tally[str] = Tally()
    for _ in range(ROUNDS):
        victim = dice.choice(VICTIMS)
        time.sleep(dice.random() * 0.2)
        hits[victim] += _kill(running, victim)
        # Only the death of the data plane itself may close a websocket.
        may_reconnect = victim == "dataplane"
        plain.advance(20, may_reconnect=may_reconnect)
        dask.advance(60, may_reconnect=may_reconnect)
        running.wait_healthy()
    assert all(hits[victim] for victim in VICTIMS), hits
    print(f"killed {dict(hits)}; counters {plain.value} and {dask.value}; reconnects {plain.reconnects}")

    eventually(lambda: _workload_processes(running) == expected, what="the same workload processes")
    eventually(lambda: _sockets(running) == sockets, what="no socket left behind")
    eventually(lambda: _platform_processes(running) == {"control": 1, "dataplane": 1, "up": 1}, what="one of each")
    _assert_no_descriptor_leak(running, plain, dask)


def _kill(up: Platform, victim: str) -> int:
    """Kill -9 by process id; a killed supervisor is started again, as a service manager would."""
    if victim == "supervisor":
        assert up.process is not None
        up.process.kill()
        up.process.wait()
        up.start(within_s=30)
        return 1
    if victim in ("control", "dataplane"):
        pids = [pid for module, pid in up.children().items() if module.endswith(victim)]
    else:
        pids = [pid for pid, command in processes_of(up.home).items() if "runtimes.image.parent" in command]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


def _workload_processes(up: Platform) -> set[int]:
    """Pids of everything that runs for people: not the platform's own, not pre-imported parents."""
    own = ("roost.control", "roost.dataplane", "roost up", "runtimes.image.parent")
    return {pid for pid, command in processes_of(up.home).items() if not any(word in command for word in own)}


def _platform_processes(up: Platform) -> dict[str, int]:
    tally: Tally[str] = Tally()
    for command in processes_of(up.home).values():
        for name, word in (("control", "roost.control"), ("dataplane", "roost.dataplane"), ("up", "roost up ")):
            tally[name] += word in command
    return {name: number for name, number in tally.items() if number}


def _sockets(up: Platform) -> set[str]:
    from roost.settings import Settings

    return {str(path) for path in Settings(home=up.home).sockets.rglob("*") if path.is_socket()}


def _descriptors(up: Platform) -> dict[str, int]:
    return {module: len(list(Path(f"/proc/{pid}/fd").iterdir())) for module, pid in up.children().items()}


def _assert_no_descriptor_leak(up: Platform, plain: Counter, dask: Counter) -> None:
    """Fifty websockets opened and closed leave the platform with the descriptors it had."""
    before = _descriptors(up)
    for _ in range(25):
        for counter in (plain, dask):
            counter.kernel.close()
            counter.kernel.open()
    eventually(
        lambda: all(count <= before[module] + 3 for module, count in _descriptors(up).items()),
        what=f"no descriptor leaked beyond {before}",
    )

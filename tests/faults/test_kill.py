"""`kill -9` of every part of the platform at random moments: notebooks, websockets and Dask clients live on."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.harness import Platform, eventually, platform, processes_of
from tests.jupyter import Counter, Lab

from roost.settings import Settings

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
OWN = {"control": "roost.control", "dataplane": "roost.dataplane", "up": "roost up "}
PARENT = "runtimes.image.parent"
FAMILIES = {"plain", "lab", "dask"}


@pytest.fixture
def running(short_home: Path, default_image: object) -> Iterator[Platform]:
    with platform(short_home) as up:
        yield up


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nothing_is_lost_when_any_process_is_killed(running: Platform) -> None:
    print(f"ROOST_KILL_SEED={SEED}")
    dice = random.Random(SEED)
    created = running.cli_json("workspace", "create", "under fire", "--wait")
    lab = Lab(created["url"], running.token)
    counters = [Counter(lab.start_kernel()), Counter(lab.start_kernel())]
    for counter, code in zip(counters, (COUNT, COUNT_WITH_DASK), strict=True):
        counter.begin(code)
    for counter in counters:
        counter.advance(60)
    intended = _intended(running)
    processes, sockets, files = _workload_processes(running), _sockets(running), _open_files(running)

    hits: Tally[str] = Tally()
    for number in range(ROUNDS):
        victim = dice.choice(VICTIMS)
        time.sleep(dice.random() * 0.2)
        hits[victim] += _kill(running, victim)
        for counter in counters:
            if victim == "dataplane":  # its death, and only its, closes websockets
                counter.reconnect(20)
            try:
                counter.advance(20)
            except AssertionError as error:
                raise AssertionError(f"round {number}, {victim} killed, seed {SEED}: {error}") from None
        running.wait_healthy()
    assert all(hits[victim] for victim in VICTIMS), hits
    print(f"killed {dict(hits)}; counters {[counter.value for counter in counters]}")

    assert _intended(running) == intended
    _settles(lambda: _workload_processes(running) ^ processes, "other processes of workloads")
    _settles(lambda: _sockets(running) ^ sockets, "sockets left behind or lost")
    _settles(lambda: set(_parents(running)) ^ FAMILIES or len(_parents(running)) - 3, "not one parent of each family")
    _settles(lambda: _platform_processes(running).items() ^ dict.fromkeys(OWN, 1).items(), "not one of each")
    _assert_no_descriptor_leaked(running, counters, files)


def _kill(up: Platform, victim: str) -> int:
    """Kill -9 by process id; a killed supervisor is started again, as a service manager would."""
    if victim == "supervisor":
        assert up.process is not None
        up.process.kill()
        up.process.wait()
        up.start(within_s=30)
        return 1
    if victim == "parents":
        pids = [pid for pid, command in processes_of(up.home).items() if PARENT in command]
    else:
        pids = [pid for module, pid in up.children().items() if module.endswith(victim)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


def _settles(difference: Callable[[], object], what: str) -> None:
    """Wait until there is no difference; the failure shows what there still is."""
    deadline = time.monotonic() + 30
    while (found := difference()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not found, what


def _intended(up: Platform) -> list[tuple[str, str, str, object]]:
    """What people are told should run, and does."""
    listed = [item for kind in ("workspace", "cluster") for item in up.cli_json(kind, "list")["items"]]
    return [(item["id"], item["name"], item["phase"], item.get("workers")) for item in listed]


def _workload_processes(up: Platform) -> set[int]:
    """Pids of everything that runs for people: not the platform's own, not pre-imported parents."""
    own = (*OWN.values(), PARENT)
    return {pid for pid, command in processes_of(up.home).items() if not any(word in command for word in own)}


def _platform_processes(up: Platform) -> dict[str, int]:
    tally: Tally[str] = Tally()
    for command in processes_of(up.home).values():
        for name, word in OWN.items():
            tally[name] += word in command
    return {name: number for name, number in tally.items() if number}


def _parents(up: Platform) -> list[str]:
    """The families that have a pre-imported parent."""
    commands = [command.split() for command in processes_of(up.home).values() if PARENT in command]
    return sorted(words[words.index("roost." + PARENT) + 1] for words in commands)


def _sockets(up: Platform) -> set[str]:
    """Unix sockets of the platform and its workloads; those of parents by family, without the image's build."""
    found = {path for path in Settings(home=up.home).sockets.rglob("*") if path.is_socket()}
    return {path.name.rpartition("-")[2] if path.parent.name == "parents" else str(path) for path in found}


def _open_files(up: Platform) -> dict[int, int]:
    """How many files and sockets every process of a workload holds."""
    return {pid: len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in _workload_processes(up)}


def _descriptors(up: Platform) -> dict[str, int]:
    assert up.process is not None
    pids = {**up.children(), "supervisor": up.process.pid}
    return {module: len(list(Path(f"/proc/{pid}/fd").iterdir())) for module, pid in pids.items()}


def _assert_no_descriptor_leaked(up: Platform, counters: list[Counter], files: dict[int, int]) -> None:
    """Fifty websockets opened and closed leave the platform, and all the kills the workloads, as they were."""
    before = _descriptors(up)
    for _ in range(25):
        for counter in counters:
            counter.kernel.close()
            counter.kernel.open()
    eventually(
        lambda: all(count <= before[module] + 3 for module, count in _descriptors(up).items()),
        what=f"no descriptor leaked beyond {before}",
    )
    eventually(
        lambda: all(count <= files[pid] + 5 for pid, count in _open_files(up).items()),
        what=f"no descriptor of a workload leaked beyond {files}",
    )

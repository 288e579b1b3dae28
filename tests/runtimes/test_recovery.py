"""What happens when a process of the runtime is killed: nothing runs twice, nothing is lost, nothing else is hurt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.runtimes.conftest import ended, fresh, in_it, job, living_pid, settled, started, text_of

from roost.model.errors import Unavailable
from roost.model.lifecycle import ExitReason
from roost.model.names import IdKind
from roost.model.workload import Workload
from roost.runtimes.image.launch import Launch
from roost.runtimes.image.processes import boot_id, descendants, start_time
from roost.runtimes.local.instances import Held
from roost.runtimes.local.runtime import LocalRuntime
from roost.settings import Settings

pytestmark = pytest.mark.image


@pytest.fixture
async def runtime(short_home: Path) -> AsyncIterator[LocalRuntime]:
    made = await started(short_home)
    yield made
    await ended(made)


@pytest.fixture
async def watched(short_home: Path) -> AsyncIterator[LocalRuntime]:
    """A runtime as it is on a machine without control groups for us."""
    isolation = "auto" if os.geteuid() == 0 else "process"
    made = LocalRuntime(Settings(home=short_home, isolation=isolation), kernel_limits=False)
    await made.start()
    await made.warm()
    yield made
    await ended(made)


def parents_of(runtime: LocalRuntime) -> dict[str, int]:
    """Family -> pid of the pre-imported parents."""
    found = {}
    for file in (runtime.settings.sockets / "parents").glob("*.json"):
        found[file.stem.rpartition("-")[2]] = int(json.loads(file.read_text())["pid"])
    return found


def record_of(runtime: LocalRuntime, id: str) -> Path:
    return runtime.settings.workloads / id / "main"


async def eventually(true: Callable[[], bool], within_s: float = 10.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110  other processes do it
            await asyncio.sleep(0.02)


async def end_of(runtime: LocalRuntime, id: str) -> ExitReason:
    async with asyncio.timeout(20):
        while True:
            instance = (await runtime.observe())[id].instances[0]
            if instance.exit:
                return instance.exit.reason
            await runtime.wait_change(0.5)


async def test_killing_every_parent_leaves_programs_alone_and_new_ones_start(runtime: LocalRuntime) -> None:
    lives = job("sleep", "60")
    await runtime.apply(lives)
    await settled(runtime, lives.id)
    before = parents_of(runtime)
    assert set(before) == {"plain", "lab", "dask"}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    after = job("sh", "-c", "echo started; sleep 60")
    await runtime.apply(after)
    await settled(runtime, after.id)
    assert not (await runtime.observe())[lives.id].instances[0].exit
    # They come back by themselves, not only when asked for.
    await eventually(lambda: set(parents_of(runtime).values()).isdisjoint(before.values()), 30)


async def test_a_new_control_plane_uses_the_parents_that_live(runtime: LocalRuntime) -> None:
    before = parents_of(runtime)
    await runtime.close()
    other = await started(runtime.settings.home)
    assert parents_of(other) == before
    await other.close()


async def test_a_killed_shim_takes_its_program_along(runtime: LocalRuntime) -> None:
    made = job("sh", "-c", "setsid sleep 4343 & sleep 4343")
    await runtime.apply(made)
    await settled(runtime, made.id)
    await asyncio.sleep(0.2)
    shim = living_pid(record_of(runtime, made.id))
    below = descendants(shim)
    assert len(below) >= 2
    os.kill(shim, signal.SIGKILL)
    assert await end_of(runtime, made.id) is ExitReason.LOST
    await eventually(lambda: not [pid for pid in below if start_time(pid)])


async def test_the_same_without_control_groups(watched: LocalRuntime) -> None:
    made = job("sh", "-c", "setsid sleep 4343 & sleep 4343")
    await watched.apply(made)
    await settled(watched, made.id)
    await asyncio.sleep(1.2)  # the watchdog has seen who belongs to it
    shim = living_pid(record_of(watched, made.id))
    below = descendants(shim)
    os.kill(shim, signal.SIGKILL)
    assert await end_of(watched, made.id) is ExitReason.LOST
    await eventually(lambda: not [pid for pid in below if start_time(pid)])


@pytest.mark.timeout(120)
async def test_limits_are_kept_without_control_groups(watched: LocalRuntime) -> None:
    hog = "kept = []\nwhile True: kept.append(bytearray(b'x' * 2**20)); import time; time.sleep(0.002)"
    made = job("python", "-c", hog)
    await watched.apply(made)
    await settled(watched, made.id)
    assert await end_of(watched, made.id) is ExitReason.OUT_OF_MEMORY
    ended = (await watched.observe())[made.id].instances[0].exit
    assert ended is not None
    assert ended.peak_memory_bytes is not None
    assert 200 * 2**20 < ended.peak_memory_bytes < 700 * 2**20


async def test_usage_without_control_groups_is_one_look_for_all(watched: LocalRuntime) -> None:
    jobs = [job("python", "-c", "kept = b'x' * 2**25; import time; time.sleep(60)") for _ in range(3)]
    for made in jobs:
        await watched.apply(made)
        await settled(watched, made.id)
    await asyncio.sleep(0.7)
    used = await watched.usage()
    assert all(2**25 < used[made.id].memory_bytes < 3 * 2**25 for made in jobs)


async def test_a_number_that_was_used_again_is_nobody(runtime: LocalRuntime) -> None:
    made = job("sleep", "60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    record = record_of(runtime, made.id)
    await runtime.close()
    os.kill(living_pid(record), signal.SIGKILL)
    with subprocess.Popen(["sleep", "60"]) as bystander:  # noqa: ASYNC220
        # As if the machine had given the number to somebody else.
        (record / "identity.json").write_text(json.dumps({"pid": bystander.pid, "boot": boot_id(), "started": "1"}))
        other = await started(runtime.settings.home)
        assert await end_of(other, made.id) is ExitReason.LOST
        await other.delete(made.id, grace_s=0.1)
        await other.forget(made.id)
        assert bystander.poll() is None
        bystander.kill()
    await other.close()


async def test_nothing_of_an_earlier_boot_is_alive(runtime: LocalRuntime) -> None:
    made = job("sleep", "60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    record = record_of(runtime, made.id)
    await runtime.close()
    identity = json.loads((record / "identity.json").read_text())
    (record / "identity.json").write_text(json.dumps({**identity, "boot": "another"}))
    other = await started(runtime.settings.home)
    assert await end_of(other, made.id) is ExitReason.LOST
    await other.close()
    with contextlib.suppress(ProcessLookupError):  # where there are control groups it is gone: the group is ours
        os.kill(identity["pid"], signal.SIGKILL)


async def test_a_start_that_was_asked_for_twice_happens_once(runtime: LocalRuntime) -> None:
    """The answer to the first request was lost: the runtime asks again."""
    made = job("sh", "-c", "echo started; sleep 60")
    part = made.parts[0]
    build = runtime.builder.path("default").name
    await runtime.apply(made)
    await settled(runtime, made.id)
    held = next(iter(runtime._instances.of(made.id).values()))
    shim = held.pid
    launch = _launch_again(made, held)
    second = await runtime._parents.launch(build, part.program, launch)
    await eventually(lambda: not start_time(second))
    assert living_pid(record_of(runtime, made.id)) == shim
    await asyncio.sleep(0.3)
    assert await text_of(runtime, made.id) == "started\n"


def _launch_again(made: Workload, held: Held) -> Launch:
    beside = Launch.from_json((held.at.record / "beside.json").read_text())
    return replace(beside, record=str(held.at.record), log=str(held.at.log), argv=made.parts[0].arguments)


async def test_a_start_in_the_moment_of_a_crash_is_found(runtime: LocalRuntime) -> None:
    """Control was killed after asking for a start, before the shim said who it is."""
    made = job("sleep", "60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    identity = record_of(runtime, made.id) / "identity.json"
    said = identity.read_text()
    await runtime.close()
    identity.unlink()

    async def later() -> None:
        await asyncio.sleep(0.4)
        identity.write_text(said)

    writing = asyncio.create_task(later())
    other = LocalRuntime(runtime.settings)
    await other.start()
    await writing
    assert not (await other.observe())[made.id].instances[0].exit
    await other.delete(made.id, grace_s=0.2)
    await other.close()


async def test_an_orphan_in_the_place_of_a_start_is_ended_first(runtime: LocalRuntime) -> None:
    made = job("sh", "-c", "echo $$; sleep 60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    orphan = living_pid(record_of(runtime, made.id))
    held = next(iter(runtime._instances.of(made.id).values()))
    runtime._instances.remove(held)  # as if it had been taken for lost
    await runtime.apply(made)
    await settled(runtime, made.id)
    assert living_pid(record_of(runtime, made.id)) != orphan
    assert not start_time(orphan)


async def test_a_command_beside_ends_with_its_listener(runtime: LocalRuntime) -> None:
    made = job("sleep", "60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    stream = runtime.exec(made.id, "main", ["sh", "-c", "echo $$; sleep 4444"])
    pid = int((await anext(stream)).data)
    await stream.aclose()  # type: ignore[attr-defined]
    await eventually(lambda: not start_time(pid))


async def test_a_command_beside_ends_with_the_workload(runtime: LocalRuntime) -> None:
    await _end_beside(runtime)


async def test_it_does_so_without_control_groups_too(watched: LocalRuntime) -> None:
    await _end_beside(watched)


async def _end_beside(runtime: LocalRuntime) -> None:
    made = job("sleep", "60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    stream = runtime.exec(made.id, "main", ["sh", "-c", "echo $$; sleep 4444"])
    pid = int((await anext(stream)).data)
    await runtime.delete(made.id, grace_s=0.5)
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].exit_code == 137
    await eventually(lambda: not start_time(pid))


async def test_a_large_input_that_nobody_reads_does_not_hang(runtime: LocalRuntime) -> None:
    made = job("sleep", "60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    async with asyncio.timeout(10):
        chunks = [c async for c in runtime.exec(made.id, "main", ["sh", "-c", "exit 3"], stdin=b"x" * 2**22)]
    assert chunks[-1].exit_code == 3


async def test_no_descriptor_is_leaked(runtime: LocalRuntime) -> None:
    async def round_trip() -> None:
        made = job("sh", "-c", "echo hi; sleep 60", volume=fresh(IdKind.VOLUME))
        await runtime.apply(made)
        await settled(runtime, made.id)
        assert (await in_it(runtime, made.id, "main", "true"))[0] == 0
        await runtime.delete(made.id, grace_s=0.5)
        await runtime.forget(made.id)

    await round_trip()
    parents = parents_of(runtime)
    before = len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{parents['plain']}/fd"))
    for _ in range(5):
        await round_trip()
    assert (len(os.listdir("/proc/self/fd")), len(os.listdir(f"/proc/{parents['plain']}/fd"))) == before


async def test_a_program_inherits_nothing_of_ours(runtime: LocalRuntime) -> None:
    made = job("sh", "-c", "ls -l /proc/$$/fd | sed 1d; sleep 60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    await asyncio.sleep(0.3)
    targets = [row.partition(" -> ")[2] for row in (await text_of(runtime, made.id)).splitlines()]
    assert sorted(set(targets)) == sorted({"/dev/null", str(record_of(runtime, made.id) / "log")})


async def test_a_log_that_grows_too_large_keeps_its_newer_half(runtime: LocalRuntime) -> None:
    made = job("sh", "-c", "yes 123456789abcdef | head -c 45000000; echo the end; sleep 60")
    await runtime.apply(made)
    await settled(runtime, made.id)
    log = record_of(runtime, made.id) / "log"

    def trimmed() -> bool:
        content = log.read_bytes()
        return content.endswith(b"the end\n") and len(content) < 34 * 2**20

    await eventually(trimmed, 20)


async def test_a_log_that_cannot_be_written_is_lost_not_the_program(runtime: LocalRuntime) -> None:
    made = job("sh", "-c", "echo lost; sleep 60")
    record = record_of(runtime, made.id)
    (record / "log").mkdir(parents=True)  # nobody can open a folder for writing
    await runtime.apply(made)
    seen = await settled(runtime, made.id)
    assert seen.instances[0].ready


async def test_no_parent_starts_from_an_image_that_cannot_run(short_home: Path) -> None:
    images = short_home / "images"
    images.unlink()
    (images / "default-broken-00000000/bin").mkdir(parents=True)
    (images / "default-broken-00000000/bin/python").symlink_to("/bin/false")
    (images / "default").symlink_to("default-broken-00000000")
    runtime = LocalRuntime(Settings(home=short_home))
    await runtime.start()
    with pytest.raises(Unavailable, match="did not start"):
        await runtime.apply(job("true"))
    await ended(runtime)


def test_a_control_plane_can_die_at_any_moment_of_a_start(short_home: Path) -> None:
    """Killed 12 times in the middle of starting; in the end each workload runs exactly once."""
    script = (
        "import asyncio, sys; from pathlib import Path\n"
        "from roost.settings import Settings; from roost.runtimes.local.runtime import LocalRuntime\n"
        "sys.path.insert(0, sys.argv[2]); from tests.runtimes.conftest import job\n"
        "async def main():\n"
        "    runtime = LocalRuntime(Settings(home=Path(sys.argv[1]))); await runtime.start(); await runtime.warm()\n"
        "    print('warm', flush=True)\n"
        "    ids = [line.strip() for line in sys.stdin]\n"
        "    for id in ids: await runtime.apply(job('sleep', '4545', id=id))\n"
        "asyncio.run(main())"
    )
    ids = [fresh(IdKind.JOB) for _ in range(12)]
    root = str(Path(__file__).resolve().parents[2])
    for number in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(short_home), root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        ) as control:
            assert control.stdin is not None
            assert control.stdout is not None
            assert control.stdout.readline() == b"warm\n"
            control.stdin.write("\n".join(ids).encode())
            control.stdin.close()
            time.sleep(number * 0.004)
            control.kill()

    async def finish() -> None:
        runtime = await started(short_home)
        for id in ids:
            made = job("sleep", "4545", id=id)
            await runtime.apply(made)
            if (await settled(runtime, id)).instances[0].exit:  # its start was lost: say it again, a generation on
                await runtime.apply(replace(made, generation=2))
                await settled(runtime, id)
        await asyncio.sleep(0.5)
        assert sorted(_sleeping_in(short_home)) == sorted(ids), "each once"
        await ended(runtime)

    asyncio.run(finish())


def _sleeping_in(home: Path) -> list[str]:
    """The workloads whose program sleeps, by the folder it sleeps in."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            folder = Path(os.readlink(entry / "cwd"))
            if (entry / "cmdline").read_bytes().startswith(b"sleep\x004545") and home in folder.parents:
                found.append(folder.parents[1].name)
    return found

"""The pre-imported parents themselves."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest
from tests.conftest import BuiltImage
from tests.harness import eventually
from tests.runtimes.conftest import OTHER, job, settled, text_of

from roost.runtimes.image.parent import encode, receive
from roost.runtimes.local.runtime import LocalRuntime

pytestmark = pytest.mark.image


@pytest.mark.asyncio(loop_scope="module")
async def test_nothing_of_one_request_is_in_the_memory_of_another_program(warm_runtime: LocalRuntime) -> None:
    secret = "s3cr3t-" + os.urandom(8).hex()
    first = job("sleep", "60", variables={"PASSWORD": secret})
    await warm_runtime.apply(first)
    await settled(warm_runtime, first.id)
    look = (
        "import re, sys; half = sys.argv[1]\n"
        "for row in open('/proc/self/maps'):\n"
        "    span, rights = row.split()[:2]\n"
        "    if not rights.startswith('r') or 'vsyscall' in row or 'vvar' in row: continue\n"
        "    start, end = (int(number, 16) for number in span.split('-'))\n"
        "    with open('/proc/self/mem', 'rb') as memory:\n"
        "        memory.seek(start)\n"
        "        try: found = memory.read(end - start)\n"
        "        except OSError: continue\n"
        "    if (half.encode() + b'-' + sys.argv[2].encode()) in found: print('FOUND')\n"
        "print('looked')"
    )
    # A forked program shares its parent's memory; look from inside one, as its owner could.
    second = job("python", "-c", look, "s3cr3t", secret.partition("-")[2], owner=OTHER)
    await warm_runtime.apply(second)
    await settled(warm_runtime, second.id)
    async with asyncio.timeout(20):
        while not (await warm_runtime.observe())[second.id].instances[0].exit:
            await warm_runtime.wait_change(0.5)
    assert await text_of(warm_runtime, second.id) == "looked\n"
    parents = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _is_parent(path, warm_runtime)]
    assert len(parents) == 3
    for pid in parents:
        assert not _holds(pid, secret.encode()), "the parent itself has never seen it"


def _is_parent(entry: Path, runtime: LocalRuntime) -> bool:
    try:
        words = (entry / "cmdline").read_text().split("\0")
    except OSError:
        return False
    return "roost.runtimes.image.parent" in words and str(runtime.settings.sockets) in words[-2]


def _holds(pid: int, needle: bytes) -> bool:
    with Path(f"/proc/{pid}/maps").open() as maps, Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for row in maps:
            span, rights = row.split()[:2]
            start, end = (int(number, 16) for number in span.split("-"))
            if not rights.startswith("rw"):
                continue
            memory.seek(start)
            try:
                if needle in (memory.read(end - start) or b""):
                    return True
            except OSError:
                continue
    return False


@pytest.mark.asyncio(loop_scope="module")
async def test_its_socket_is_for_its_own_user_only(warm_runtime: LocalRuntime) -> None:
    folder = warm_runtime.settings.sockets / "parents"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.glob("*.sock")} == {0o600}


@pytest.mark.asyncio(loop_scope="module")
async def test_nonsense_does_not_end_it(warm_runtime: LocalRuntime) -> None:
    for path in (warm_runtime.settings.sockets / "parents").glob("*.sock"):
        for said in (b"", b"junk", b"99999999", b"00000010", b"00000002{}", b"-0000001", b"00000004nope"):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(path))
                connection.sendall(said)
    made = job("sh", "-c", "echo fine; sleep 60")
    await warm_runtime.apply(made)
    assert (await settled(warm_runtime, made.id)).instances[0].ready


def test_only_one_lives_at_an_address_and_the_next_one_clears_up(default_image: BuiltImage, tmp_path: Path) -> None:
    path = tmp_path / "plain.sock"
    (tmp_path / ".plain.sock").write_text("what a killed one left")
    command = [str(default_image.python), "-m", "roost.runtimes.image.parent", "plain", str(path)]
    started = [subprocess.Popen(command, cwd="/") for _ in range(3)]
    try:
        eventually(lambda: sum(one.poll() is None for one in started) == 1, what="one")
        (last,) = (one for one in started if one.poll() is None)
        assert {one.returncode for one in started} == {0, None}
        eventually(path.exists, what="the socket")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
        assert sorted(file.name for file in tmp_path.iterdir()) == ["plain.json", "plain.lock", "plain.sock"]
        last.kill()
        last.wait()
        started.append(subprocess.Popen(command, cwd="/"))
        eventually(lambda: json.loads((tmp_path / "plain.json").read_text())["pid"] == started[-1].pid, what="another")
    finally:
        for one in started:
            one.kill()
            one.wait()


def test_imports_start_no_thread_and_the_plain_one_imports_little(default_image: BuiltImage) -> None:
    script = (
        "import sys, importlib; from roost.runtimes.image import parent\n"
        "for name in parent.FAMILIES[sys.argv[1]]:\n"
        "    module = importlib.import_module(name); getattr(module, 'preload', lambda: None)()\n"
        "print(parent.count_threads(), 'numpy' in sys.modules, len(sys.modules))"
    )
    said = {}
    for family in ("plain", "lab", "dask"):
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
        done = subprocess.run(
            [str(default_image.python), "-c", script, family],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd="/",
        )
        threads, numpy, modules = done.stdout.split()
        said[family] = (int(threads), numpy == "True", int(modules))
    assert {threads for threads, _, _ in said.values()} == {1}
    assert not said["lab"][1], "JupyterLab needs no NumPy: kernels import it where it is used"
    assert said["plain"][2] < 150


def test_a_request_travels_whole() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        text = '{"a": "ü"}' * 1000
        ours.sendall(encode(text))
        assert receive(theirs) == (text, [])


def test_a_request_that_is_too_large_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(b"99999999")
        with pytest.raises(ValueError, match="too large"):
            receive(theirs)

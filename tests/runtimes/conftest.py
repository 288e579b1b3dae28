"""A started JupyterLab as people get it, and the means to talk to it: HTTP and kernels over its unix socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import websockets
from tests.conftest import BuiltImage
from tests.harness import sweep

from roost.model.lifecycle import Observed
from roost.model.names import IdKind, new_id
from roost.model.workload import Kind, Mount, Part, Port, Program, Workload
from roost.runtimes.local import records
from roost.runtimes.local.runtime import LocalRuntime
from roost.settings import Settings

OWNER = new_id(IdKind.PERSON, bytes(16))
OTHER = new_id(IdKind.PERSON, bytes([1] * 16))
GIB = 2**30


def fresh(kind: IdKind) -> str:
    return new_id(kind, os.urandom(16))


def job(*argv: str, owner: str = OWNER, id: str = "", volume: str = "", **more: Any) -> Workload:
    """A workload of one command."""
    part = Part(
        name="main",
        program=Program.COMMAND,
        arguments=argv,
        **{"memory_bytes": 256 * 2**20, "cpu_millis": 500, **more},
    )
    return Workload(
        id=id or fresh(IdKind.JOB),
        owner=owner,
        kind=Kind.JOB,
        name="a job",
        generation=1,
        image="default",
        parts=(part,),
        pool="local",
        zone="",
        volumes=(Mount(volume=volume),) if volume else (),
    )


def workspace(owner: str = OWNER, *, volume: str = "", **variables: str) -> Workload:
    """A workload of JupyterLab."""
    part = Part(
        name="lab",
        program=Program.JUPYTERLAB,
        memory_bytes=2 * GIB,
        cpu_millis=1000,
        ports=(Port.HTTP,),
        variables=variables,
        files={"token": b"rst_nothing"},
    )
    return Workload(
        id=fresh(IdKind.WORKSPACE),
        owner=owner,
        kind=Kind.WORKSPACE,
        name="a workspace",
        generation=1,
        image="default",
        parts=(part,),
        pool="local",
        zone="",
        volumes=(Mount(volume=volume or fresh(IdKind.VOLUME)),),
    )


async def settled(runtime: LocalRuntime, id: str, within_s: float = 60.0) -> Observed:
    """Wait until every instance is ready or ended."""
    async with asyncio.timeout(within_s):
        while True:
            seen = (await runtime.observe()).get(id)
            if seen and seen.instances and all(i.ready or i.exit for i in seen.instances):
                return seen
            await runtime.wait_change(0.5)


async def text_of(runtime: LocalRuntime, id: str, part: str = "main") -> str:
    return b"".join([piece async for piece in runtime.logs(id, part)]).decode(errors="replace")


def living_pid(record: Path) -> int:
    """The pid of an instance's shim, which must live."""
    pid = records.living_pid(records.Places(record, record))
    assert pid
    return pid


async def in_it(runtime: LocalRuntime, id: str, part: str, *argv: str) -> tuple[int, str]:
    """Exit code and output of a command run beside a part."""
    said, code = b"", -1
    async for chunk in runtime.exec(id, part, argv):
        said += chunk.data
        code = chunk.exit_code if chunk.exit_code is not None else code
    return code, said.decode(errors="replace")


@dataclass
class LabServer:
    """A JupyterLab behind its socket."""

    runtime: LocalRuntime
    workload: Workload
    socket: str
    home: Path
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=self.socket), base_url="http://lab.roost.localhost:8000", timeout=60
        )

    async def start_kernel(self, **body: Any) -> Kernel:
        made = await self.client.post("/api/kernels", json={"name": "python3", **body})
        assert made.status_code == 201, made.text
        id = made.json()["id"]
        return Kernel(self, id, await self.connect(id))

    async def connect(self, kernel: str) -> websockets.ClientConnection:
        uri = f"ws://lab.roost.localhost:8000/api/kernels/{kernel}/channels"
        return await websockets.unix_connect(self.socket, uri, max_size=None)


@dataclass
class Kernel:
    """A kernel over the websocket that JupyterLab uses."""

    lab: LabServer
    id: str
    connection: websockets.ClientConnection

    async def reconnect(self) -> None:
        """What JupyterLab's page does after a restart."""
        await self.connection.close()
        self.connection = await self.lab.connect(self.id)

    async def ask(self, code: str) -> str:
        """Start a cell; returns the id of its message."""
        id = uuid.uuid4().hex
        header = {"msg_id": id, "username": "", "session": "s", "msg_type": "execute_request", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        await self.connection.send(json.dumps(message))
        return id

    async def answer(self, id: str, within_s: float = 30.0) -> str:
        """What a cell printed or raised."""
        said = ""
        async with asyncio.timeout(within_s):
            while True:
                message = json.loads(await self.connection.recv())
                if message["parent_header"].get("msg_id") != id:
                    continue
                content: Mapping[str, Any] = message["content"]
                if message["msg_type"] == "stream":
                    said += content["text"]
                if message["msg_type"] == "error":
                    said += f"{content['ename']}: {content['evalue']}"
                if message["msg_type"] == "status" and content["execution_state"] == "idle":
                    return said

    async def run(self, code: str) -> str:
        """Run a cell; returns what it printed or raised."""
        return await self.answer(await self.ask(code))

    async def end(self) -> None:
        await self.connection.close()
        await self.lab.client.delete(f"/api/kernels/{self.id}")


async def start_lab(runtime: LocalRuntime, workload: Workload) -> LabServer:
    await runtime.apply(workload)
    (instance,) = (await settled(runtime, workload.id)).instances
    assert instance.ready, await text_of(runtime, workload.id, "lab")
    home = runtime.disks.path(workload.volumes[0].volume)
    return LabServer(runtime, workload, instance.addresses[Port.HTTP].removeprefix("unix:"), home)


async def started(home: Path, **settings: Any) -> LocalRuntime:
    """A runtime whose parents are warm. Not in sandboxes, where numbers of processes mean nothing to a test."""
    settings.setdefault("isolation", "auto" if os.geteuid() == 0 else "process")
    runtime = LocalRuntime(Settings(home=home, **settings))
    await runtime.start()
    await runtime.warm()
    return runtime


def remove_control_groups(settings: Settings) -> None:
    """Empty groups would stay until the machine is started again."""
    for folder in Path("/sys/fs/cgroup").glob(f"*/roost-{settings.instance}"):
        for group in [*folder.glob("*/"), folder]:
            with contextlib.suppress(OSError):
                group.rmdir()


async def ended(runtime: LocalRuntime) -> None:
    """End everything of a runtime."""
    other = LocalRuntime(runtime.settings, fork=False)  # the one given may be closed already
    await runtime.close()
    await other.start()
    for id in await other.observe():
        await other.delete(id, grace_s=0.5)
    await other.close()
    sweep(runtime.settings.home)
    remove_control_groups(runtime.settings)
    shutil.rmtree(runtime.settings.sockets, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def warm_runtime(default_image: BuiltImage) -> AsyncIterator[LocalRuntime]:
    """A runtime with warm parents for the tests of a module."""
    base = Path(tempfile.mkdtemp(prefix="rt-", dir="/tmp"))
    base.chmod(0o711)
    home = base / "home"
    home.mkdir(mode=0o711)
    (home / "images").symlink_to(default_image.images)
    runtime = await started(home)
    yield runtime
    await ended(runtime)
    shutil.rmtree(base, ignore_errors=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(warm_runtime: LocalRuntime) -> AsyncIterator[LabServer]:
    """A JupyterLab for the tests of a module."""
    server = await start_lab(warm_runtime, workspace())
    yield server
    await server.client.aclose()


@pytest.fixture
def stopwatch() -> Stopwatch:
    return Stopwatch()


class Stopwatch:
    """Seconds since it was made or reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

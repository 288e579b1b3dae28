"""The pre-imported parents as the runtime sees them: found, started, asked to fork.

One per build of an image and family of programs. They live in sessions of their own and outlive the control
plane; where forking is impossible programs are executed instead.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from roost.model.errors import Unavailable
from roost.model.workload import Program
from roost.runtimes.image.launch import Launch
from roost.runtimes.image.parent import SINGLE_THREADED, encode
from roost.runtimes.image.processes import boot_id, kill_all, start_time
from roost.settings import Settings

FAMILIES = ("plain", "lab", "dask")
_FAMILY = {
    Program.JUPYTERLAB: "lab",
    Program.DASK_SCHEDULER: "dask",
    Program.DASK_WORKER: "dask",
    Program.COMMAND: "plain",
}
MODULES = {
    Program.JUPYTERLAB: "roost.runtimes.image.lab",
    Program.DASK_SCHEDULER: "roost.runtimes.image.dask_scheduler",
    Program.DASK_WORKER: "roost.runtimes.image.dask_worker",
    Program.COMMAND: "",
}
log = logging.getLogger(__name__)

_RETRY_S, _LOOK_S = 10.0, 1.0
_START_WAIT_S, _ANSWER_WAIT_S, _POLL_S, _AT_ONCE = 90.0, 10.0, 0.02, 64


def can_fork() -> bool:
    """Whether programs may be forked from a parent with imports; macOS frameworks break in forked children."""
    return sys.platform == "linux"


class Parents:
    """Starts programs by forking them from pre-imported parents."""

    def __init__(self, settings: Settings, *, fork: bool) -> None:
        self._directory = settings.sockets / "parents"
        self._logs = settings.logs
        self._images = settings.images
        self._fork = fork
        self._children: list[subprocess.Popen[bytes]] = []
        self._starting: dict[str, asyncio.Lock] = {}
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def launch(self, build: str, program: Program, launch: Launch) -> int:
        """Start a program under its shim; returns the shim's pid."""
        async with self._turns:
            if not self._fork:
                return await asyncio.to_thread(self._execute, build, launch)
            return await self._ask(build, _FAMILY[program], launch, ())

    async def run_beside(self, build: str, launch: Launch, descriptors: Sequence[int]) -> int:
        """Run a command with four descriptors: input, output, errors, and where its exit code goes."""
        if not self._fork:
            names = ",".join(map(str, descriptors))
            module = ("roost.runtimes.image.parent", "beside", names)
            return await asyncio.to_thread(self._execute, build, launch, module, tuple(descriptors))
        return await self._ask(build, "plain", launch, descriptors)

    async def ensure(self, build: str, family: str) -> Path:
        """The socket of a parent that answers; starts one where there is none."""
        path = self._socket(build, family)
        async with self._starting.setdefault(path.name, asyncio.Lock()):
            if not await asyncio.to_thread(_answers, path):
                await self._start(build, family, path)
        return path

    async def ensure_all(self, build: str) -> None:
        """A parent of every family that answers."""
        asked = (self.ensure(build, family) for family in FAMILIES)
        # All to their end: one that went on by itself would start a process after `close`.
        for result in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def keep(self, build: str) -> None:
        """Have a parent of every family, and a new one whenever one ended, until cancelled."""
        await self.ensure_all(build)
        async with asyncio.TaskGroup() as group:
            for family in FAMILIES:
                group.create_task(self._keep(build, family))

    async def _keep(self, build: str, family: str) -> None:
        while True:
            await _ended(self._socket(build, family))
            try:
                await self.ensure(build, family)
            except Unavailable as error:
                log.warning("%s %s", error.message, error.hint)
                await asyncio.sleep(_RETRY_S)

    def end_others(self, build: str) -> None:
        """End the parents of builds that are no longer the image's."""
        ours = {self._socket(build, family).stem for family in FAMILIES}
        for file in self._directory.glob("*.json"):
            if file.stem not in ours:
                kill_all(filter(None, [_pid_of(file)]), signal.SIGTERM)
                for left in (file.with_suffix(".sock"), file.with_name(f".{file.stem}.sock"), file):
                    left.unlink(missing_ok=True)

    def _socket(self, build: str, family: str) -> Path:
        # A socket's path holds 107 bytes and the names of builds are long.
        return self._directory / f"{hashlib.sha256(build.encode()).hexdigest()[:12]}-{family}.sock"

    def close(self) -> None:
        """Let go of the parents; they live on."""
        for child in self._children:
            child.poll()
            child.returncode = child.returncode or 0  # not ours to wait for any more
        self._children.clear()

    async def _ask(self, build: str, family: str, launch: Launch, descriptors: Sequence[int]) -> int:
        payload = encode(launch.to_json())
        path = self._socket(build, family)
        for attempt in range(3):
            try:
                answer = await asyncio.to_thread(_request, path, payload, descriptors)
            except OSError:
                if attempt == 2:
                    raise Unavailable(
                        f"The pre-imported parent of {family} does not answer.",
                        subject=str(path),
                        code="parent-unavailable",
                        hint=f"Its log is {self._log(family)}.",
                    ) from None
                await self.ensure(build, family)
                continue
            if "error" in answer:
                raise Unavailable(f"The program could not be started: {answer['error']}.", code="cannot-fork")
            return int(answer["pid"])
        raise AssertionError("unreachable")

    async def _start(self, build: str, family: str, path: Path) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._directory.chmod(0o700)
        kill_all(filter(None, [_pid_of(path.with_suffix(".json"))]))  # lives, but does not answer
        process = self._spawn(build, family, path)
        deadline = asyncio.get_running_loop().time() + _START_WAIT_S
        while not await asyncio.to_thread(_answers, path):
            if process.poll() == 0:  # another one was at the address, and is about to answer or has ended too
                process = self._spawn(build, family, path)
            if process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise Unavailable(
                    f"The pre-imported parent of {family} did not start.",
                    subject=build,
                    code="parent-failed",
                    hint=f"Its log is {self._log(family)}.",
                )
            await asyncio.sleep(_POLL_S)

    def _adopt(self, process: subprocess.Popen[bytes]) -> None:
        self._children = [child for child in self._children if child.poll() is None]  # reaps what ended
        self._children.append(process)

    def _log(self, family: str) -> Path:
        return self._logs / f"parent-{family}.log"

    def _spawn(self, build: str, family: str, path: Path) -> subprocess.Popen[bytes]:
        environment = {
            **_bare_environment(),
            "ROOST_PARENT_OF": str(self._images.parent),
            **dict.fromkeys(SINGLE_THREADED, "1"),
        }
        python = self._images / build / "bin" / "python"
        with self._log(family).open("ab") as log:
            process = subprocess.Popen(
                [str(python), "-m", "roost.runtimes.image.parent", family, str(path)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        self._adopt(process)
        return process

    def _execute(
        self,
        build: str,
        launch: Launch,
        module: tuple[str, ...] = ("roost.runtimes.image.shim",),
        descriptors: tuple[int, ...] = (),
    ) -> int:
        python = self._images / build / "bin" / "python"
        process = subprocess.Popen(
            [str(python), "-m", *module],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={**_bare_environment(), "ROOST_PARENT_OF": str(self._images.parent)},
            pass_fds=descriptors,
        )
        self._adopt(process)
        assert process.stdin is not None
        process.stdin.write(launch.to_json().encode())
        process.stdin.close()
        return process.pid


def _bare_environment() -> dict[str, str]:
    # A home that nothing can be written to: what is imported there is imported for nobody.
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "HOME": os.devnull}


def _answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(2.0)
            probe.connect(str(path))
    except OSError:
        return False
    return True


def _pid_of(identity: Path) -> int:
    """The pid of a parent that lives, from the file it wrote; 0 where it is gone."""
    try:
        found = json.loads(identity.read_text())
        alive = found["boot"] == boot_id() and start_time(found["pid"]) == found["started"] != ""
        return int(found["pid"]) if alive else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0


async def _ended(socket: Path) -> None:
    """Wait for the end of the parent that listens there."""
    identity = socket.with_suffix(".json")
    while pid := await asyncio.to_thread(_pid_of, identity):
        try:
            descriptor = os.pidfd_open(pid)
        except (AttributeError, OSError):
            await asyncio.sleep(_LOOK_S)
            continue
        loop, told = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(descriptor, told.set)
            if _pid_of(identity) == pid:
                await told.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)


def _request(path: Path, payload: bytes, descriptors: Sequence[int]) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_WAIT_S)
        connection.connect(str(path))
        if descriptors:
            socket.send_fds(connection, [payload[:8]], list(descriptors))
            connection.sendall(payload[8:])
        else:
            connection.sendall(payload)
        with connection.makefile("r") as lines:
            line = lines.readline()
    if not line:
        raise ConnectionResetError
    answer: dict[str, Any] = json.loads(line)
    return answer

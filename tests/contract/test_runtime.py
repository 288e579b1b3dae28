"""What every runtime promises, with real programs. Written against `roost.runtimes.base` only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest
from tests.contract.conftest import RuntimeFactory

from roost.model.errors import NotFound
from roost.model.lifecycle import ExitReason, Instance, Observed
from roost.model.names import IdKind, new_id
from roost.model.workload import Kind, Mount, Part, Port, Program, Workload
from roost.runtimes.base import Runtime

MIB = 2**20
OWNER = new_id(IdKind.PERSON, bytes(16))


def fresh(kind: IdKind) -> str:
    return new_id(kind, os.urandom(16))


def workload(
    *parts: Part, id: str = "", generation: int = 1, owner: str = OWNER, volumes: tuple[Mount, ...] = ()
) -> Workload:
    return Workload(
        id=id or fresh(IdKind.JOB),
        owner=owner,
        kind=Kind.JOB,
        name="under contract",
        generation=generation,
        image="default",
        parts=parts,
        pool="local",
        zone="",
        volumes=volumes,
    )


def command(*argv: str, name: str = "main", count: int = 1, memory: int = 256 * MIB, **more: object) -> Part:
    return Part(
        name=name,
        program=Program.COMMAND,
        memory_bytes=memory,
        cpu_millis=500,
        count=count,
        arguments=argv,
        **more,  # type: ignore[arg-type]
    )


def shell(script: str, **more: object) -> Part:
    return command("sh", "-c", script, **more)  # type: ignore[arg-type]


async def until(runtime: Runtime, id: str, true: Callable[[Observed], bool], within_s: float = 30.0) -> Observed:
    """Wait with `wait_change` until what is observed satisfies a condition."""
    async with asyncio.timeout(within_s):
        while True:
            seen = (await runtime.observe()).get(id)
            if seen is not None and true(seen):
                return seen
            await runtime.wait_change(0.5)


def ended(seen: Observed) -> bool:
    return bool(seen.instances) and all(instance.exit for instance in seen.instances)


def running(seen: Observed) -> bool:
    return bool(seen.alive) and all(instance.ready for instance in seen.alive)


async def output(runtime: Runtime, id: str, part: str = "main", index: int = 0) -> str:
    return b"".join([piece async for piece in runtime.logs(id, part, index=index)]).decode()


async def run_to_end(runtime: Runtime, *parts: Part, **more: object) -> tuple[str, Instance]:
    made = workload(*parts, **more)  # type: ignore[arg-type]
    await runtime.apply(made)
    seen = await until(runtime, made.id, ended)
    return made.id, seen.instances[0]


async def test_a_command_runs_and_its_end_is_known(runtime: Runtime) -> None:
    id, instance = await run_to_end(runtime, shell("echo hello; exit 7"))
    assert instance.exit is not None
    assert (instance.exit.reason, instance.exit.code) == (ExitReason.EXITED, 7)
    assert await output(runtime, id) == "hello\n"


async def test_applying_twice_starts_once(runtime: Runtime) -> None:
    made = workload(shell("echo started; sleep 60"))
    await asyncio.gather(runtime.apply(made), runtime.apply(made))
    await until(runtime, made.id, running)
    await runtime.apply(made)
    await asyncio.sleep(0.2)
    assert await output(runtime, made.id) == "started\n"


async def test_deleting_twice_is_harmless(runtime: Runtime) -> None:
    made = workload(shell("sleep 60"))
    await runtime.apply(made)
    await runtime.delete(made.id)
    await runtime.delete(made.id)
    await runtime.delete(fresh(IdKind.JOB))
    seen = (await runtime.observe())[made.id]
    assert ended(seen)
    assert seen.instances[0].exit is not None
    assert seen.instances[0].exit.reason is ExitReason.STOPPED


async def test_an_ended_instance_stays_ended_until_the_generation_grows(runtime: Runtime) -> None:
    made = workload(shell("echo once"))
    await runtime.apply(made)
    await until(runtime, made.id, ended)
    await runtime.apply(made)
    assert ended((await runtime.observe())[made.id])
    await runtime.apply(workload(shell("echo twice; sleep 60"), id=made.id, generation=2))
    seen = await until(runtime, made.id, running)
    assert [instance.generation for instance in seen.instances] == [2]


async def test_what_ignores_sigterm_is_killed_after_its_grace(runtime: Runtime) -> None:
    made = workload(shell("trap '' TERM; while true; do sleep 0.1; done"))
    await runtime.apply(made)
    await until(runtime, made.id, running)
    await runtime.delete(made.id, grace_s=0.5)
    assert ended((await runtime.observe())[made.id])


async def test_what_is_stopped_in_the_moment_of_its_start_ends_at_once(runtime: Runtime) -> None:
    for pause_s in (0, 0.002, 0.005, 0.01, 0.02, 0.05):
        made = workload(shell("sleep 60"))
        await runtime.apply(made)
        await asyncio.sleep(pause_s)
        async with asyncio.timeout(2.5):
            await runtime.delete(made.id)
        assert ended((await runtime.observe())[made.id])


async def test_grandchildren_end_with_it(runtime: Runtime) -> None:
    made = workload(shell("setsid sleep 4242 & sleep 60"))
    await runtime.apply(made)
    await until(runtime, made.id, running)
    await asyncio.sleep(0.2)
    await runtime.delete(made.id, grace_s=0.5)
    assert not [pid for pid in os.listdir("/proc") if pid.isdigit() and "4242" in _command_line(pid).split("\0")]


def _command_line(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


async def test_counts_grow_and_shrink_without_touching_the_rest(runtime: Runtime) -> None:
    leader, worker = shell("sleep 60", name="leader"), shell("echo $$; sleep 60", name="worker", count=2)
    made = workload(leader, worker)
    await runtime.apply(made)
    await until(runtime, made.id, lambda seen: running(seen) and len(seen.alive) == 3)
    await asyncio.sleep(0.3)
    first = await output(runtime, made.id, "worker", 0)
    assert first
    more = shell("echo $$; sleep 60", name="worker", count=4)
    await runtime.apply(workload(leader, more, id=made.id))
    await until(runtime, made.id, lambda seen: running(seen) and len(seen.alive) == 5)
    fewer = shell("echo $$; sleep 60", name="worker", count=1)
    await runtime.apply(workload(leader, fewer, id=made.id))
    seen = await until(runtime, made.id, lambda seen: len(seen.alive) == 2)
    assert {(instance.part, instance.index) for instance in seen.alive} == {("leader", 0), ("worker", 0)}
    assert await output(runtime, made.id, "worker", 0) == first


async def test_a_worker_that_ended_is_replaced(runtime: Runtime) -> None:
    made = workload(shell("sleep 60", name="worker"), shell("sleep 0.1", name="other", count=2))
    await runtime.apply(made)
    seen = await until(runtime, made.id, lambda seen: sum(1 for i in seen.instances if i.exit) == 2)
    await runtime.apply(made)
    seen = (await runtime.observe())[made.id]
    others = {instance.index: instance.exit for instance in seen.instances if instance.part == "other"}
    assert others[0] is not None, "the first one decides; it stays ended"
    assert others[1] is None, "the others are replaced"


async def test_a_fresh_runtime_finds_everything_again(make_runtime: RuntimeFactory) -> None:
    before = await make_runtime()
    lives, dies = workload(shell("echo $$; sleep 60")), workload(shell("exit 3"))
    await before.apply(lives)
    await before.apply(dies)
    await until(before, lives.id, running)
    await until(before, dies.id, ended)
    await before.close()
    after = await make_runtime()
    seen = await after.observe()
    assert running(seen[lives.id]), "ready at the first look, not only after a probe"
    gone = seen[dies.id].instances[0].exit
    assert gone is not None
    assert gone.code == 3
    text = await output(after, lives.id)
    await after.apply(lives)
    assert await output(after, lives.id) == text, "it was not started again"
    await after.delete(lives.id, grace_s=0.5)
    assert ended((await after.observe())[lives.id])


async def test_an_end_while_nobody_looked_is_known_later(make_runtime: RuntimeFactory) -> None:
    before = await make_runtime()
    made = workload(shell("sleep 0.5; exit 5"))
    await before.apply(made)
    await until(before, made.id, running)
    await before.close()
    await asyncio.sleep(1)
    instance = (await (await make_runtime()).observe())[made.id].instances[0]
    assert instance.exit is not None
    assert (instance.exit.reason, instance.exit.code) == (ExitReason.EXITED, 5)


@pytest.mark.timeout(180)
async def test_the_memory_limit_is_named_when_it_is_hit(runtime: Runtime) -> None:
    hog = "import time\nkept = []\nwhile True:\n    kept.append(bytearray(b'x' * 4 * 2**20)); time.sleep(0.005)"
    _, instance = await run_to_end(runtime, command("python", "-c", hog, memory=128 * MIB))
    assert instance.exit is not None
    assert instance.exit.reason is ExitReason.OUT_OF_MEMORY
    assert instance.exit.limit_memory_bytes == 128 * MIB
    assert instance.exit.peak_memory_bytes is not None
    assert 100 * MIB < instance.exit.peak_memory_bytes < 400 * MIB


async def test_a_hog_among_children_stops_the_whole(runtime: Runtime) -> None:
    hog = "python -c \"kept = bytearray(b'x' * 2**31)\"; echo survived; sleep 60"
    id, instance = await run_to_end(runtime, shell(hog, memory=128 * MIB))
    assert instance.exit is not None
    assert instance.exit.reason is ExitReason.OUT_OF_MEMORY
    assert "survived" not in await output(runtime, id)


async def test_a_command_that_does_not_exist_says_so(runtime: Runtime) -> None:
    id, instance = await run_to_end(runtime, command("no-such-command-here"))
    assert instance.exit is not None
    assert instance.exit.code == 127 or instance.exit.code == 1
    assert "no-such-command-here" in await output(runtime, id)


async def test_files_variables_and_home_are_there(runtime: Runtime) -> None:
    volume = fresh(IdKind.VOLUME)
    part = shell(
        'cat "$ROOST_FILES/secret"; stat -c %a "$ROOST_FILES/secret"\n'
        'echo "$GREETING $ROOST_INDEX"; echo kept > "$HOME/f"',
        files={"secret": b"hush\n"},
        variables={"GREETING": "hi", "ROOST_INDEX": "forged"},
    )
    id, _ = await run_to_end(runtime, part, volumes=(Mount(volume=volume),))
    assert await output(runtime, id) == "hush\n600\nhi 0\n"
    id, _ = await run_to_end(runtime, shell('cat "$HOME/f"'), volumes=(Mount(volume=volume),))
    assert await output(runtime, id) == "kept\n"


async def test_files_are_replaced_while_it_runs(runtime: Runtime) -> None:
    script = 'while [ "$(cat "$ROOST_FILES/token")" != new ]; do sleep 0.05; done; echo seen'
    made = workload(shell(script, files={"token": b"old"}))
    await runtime.apply(made)
    await until(runtime, made.id, running)
    await runtime.write_files(made.id, "main", {"token": b"new"})
    await until(runtime, made.id, ended)
    assert await output(runtime, made.id) == "seen\n"


async def test_a_log_is_followed_to_its_end(runtime: Runtime) -> None:
    made = workload(shell("for n in 1 2 3; do echo $n; sleep 0.2; done"))
    await runtime.apply(made)
    pieces = [piece async for piece in runtime.logs(made.id, "main", follow=True)]
    assert b"".join(pieces) == b"1\n2\n3\n"
    assert b"".join([piece async for piece in runtime.logs(made.id, "main", offset=2)]) == b"2\n3\n"


async def test_exec_has_the_programs_rights_and_tells_its_code(runtime: Runtime) -> None:
    made = workload(shell("id -u; sleep 60", variables={"COLOUR": "teal"}))
    await runtime.apply(made)
    await until(runtime, made.id, running)
    await asyncio.sleep(0.2)
    out, err, code = b"", b"", None
    async for chunk in runtime.exec(
        made.id, "main", ["sh", "-c", "id -u; cat; echo $COLOUR >&2; exit 9"], stdin=b"fed"
    ):
        out += chunk.data if chunk.stream == 1 else b""
        err += chunk.data if chunk.stream == 2 else b""
        code = chunk.exit_code if chunk.exit_code is not None else code
    assert out.decode() == await output(runtime, made.id) + "fed"
    assert (err, code) == (b"teal\n", 9)


async def test_exec_in_something_that_does_not_run_is_refused(runtime: Runtime) -> None:
    id, _ = await run_to_end(runtime, shell("true"))
    with pytest.raises(NotFound):
        _ = [chunk async for chunk in runtime.exec(id, "main", ["true"])]


async def test_usage_counts_memory_and_cpu(runtime: Runtime) -> None:
    busy = "kept = bytearray(b'x' * 64 * 2**20)\nwhile True: pass"
    made = workload(command("python", "-c", busy))
    await runtime.apply(made)
    await until(runtime, made.id, running)
    await asyncio.sleep(1.0)
    used = (await runtime.usage())[made.id]
    assert 64 * MIB < used.memory_bytes < 200 * MIB
    assert used.memory_limit_bytes == 256 * MIB
    assert used.cpu_seconds > 0.2


async def test_forgetting_leaves_nothing(runtime: Runtime) -> None:
    id, _ = await run_to_end(runtime, shell("echo gone"))
    await runtime.forget(id)
    await runtime.forget(id)
    assert id not in await runtime.observe()
    with pytest.raises(NotFound):
        await output(runtime, id)


async def test_a_port_becomes_ready_when_it_answers(runtime: Runtime) -> None:
    serve = (
        "import os, socketserver, http.server, time; time.sleep(0.4)\n"
        "class Server(socketserver.UnixStreamServer):\n"
        "    def get_request(self): return super().get_request()[0], ('', 0)\n"
        "Server(os.environ['ROOST_SOCKET_HTTP'], http.server.SimpleHTTPRequestHandler).serve_forever()"
    )
    made = workload(command("python", "-c", serve, ports=(Port.HTTP,)))
    await runtime.apply(made)
    assert not (await runtime.observe())[made.id].instances[0].ready
    seen = await until(runtime, made.id, running)
    address = seen.instances[0].addresses[Port.HTTP]
    _, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    writer.close()
    await writer.wait_closed()

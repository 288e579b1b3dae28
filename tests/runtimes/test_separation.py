"""One person's programs against another's, at every level that claims to separate them. The attacker is real."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.runtimes.conftest import (
    OTHER,
    OWNER,
    ended,
    fresh,
    in_it,
    job,
    living_pid,
    settled,
    text_of,
    workspace,
)

from roost.model.names import IdKind
from roost.model.workload import Port
from roost.runtimes.base import Capability
from roost.runtimes.image.processes import descendants
from roost.runtimes.local.isolation import Level
from roost.runtimes.local.runtime import LocalRuntime
from roost.runtimes.local.sandbox import bubblewrap, view_of
from roost.settings import Settings

pytestmark = pytest.mark.image
LEVELS = ["user", "sandbox", "bubblewrap"] if os.geteuid() == 0 else ["sandbox"]


@pytest.fixture(params=LEVELS)
async def runtime(request: pytest.FixtureRequest, short_home: Path) -> AsyncIterator[LocalRuntime]:
    isolation = "user" if request.param == "user" else "bubblewrap"
    sandboxed = None if request.param != "bubblewrap" else False
    made = LocalRuntime(Settings(home=short_home, isolation=isolation), own_sandbox=sandboxed)
    await made.start()
    await made.warm()
    yield made
    await ended(made)


async def attack(runtime: LocalRuntime, script: str) -> str:
    """What another person's Python prints."""
    made = job("python", "-c", script, owner=OTHER)
    await runtime.apply(made)
    await settled(runtime, made.id)
    async with asyncio.timeout(30):
        while not (await runtime.observe())[made.id].instances[0].exit:
            await runtime.wait_change(0.5)
    return await text_of(runtime, made.id)


async def test_it_says_that_it_separates(runtime: LocalRuntime) -> None:
    assert Capability.SEPARATES_PEOPLE in runtime.capabilities
    assert runtime.isolation.separates_people


@pytest.mark.timeout(180)
async def test_nothing_of_a_workspace_is_reached_by_another_person(runtime: LocalRuntime) -> None:
    victim = workspace()
    await runtime.apply(victim)
    (instance,) = (await settled(runtime, victim.id, 90)).instances
    socket = instance.addresses[Port.HTTP].removeprefix("unix:")
    home = runtime.disks.path(victim.volumes[0].volume)
    code, _ = await in_it(runtime, victim.id, "lab", "sh", "-c", "echo secret > $HOME/f; chmod 777 $HOME/f")
    assert code == 0
    settings = runtime.settings
    theirs = [
        *(home, home / "f", Path(socket).parent, Path(socket).parent.with_name("lab.files") / "token"),
        *(settings.workloads / victim.id / "lab" / "log", settings.workloads / victim.id / "lab" / "beside.json"),
        *(settings.workloads / victim.id, settings.sockets / victim.id, settings.sockets / "parents"),
    ]
    shared = [settings.volumes, settings.workloads, settings.sockets]
    script = (
        "import os, socket\n"
        f"for path in {[str(path) for path in theirs]!r}:\n"
        "    try: print('LISTED', path, os.listdir(path))\n"
        "    except OSError: pass\n"
        "    try: print('READ', path, open(path).read())\n"
        "    except OSError: pass\n"
        "    try: open(path + '/planted', 'w'); print('PLANTED', path)\n"
        "    except OSError: pass\n"
        f"for path in {[str(path) for path in shared]!r}:\n"
        "    try: found = os.listdir(path)\n"
        "    except OSError: found = []\n"
        f"    if {{{victim.id!r}, {home.name!r}}} & set(found): print('SEEN', path, found)\n"
        f"for path in ({socket!r}, {str(settings.control_socket)!r}):\n"
        "    try: socket.socket(socket.AF_UNIX).connect(path); print('CONNECTED', path)\n"
        "    except OSError: pass\n"
        "for pid in filter(str.isdigit, os.listdir('/proc')):\n"
        "    try: words = open(f'/proc/{pid}/environ').read()\n"
        "    except OSError: continue\n"
        f"    if 'ROOST_WORKLOAD={victim.id}' in words: print('ENVIRON', pid)\n"
        "print('done')"
    )
    assert await attack(runtime, script) == "done\n"


async def test_processes_of_others_are_out_of_reach(runtime: LocalRuntime) -> None:
    victim = job("sleep", "60")
    await runtime.apply(victim)
    await settled(runtime, victim.id)
    shim = living_pid(runtime.settings.workloads / victim.id / "main")
    pids = [shim, *descendants(shim)]
    script = (
        "import os, signal\n"
        f"for pid in {pids!r}:\n"
        "    if pid == os.getpid(): continue\n"
        "    try: os.kill(pid, signal.SIGKILL); print('killed', pid)\n"
        "    except OSError: pass\n"
        "print('done')"
    )
    assert "done" in await attack(runtime, script)
    assert not (await runtime.observe())[victim.id].instances[0].exit


async def test_a_link_is_no_way_to_somebody_elses_socket(runtime: LocalRuntime) -> None:
    """The data plane and the probe may reach every socket: they must not be led."""
    victim = workspace()
    await runtime.apply(victim)
    (instance,) = (await settled(runtime, victim.id, 90)).instances
    theirs = instance.addresses[Port.HTTP].removeprefix("unix:")
    script = f"ln -s {theirs} $ROOST_SOCKET_HTTP; sleep 60"
    attacker = job("sh", "-c", script, owner=OTHER, ports=(Port.HTTP,))
    await runtime.apply(attacker)
    await asyncio.sleep(1.5)
    (seen,) = (await runtime.observe())[attacker.id].instances
    assert (seen.exit, seen.ready) == (None, False)


async def test_what_an_owner_writes_for_us_is_read_without_trust(runtime: LocalRuntime) -> None:
    script = "ln -s /etc/shadow $ROOST_ADDRESSES/dask; mkfifo $ROOST_ADDRESSES/clients; sleep 60"
    attacker = job("sh", "-c", script, owner=OTHER, ports=(Port.DASK,))
    await runtime.apply(attacker)
    await asyncio.sleep(1.0)
    async with asyncio.timeout(2):
        (instance,) = (await runtime.observe())[attacker.id].instances
    assert (instance.exit, instance.ready, dict(instance.addresses)) == (None, False, {})


async def test_secrets_are_written_only_where_an_owner_cannot_move_them(runtime: LocalRuntime) -> None:
    outside = runtime.settings.home.parent / "outside"
    outside.mkdir()
    script = (
        'mv "$ROOST_FILES" "$ROOST_FILES.old"; ln -s ' + str(outside) + ' "$ROOST_FILES"; rm -f "$ROOST_FILES/token"\n'
        f'ln -s {outside}/token "$ROOST_FILES/token" 2>/dev/null; ln -s {outside}/t "$ROOST_FILES/.token.1"; sleep 60'
    )
    attacker = job("sh", "-c", script, owner=OTHER, files={"token": b"old"})
    await runtime.apply(attacker)
    await settled(runtime, attacker.id)
    await asyncio.sleep(0.5)
    await runtime.write_files(attacker.id, "main", {"token": b"new"})
    assert list(outside.iterdir()) == []
    assert await in_it(runtime, attacker.id, "main", "sh", "-c", 'cat "$ROOST_FILES/token"') == (0, "new")


async def test_nothing_is_gained_by_a_setuid_program(runtime: LocalRuntime) -> None:
    script = "print([row for row in open('/proc/self/status') if row.startswith(('NoNew', 'CapEff'))])"
    made = job("python", "-c", script)
    await runtime.apply(made)
    await settled(runtime, made.id)
    await asyncio.sleep(0.5)
    said = await text_of(runtime, made.id)
    assert r"NoNewPrivs:\t1" in said
    assert r"CapEff:\t0000000000000000" in said


async def test_the_user_id_has_a_name(runtime: LocalRuntime) -> None:
    """Or ssh and git refuse to work."""
    made = job("id", "-un")
    await runtime.apply(made)
    await settled(runtime, made.id)
    await asyncio.sleep(0.5)
    assert (await text_of(runtime, made.id)).strip() == ("roost" if os.geteuid() == 0 else getpass.getuser())


async def test_what_is_hidden_cannot_be_uncovered(runtime: LocalRuntime) -> None:
    if runtime.level is not Level.BUBBLEWRAP:
        return  # nothing is hidden; rights of files separate people
    secret = runtime.settings.home / "secret"
    secret.write_text("x")
    secret.chmod(0o644)
    script = f"umount /tmp; umount -l /tmp; unshare -Urm sh -c 'umount -l /tmp; cat {secret}'; cat {secret}; echo done"
    made = job("sh", "-c", script)
    await runtime.apply(made)
    await settled(runtime, made.id)
    await asyncio.sleep(1)
    said = await text_of(runtime, made.id)
    assert said.endswith("done\n")
    assert "x\n" not in said.replace("secret", "").splitlines(keepends=True)


async def test_the_image_is_read_only(runtime: LocalRuntime) -> None:
    image = runtime.builder.path("default")
    said = await attack(runtime, f"open({str(image / 'bin/planted')!r}, 'w')")
    assert "Permission denied" in said or "Read-only" in said


async def test_the_home_of_one_owner_is_shared_by_their_workloads_only(runtime: LocalRuntime) -> None:
    volume = fresh(IdKind.VOLUME)
    first = job("sh", "-c", "echo mine > $HOME/f", volume=volume)
    await runtime.apply(first)
    await settled(runtime, first.id)
    second = job("sh", "-c", "cat $HOME/f", volume=volume, owner=OWNER)
    await runtime.apply(second)
    await settled(runtime, second.id)
    await asyncio.sleep(0.3)
    assert await text_of(runtime, second.id) == "mine\n"


def test_a_sandbox_hides_what_belongs_to_people(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    view = view_of(hides=(tmp_path,), reads=(), owns=(tmp_path / "own",))
    assert {"/tmp", "/root"} <= set(view.hides)
    words = bubblewrap(view)
    shown = words.index(str(tmp_path / "own"))
    assert all(words.index(path) < shown for path in view.hides), "own things come back after hiding"

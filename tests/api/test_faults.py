"""The database locked, its disk full, its file broken, clocks that jump: said clearly, no half changes, healing."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.api.world import Browser, Somebody, World, problem, world_at
from tests.store.making import DAY, HOUR, NOW

from roost.model.access import Role
from roost.services import invitations, passwords
from roost.services.keys import ensure_keys
from roost.settings import Settings
from roost.store import dialects
from roost.store.database import open_store
from roost.supervisor import EXIT_HOPELESS, SETTINGS

YEAR = 365 * DAY
PASSWORD = "a password of five words"
HOLD = (
    "import sqlite3, sys\n"
    "other = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "other.execute('BEGIN IMMEDIATE')\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


@contextlib.contextmanager
def held_by_another_process(path: str) -> Iterator[None]:
    """The lock for writing is taken."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
    finally:
        holder.communicate(timeout=20)


async def create(world: World, ada: Browser, name: str, kind: str = "workspaces") -> httpx.Response:
    return await world.ask(ada, "POST", f"/api/v1/{kind}", {"name": name})


async def test_a_locked_database_is_said_and_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = tuple(pragma for pragma in dialects._PRAGMAS if "busy" not in pragma)
    monkeypatch.setattr(dialects, "_PRAGMAS", ("busy_timeout=50", *quick))
    world = world_at(tmp_path)
    ada, program = world.browser("Ada"), world.program("Ada")
    row = world.workload(ada.caller.person, "there")
    everybody: tuple[Somebody, ...] = (ada, program)
    with held_by_another_process(world.store.subject):
        before = world.dump()
        for who in everybody:
            for answer in (
                await create(world, ada, "not now"),
                await create(world, ada, "not now", "clusters"),
                await world.ask(who, "POST", f"/api/v1/workspaces/{row.id}/stop"),
                await world.ask(who, "DELETE", f"/api/v1/workspaces/{row.id}"),
            ):
                assert (answer.status_code, problem(answer)["code"]) == (503, "database-locked")
                assert answer.headers["retry-after"]
            read = await world.ask(who, "GET", f"/api/v1/workspaces/{row.id}")
            assert (read.status_code, read.json()["wanted"]) == (200, "running")
        assert world.dump() == before
    assert (await create(world, ada, "not now")).status_code == 201
    world.close()


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[bool]:
    """A file system of a few megabytes at the path; False where this machine lets us make none."""
    made = (
        os.geteuid() == 0
        and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs", str(path)], capture_output=True, check=False
        ).returncode
        == 0
    )
    try:
        yield made
    finally:
        if made:
            subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextlib.contextmanager
def full(world: World, *, own_disk: bool) -> Iterator[None]:
    """No room left: the disk is filled, or SQLite is told that it may not grow."""
    if own_disk:
        filler = world.settings.home / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
        try:
            yield
        finally:
            filler.unlink()
        return
    with world.store.read() as tx:
        pages = tx.connection.exec_driver_sql("PRAGMA page_count").scalar()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dialects, "_PRAGMAS", (*dialects._PRAGMAS, f"max_page_count={pages}"))
        world.store.engine.dispose()
        yield
    world.store.engine.dispose()


async def test_a_full_disk_is_said_and_heals(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with small_disk(home) as own_disk:
        world = world_at(home)
        ada = world.browser("Ada")
        assert (await create(world, ada, "before")).status_code == 201
        with full(world, own_disk=own_disk):
            answers = [await create(world, ada, f"during {n}", "clusters") for n in range(60)]
            refused = [answer for answer in answers if answer.status_code != 201]
            assert refused  # the last free pages of the file may still take some
            assert {(answer.status_code, problem(answer)["code"]) for answer in refused} == {(503, "disk-full")}
            assert "nothing was changed" in problem(refused[0])["title"]
            listed = await world.ask(ada, "GET", "/api/v1/clusters?limit=100")
            assert len(listed.json()["items"]) == 60 - len(refused)
            for item in listed.json()["items"]:  # none without its certificates
                told = await world.ask(ada, "GET", f"/api/v1/clusters/{item['id']}/credentials")
                assert told.status_code == 200
        assert (await create(world, ada, "after")).status_code == 201
        world.close()


@pytest.mark.parametrize("jump_us", [HOUR, -HOUR, 10 * YEAR, -10 * YEAR], ids=["+1h", "-1h", "+10y", "-10y"])
async def test_a_clock_that_jumps_and_heals(world: World, jump_us: int) -> None:
    world.person("Ada", Role.ADMINISTRATOR, passwords.hash_password(PASSWORD))
    before: list[Somebody] = [world.browser("Ada"), world.program("Ada")]
    row = world.workload(before[0].caller.person, "there")
    world.now_us = NOW + jump_us
    during: list[Somebody] = [world.browser("Ada"), world.program("Ada", days=90)]
    code, _ = invitations.invite(world.store, before[0].caller, now_us=world.now_us)
    for who in (*before, *during):
        for verb in ("stop", "start", "restart", "extend"):
            body = {"hours": 1} if verb == "extend" else None
            answer = await world.ask(who, "POST", f"/api/v1/workspaces/{row.id}/{verb}", body)
            assert answer.status_code in (200, 401), answer.text
        for path in (f"workspaces/{row.id}", f"workspaces/{row.id}/events", "tokens", "sessions", "people", "machine"):
            assert (await world.ask(who, "GET", f"/api/v1/{path}")).status_code in (200, 401)
    for _ in range(11):  # somebody guesses meanwhile
        await sign_in(world, "wrong words")
    world.now_us = NOW
    for who in before:
        assert (await world.ask(who, "GET", "/api/v1/me")).status_code == 200
    if jump_us > DAY:  # what the wrong clock issued would last until its time comes
        for who in during:
            assert (await world.ask(who, "GET", "/api/v1/me")).status_code == 401
        async with world.http() as http:
            assert problem(await http.get(f"/join/{code}"))["code"] == "link-expired"
    if abs(jump_us) > HOUR:
        assert (await sign_in(world, PASSWORD)).status_code == 303
    for who, life in ((before[0], 7), (during[0], 9), (before[1], 30), (during[1], 91)):
        world.now_us = NOW + life * DAY
        assert (await world.ask(who, "GET", "/api/v1/me")).status_code == 401


async def sign_in(world: World, password: str) -> httpx.Response:
    async with world.http() as http:
        form = {"name": "Ada", "password": password}
        return await http.post("/sign-in", data=form, headers={"Origin": world.settings.origin})


async def test_a_session_that_is_used_ends_for_good_whatever_the_clock_does(world: World) -> None:
    ada = world.browser("Ada")
    for step in range(40):  # forth and back, and used all the time
        world.now_us = NOW + step * 5 * HOUR + (HOUR if step % 2 else 0)
        await world.ask(ada, "GET", "/api/v1/me")
    assert world.now_us > NOW + 7 * DAY
    assert (await world.ask(ada, "GET", "/api/v1/me")).status_code == 401


def test_a_broken_database_ends_the_control_plane_with_one_message(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    ensure_keys(settings)
    open_store(settings).close()
    broken = settings.database.read_bytes()[:4096] + os.urandom(20 * 4096)
    for content in (broken, b"this is not a database, " * 1000):
        settings.database.write_bytes(content)
        done = subprocess.run(
            [sys.executable, "-m", "roost.control"],
            env={**os.environ, SETTINGS: settings.to_json()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (EXIT_HOPELESS, "")
        said = done.stderr.splitlines()
        assert [line.partition(":")[0] for line in said] == ["error", "hint"], done.stderr
        assert str(settings.database) in said[0]
        assert "not a usable database" in said[0]
        assert settings.database.read_bytes() == content

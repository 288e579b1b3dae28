"""A full or broken home lets its owner in: JupyterLab answers, says what fills the disk, and can delete it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.runtimes.conftest import LabServer, ended, fresh, start_lab, started, workspace

from roost.model.names import IdKind
from roost.runtimes.image import safe_mode
from roost.runtimes.local.runtime import LocalRuntime

pytestmark = pytest.mark.image
WAYS = ["asked", "full"] if os.geteuid() == 0 else ["asked"]  # only root can make a small disk


@pytest.fixture
async def runtime(short_home: Path) -> AsyncIterator[LocalRuntime]:
    made = await started(short_home)
    yield made
    await ended(made)


@pytest.fixture(params=WAYS)
async def safe_lab(request: pytest.FixtureRequest, runtime: LocalRuntime) -> AsyncIterator[LabServer]:
    volume = fresh(IdKind.VOLUME)
    variables = {"ROOST_SAFE_MODE": "1"} if request.param == "asked" else {}
    made = workspace(volume=volume, **variables)
    await runtime.disks.ensure(volume, made.owner)
    home = runtime.disks.path(volume)
    if request.param == "full":
        _mount_small_disk(home)
    try:
        _fill(home)
        server = await start_lab(runtime, made)
        yield server
        await server.client.aclose()
        await runtime.delete(made.id, grace_s=0.5)
    finally:
        if request.param == "full":
            _unmount(home)


def _mount_small_disk(home: Path) -> None:
    owner = home.stat()
    options = f"size=4m,uid={owner.st_uid},gid={owner.st_gid},mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "roost-test", str(home)], check=True)


def _unmount(home: Path) -> None:
    subprocess.run(["umount", "-l", str(home)], check=True)


def _fill(home: Path) -> None:
    owner = home.stat()
    (home / ".jupyter").mkdir()
    (home / ".jupyter/jupyter_server_config.py").write_text("raise SystemExit('the home breaks it')\n")
    (home / "data").mkdir()
    try:
        with (home / "data/large.bin").open("wb") as file:
            for _ in range(8):
                file.write(bytes(2**20))
                file.flush()
    except OSError:
        pass
    for path in [home, *home.rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)


async def test_lab_answers_shows_the_report_and_makes_room(safe_lab: LabServer) -> None:
    answer = await safe_lab.client.get("/", follow_redirects=False)
    assert answer.headers["location"].startswith("/lab/tree/Disk%20report.md")
    report = (await safe_lab.client.get("/api/contents/Disk report.md")).json()["content"]
    assert "`data`" in report
    listed = (await safe_lab.client.get("/api/contents/home/data")).json()["content"]
    assert [item["name"] for item in listed] == ["large.bin"]
    assert (await safe_lab.client.delete("/api/contents/home/data/large.bin")).status_code == 204
    assert not (safe_lab.home / "data/large.bin").exists()
    assert not list(safe_lab.home.rglob("*rash*")), "deleted is deleted"


async def test_kernels_and_terminals_work_without_room(safe_lab: LabServer) -> None:
    kernel = await safe_lab.start_kernel()
    assert await kernel.run("print(6 * 7)") == "42\n"
    await kernel.end()
    assert (await safe_lab.client.post("/api/terminals")).status_code == 200


async def test_nothing_is_written_to_the_home(safe_lab: LabServer) -> None:
    before = sorted(safe_lab.home.rglob("*"))
    kernel = await safe_lab.start_kernel()
    await kernel.run("1")
    await safe_lab.client.put(
        "/lab/api/settings/@jupyterlab/apputils-extension:themes", json={"raw": '{"theme": "JupyterLab Dark"}'}
    )
    await kernel.end()
    assert sorted(safe_lab.home.rglob("*")) == before


@pytest.fixture
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home, addresses = tmp_path / "home", tmp_path / "addresses"
    home.mkdir()
    addresses.mkdir()
    monkeypatch.delenv("ROOST_SAFE_MODE", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ROOST_ADDRESSES", str(addresses))
    for name in ("TMPDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR", "JUPYTER_CONFIG_PATH"):
        monkeypatch.setenv(name, "before")
    return home


def test_a_home_with_room_needs_no_safe_mode(surroundings: Path) -> None:
    assert safe_mode.why(surroundings) == ""
    assert list(surroundings.iterdir()) == []


def test_a_home_that_is_gone_is_a_reason(surroundings: Path) -> None:
    surroundings.rmdir()
    assert "cannot be written" in safe_mode.why(surroundings)


def test_names_cannot_change_the_report(surroundings: Path) -> None:
    (surroundings / "a|b`c\n# Heading").write_text("x")
    report = safe_mode.disk_report(surroundings, "Because.")
    assert "`a?b?c?# Heading`" in report


def test_the_report_names_the_largest_first(surroundings: Path) -> None:
    for name, size in (("small", 10), ("large", 2**20), ("folder/inside", 2**19)):
        (surroundings / name).parent.mkdir(exist_ok=True)
        (surroundings / name).write_bytes(b"x" * size)
    report = safe_mode.disk_report(surroundings, "Because.")
    assert report.index("`large`") < report.index("`folder`") < report.index("`small`")


def test_entering_twice_is_harmless(surroundings: Path) -> None:
    first = safe_mode.enter("Because.")
    assert safe_mode.enter("Because.") == first

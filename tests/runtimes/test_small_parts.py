"""The pure parts of the local runtime, and those that read the machine: tables, properties, stand-ins for kernels."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.runtimes.conftest import OTHER, OWNER, job

from roost.model.errors import InvalidInput, Unavailable
from roost.model.names import IdKind, new_id
from roost.runtimes.image import files, packages, processes
from roost.runtimes.image.launch import Launch, Limits, View
from roost.runtimes.local import cgroups, isolation, records, sandbox
from roost.runtimes.local.cgroups import ControlGroups
from roost.runtimes.local.isolation import Level, active_level, isolation_report
from roost.runtimes.local.launching import Surroundings, accounts, environment_of
from roost.runtimes.local.owners import Owners
from roost.runtimes.local.sandbox import why_no_own_sandbox
from roost.runtimes.local.volumes import LocalDisks
from roost.settings import Settings

VOLUME = new_id(IdKind.VOLUME, bytes(16))


# -- launches ---------------------------------------------------------------------------------------------------------


@given(
    argv=st.lists(st.text()),
    environment=st.dictionaries(st.text(), st.text()),
    join=st.lists(st.text()),
    uid=st.integers(min_value=-1, max_value=2**31),
)
def test_a_launch_survives_its_journey(argv: list[str], environment: dict[str, str], join: list[str], uid: int) -> None:
    limits, view = Limits(join=tuple(join)), View(hides=tuple(argv), reads=(), owns=tuple(join))
    launch = Launch(
        record="/r",
        log="/l",
        argv=tuple(argv),
        environment=environment,
        directory="/",
        uid=uid,
        limits=limits,
        view=view if uid % 2 else None,
    )
    assert Launch.from_json(launch.to_json()) == launch


def _surroundings(home: Path) -> Surroundings:
    at = records.Places(home / "record", home / "sockets")
    return Surroundings(image=home / "image", home=home, at=at, limits=Limits())


def test_nothing_an_owner_sets_replaces_what_is_ours(tmp_path: Path) -> None:
    ours = environment_of(job("true"), job("true").parts[0], _record(), _surroundings(tmp_path))
    forged = dict.fromkeys(ours, "forged") | {"COLOUR": "teal"}
    made = job("true", variables=forged)
    found = environment_of(made, made.parts[0], _record(), _surroundings(tmp_path))
    assert found["COLOUR"] == "teal"
    assert "forged" not in {found[name] for name in ours if name not in ("LANG",)}


def test_secrets_are_no_part_of_the_environment(tmp_path: Path) -> None:
    made = job("true", files={"token": b"hush"})
    found = environment_of(made, made.parts[0], _record(), _surroundings(tmp_path))
    assert "hush" not in str(found)
    assert found["ROOST_TOKEN_FILE"].endswith("/token")


def test_account_files_name_the_owner(tmp_path: Path) -> None:
    text = accounts(300_001, tmp_path)
    assert text["passwd"].splitlines()[-1].startswith(f"roost:x:300001:300001::{tmp_path}:/bin/")
    assert text["passwd"].startswith("root:")
    assert text["group"].splitlines()[-1] == "roost:x:300001:"


def _record() -> records.Record:
    made = job("true")
    return records.new_record(made, made.parts[0], 0, uid=-1, build="default-a-b", now_us=1)


# -- files ------------------------------------------------------------------------------------------------------------


def test_what_is_no_small_file_reads_as_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("said")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert files.read_untrusted(tmp_path / "file") == "said"
    began = time.monotonic()
    for name in ("link", "pipe", "missing", "."):
        assert files.read_untrusted(tmp_path / name) == ""
    assert time.monotonic() - began < 1
    (tmp_path / "large").write_bytes(b"x" * 2**20)
    assert len(files.read_untrusted(tmp_path / "large")) == 2**16


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("tcp:127.0.0.1:8786", {"dask": "tcp:127.0.0.1:8786"}),
        ("tcp:127.0.0.1:8786\n", {"dask": "tcp:127.0.0.1:8786"}),
        ("tcp:169.254.169.254:80", {}),
        ("unix:/run/roost/control.sock", {}),
        ("", {}),
        ("tcp:127.0.0.1:8786\ntcp:127.0.0.1:1", {}),
    ],
)
def test_an_address_is_a_port_of_this_machine_or_nothing(tmp_path: Path, said: str, address: dict[str, str]) -> None:
    record = replace(_record(), ports=("dask",))
    at = records.Places(tmp_path, tmp_path)
    (tmp_path / "dask").write_text(said)
    assert records.addresses(record, at) == address


@pytest.mark.parametrize(
    ("said", "evidence"),
    [
        ('{"clients": 2, "last_client_us": 5}', {"clients": 2, "last_client_us": 5}),
        ('{"clients": "2", "other": 1}', {}),
        ('{"clients": -1}', {}),
        ("[1]", {}),
        ("{", {}),
        ("[" * 60_000, {}),
    ],
)
def test_evidence_is_numbers_or_nothing(tmp_path: Path, said: str, evidence: dict[str, int]) -> None:
    record = replace(_record(), program="dask-scheduler")
    (tmp_path / "clients").write_text(said)
    assert records.evidence(record, records.Places(tmp_path, tmp_path)) == evidence


def test_a_damaged_record_is_passed_over(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for name, text in (("good", json.dumps(asdict(_record()))), ("bad", "{"), ("list", "[]"), ("old", '{"id": "x"}')):
        (settings.workloads / name / "main").mkdir(parents=True)
        (settings.workloads / name / "main/instance.json").write_text(text)
    assert [record.part for record in records.load_all(settings)] == ["main"]


def test_secrets_replace_each_other_whole_and_private(tmp_path: Path) -> None:
    files.write_secrets(tmp_path, {"token": b"one"}, -1, -1)
    with (tmp_path / "token").open("rb") as reading:
        files.write_secrets(tmp_path, {"token": b"two"}, -1, -1)
        assert reading.read() == b"one"
    assert (tmp_path / "token").read_bytes() == b"two"
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_a_secret_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / f".token.{os.getpid()}").symlink_to(tmp_path / "out")
    files.write_secrets(tmp_path / "in", {"token": b"one"}, -1, -1)
    assert not (tmp_path / "out").exists()


# -- processes --------------------------------------------------------------------------------------------------------


def test_ps_tells_the_same_as_proc(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "30"]) as child:
        try:
            by_proc = processes.descendants(os.getpid())
            monkeypatch.setattr(processes, "PROC", Path("/proc/none"))
            assert child.pid in by_proc
            assert child.pid in processes.descendants(os.getpid())
            assert processes.start_time(child.pid) == processes.start_time(child.pid) != ""
            mine = next(process for process in processes.processes() if process.pid == os.getpid())
            assert mine.resident_bytes > 2**20
        finally:
            child.kill()
    assert processes.start_time(child.pid) == ""
    assert processes.boot_id() == ""


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as child:
        deadline = time.monotonic() + 5
        while processes.start_time(child.pid) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert processes.start_time(child.pid) == ""


@given(st.dictionaries(st.integers(2, 40), st.integers(1, 40)))
def test_below_finds_exactly_the_descendants(parents: dict[int, int]) -> None:
    found = set(processes.below(1, {child: parent for child, parent in parents.items() if child != parent}))

    def is_below(pid: int, seen: frozenset[int] = frozenset()) -> bool:
        parent = parents.get(pid)
        if parent is None or parent == pid or pid in seen:
            return False
        return parent == 1 or is_below(parent, seen | {pid})

    assert found == {pid for pid in parents if is_below(pid)}


# -- control groups ---------------------------------------------------------------------------------------------------


def _tree(path: Path, **content: str) -> None:
    path.mkdir(parents=True, exist_ok=True)
    for name, text in content.items():
        (path / name.replace("__", ".")).write_text(text)


def test_version_2_limits_are_written(tmp_path: Path) -> None:
    group = tmp_path / "a.main"
    _tree(group, memory__peak="0\n", memory__events="oom_kill 0\n", cgroup__procs="")
    limits = ControlGroups(2, tmp_path).make("a.main", 2**30, 1500)
    assert (group / "memory.max").read_text() == str(2**30)
    assert (group / "memory.swap.max").read_text() == "0"
    assert (group / "cpu.weight").read_text() == "150"
    assert limits.version == 2
    assert limits.join == (str(group / "cgroup.procs"),)
    assert limits.peak.endswith("memory.peak")


def test_version_2_usage_leaves_out_what_can_go(tmp_path: Path) -> None:
    stat = "anon 5\ninactive_file 300\n"
    _tree(tmp_path / "a", memory__current="1000\n", memory__stat=stat, cpu__stat="usage_usec 2500000\n")
    assert ControlGroups(2, tmp_path).usage("a") == (700, 2.5)
    assert ControlGroups(2, tmp_path).usage("gone") is None


def test_version_1_with_processor_controllers_apart_or_as_one(tmp_path: Path) -> None:
    memory, cpu, accounting = tmp_path / "memory", tmp_path / "cpu", tmp_path / "cpuacct"
    apart = ControlGroups(1, memory, accounting, cpu).make("x", 2**28, 500)
    assert len(apart.join) == 3
    assert (cpu / "x/cpu.shares").read_text() == "512"
    assert len(ControlGroups(1, memory, cpu, cpu).make("y", 2**28, 500).join) == 2
    ControlGroups(1, memory, accounting, cpu).remove("x")  # harmless although it has "files" here


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0::/user.slice/a.scope\n", {"": "/user.slice/a.scope"}),
        ("4:cpu,cpuacct:/x\n0::/\n", {"cpu": "/x", "cpuacct": "/x", "": "/"}),
    ],
)
def test_own_groups_are_read(text: str, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda self: text)
    assert cgroups._own_groups() == expected


# -- isolation --------------------------------------------------------------------------------------------------------


def test_the_report_has_words_for_people(tmp_path: Path) -> None:
    report = isolation_report(Settings(home=tmp_path, isolation="process"))
    assert report.level is Level.PROCESS
    assert not report.separates_people
    assert "one person only" in report.explanation
    assert report.remedy
    assert report.limits


def test_a_home_that_others_cannot_pass_through_rules_user_ids_out(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(Unavailable) as refusal:
        active_level(Settings(home=closed / "home", isolation="user"))
    assert refusal.value.field == "isolation"
    assert refusal.value.hint


def test_what_is_missing_for_sandboxes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(isolation, "why_no_own_sandbox", lambda: "user namespaces are off")
    with pytest.raises(Unavailable, match="Install bubblewrap"):
        active_level(Settings(home=tmp_path, isolation="bubblewrap"))
    level, why_not = active_level(Settings(home=tmp_path))
    assert level is Level.PROCESS
    assert "as root" in why_not
    assert "Install bubblewrap" in why_not


def test_a_machine_that_allows_nothing_says_so() -> None:
    assert why_no_own_sandbox() == ""
    words = [sys.executable, "-I", "-S", "-c", "import sys; sys.exit('unshare: Operation not permitted')"]
    assert "not permitted" in sandbox._why_not(words)


# -- owners and volumes -----------------------------------------------------------------------------------------------


def test_an_owner_keeps_one_user_id_for_ever(tmp_path: Path) -> None:
    first = Owners(tmp_path / "o.json", "00000001", separate=True)
    one, two = first.uid(OWNER), first.uid(OTHER)
    assert one != two
    again = Owners(tmp_path / "o.json", "00000001", separate=True)
    assert (again.uid(OTHER), again.uid(OWNER)) == (two, one)


def test_homes_on_one_machine_use_other_user_ids(tmp_path: Path) -> None:
    found = {Owners(tmp_path / f"{n}.json", f"{n:08x}", separate=True).uid(OWNER) for n in range(50)}
    assert len(found) == 50
    assert all(300_000 <= uid < 2**31 for uid in found)


def test_where_people_are_not_separated_there_is_one_user(tmp_path: Path) -> None:
    assert Owners(tmp_path / "o.json", "00000001", separate=False).uid(OWNER) == -1
    assert not (tmp_path / "o.json").exists()


async def test_what_a_killed_destruction_left_is_destroyed_too(tmp_path: Path) -> None:
    disks = LocalDisks(tmp_path, Owners(tmp_path / "o.json", "00000001", separate=False))
    await disks.ensure(VOLUME, OWNER)
    left = disks.path(VOLUME).rename(disks.path(VOLUME).with_name(f".{VOLUME}.destroyed"))
    (left / "file").write_text("x")
    await disks.destroy(VOLUME)
    assert not left.exists()


async def test_a_volume_lives_until_it_is_destroyed(tmp_path: Path) -> None:
    disks = LocalDisks(tmp_path, Owners(tmp_path / "o.json", "00000001", separate=False))
    assert not await disks.exists(VOLUME)
    await disks.ensure(VOLUME, OWNER)
    (disks.path(VOLUME) / "file").write_bytes(b"x" * 10_000)
    await disks.ensure(VOLUME, OWNER)
    assert await disks.usage_bytes(VOLUME) >= 10_000
    assert disks.path(VOLUME).stat().st_mode & 0o777 == 0o700
    await disks.destroy(VOLUME)
    await disks.destroy(VOLUME)
    assert not await disks.exists(VOLUME)
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize("name", ["", "..", "../x", "vo-short", "/etc", "VO-" + "a" * 26])
async def test_a_name_that_is_no_id_touches_nothing(tmp_path: Path, name: str) -> None:
    disks = LocalDisks(tmp_path / "volumes", Owners(tmp_path / "o.json", "00000001", separate=False))
    with pytest.raises(InvalidInput):
        await disks.destroy(name)
    with pytest.raises(InvalidInput):
        await disks.ensure(name, OWNER)


# -- packages ---------------------------------------------------------------------------------------------------------


def test_added_packages_come_first_or_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ROOST_WORKLOAD", "ws-x")
    monkeypatch.delenv("ROOST_SAFE_MODE", raising=False)
    monkeypatch.setattr(sys, "path", ["/image"])
    folder = packages.user_packages()
    assert folder is not None
    packages.add_user_packages(first=False)
    assert sys.path == ["/image", str(folder)]
    monkeypatch.setattr(sys, "path", ["/image"])
    packages.add_user_packages()
    assert sys.path == [str(folder), "/image"]
    monkeypatch.setenv("ROOST_SAFE_MODE", "1")
    assert packages.user_packages() is None
    monkeypatch.delenv("ROOST_WORKLOAD")
    assert packages.user_packages() is None

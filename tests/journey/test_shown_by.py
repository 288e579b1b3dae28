"""What a person types first, from `make up` to a result of Dask, and what happens to their files after that."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.harness import eventually, processes_of
from tests.journey.made import MadePlatform

from roost.client.platform import Roost
from roost.client.transport import open_client

pytestmark = pytest.mark.image
SUM = "from roost import RoostCluster; c = RoostCluster(workers=2); "
SUM += "print(c.get_client().submit(sum, range(10)).result())"


@pytest.fixture(scope="module")
def demo(made: MadePlatform) -> dict[str, Any]:
    """`roost workspace create demo --wait --json`, as it answered."""
    told: dict[str, Any] = made.cli_json("workspace", "create", "demo", "--wait")
    return told


@pytest.fixture(scope="module")
def platform(made: MadePlatform) -> Iterator[Roost]:
    """The same platform through the SDK, for what is only looked at."""
    with Roost(made.url, made.token) as asked:
        yield asked


def inside(made: MadePlatform, name: str, *command: str) -> str:
    return made.cli("workspace", "exec", name, "--", *command).stdout.strip()


def status_of(url: str, token: str = "") -> int:
    """The status of an answer, asked for as curl does: names below localhost are this machine."""
    curl = shutil.which("curl")
    if curl is not None:
        header = ["-H", f"Authorization: Bearer {token}"] if token else []
        argv = [curl, "-s", "-o", os.devnull, "-w", "%{http_code}", "--noproxy", "*", *header, url]
        return int(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout)
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=30)
    headers = {"Host": parts.netloc, **({"Authorization": f"Bearer {token}"} if token else {})}
    connection.request("GET", parts.path, headers=headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_make_up_says_where_it_is_and_how_to_get_in(made: MadePlatform) -> None:
    assert status_of(f"{made.url}/healthz") == 200
    assert stat.S_IMODE((made.home / "token").stat().st_mode) == 0o600
    assert f"{made.url}/join/" in made.output
    eventually(lambda: f"Roost is ready at {made.url} " in made.output)


def test_a_workspace_answers_its_owner_and_nobody_else(made: MadePlatform, demo: dict[str, Any]) -> None:
    assert (demo["name"], demo["phase"]) == ("demo", "running")
    url = f"{demo['url'].rstrip('/')}/api/status"
    assert status_of(url, made.token) == 200
    assert status_of(url, "rst_" + "x" * 43) == 401
    assert status_of(url) in (302, 401)


def test_python_reaches_it_by_the_same_name(made: MadePlatform, demo: dict[str, Any]) -> None:
    with open_client(demo["url"], httpx.Timeout(10)) as client:
        answer = client.get("/api/status", headers={"Authorization": f"Bearer {made.token}"})
    assert answer.status_code == 200
    assert "kernels" in answer.json()


def test_a_cluster_from_inside_with_nothing_to_configure(
    made: MadePlatform, platform: Roost, demo: dict[str, Any]
) -> None:
    assert inside(made, demo["name"], "python", "-c", SUM) == "45"
    eventually(lambda: not list(platform.clusters.list()), what="the end of the cluster with its program")


def test_files_survive_stop_and_start(made: MadePlatform, demo: dict[str, Any]) -> None:
    inside(made, "demo", "sh", "-c", "echo kept > ~/note.txt")
    stopped = made.cli("workspace", "stop", "demo", "--wait")
    assert "demo is stopped." in stopped.stderr
    refused = made.cli("workspace", "exec", "demo", "--", "true", check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "hint: Start it: roost workspace start demo" in refused.stderr
    made.cli("workspace", "start", "demo", "--wait")
    assert inside(made, "demo", "sh", "-c", "cat ~/note.txt") == "kept"


def test_logs_live_and_after_the_end(made: MadePlatform, demo: dict[str, Any]) -> None:
    following = subprocess.Popen(
        [sys.executable, "-m", "roost", "workspace", "logs", "demo", "--follow"],
        env=made.environment,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert following.stdout is not None
    assert any("Jupyter Server" in line for line in following.stdout)  # while it runs
    made.cli("workspace", "stop", "demo", "--wait")
    rest = following.communicate(timeout=30)[0]
    assert following.returncode == 0
    assert "received signal 15" in rest
    assert "received signal 15" in made.cli("workspace", "logs", "demo").stdout
    made.cli("workspace", "start", "demo", "--wait")


def test_rename_and_restart(made: MadePlatform, platform: Roost) -> None:
    before = made.cli_json("workspace", "create", "churn", "--wait")
    after = made.cli_json("workspace", "rename", "churn", "Churn ☃")
    assert (after["name"], after["id"], after["url"]) == ("Churn ☃", before["id"], before["url"])
    assert after["generation"] == before["generation"]  # it went on running
    assert [each.name for each in platform.workspaces.list(search="churn")] == ["Churn ☃"]
    again = made.cli_json("workspace", "restart", "churn ☃", "--wait")
    assert again["phase"] == "running"
    assert again["generation"] > before["generation"]
    platform.workspaces.delete(before["id"])


def test_deleted_is_kept_restorable_and_destroyed_by_a_second_request_only(made: MadePlatform, platform: Roost) -> None:
    made.cli("workspace", "create", "old", "--wait")
    inside(made, "old", "sh", "-c", "echo precious > ~/data.txt")
    in_use = made.cli("volume", "delete", "old", "--confirm", "old", check=False)
    assert in_use.returncode == 1
    assert "is the home of old" in in_use.stderr
    made.cli("workspace", "delete", "old", "--wait")
    assert "old" not in [each.name for each in platform.workspaces.list()]
    [volume] = [each for each in platform.volumes.list() if each["name"] == "old"]
    assert volume["kept_until"] > volume["deleted_at"]

    made.cli("workspace", "restore", "old")
    made.cli("workspace", "start", "old", "--wait")
    assert inside(made, "old", "sh", "-c", "cat ~/data.txt") == "precious"

    made.cli("workspace", "delete", "old", "--wait")
    unconfirmed = made.cli("volume", "delete", "old", check=False)
    assert (unconfirmed.returncode, unconfirmed.stdout) == (2, "")
    assert made.cli("volume", "delete", "old", "--confirm", "other", check=False).returncode == 2
    directory = made.home / "volumes" / volume["id"]
    assert directory.exists()
    made.cli("volume", "delete", "old", "--confirm", "old")
    eventually(lambda: not directory.exists(), what="the end of the files")
    gone = made.cli("workspace", "restore", "old", check=False)
    assert gone.returncode == 1
    assert "The volume of old was destroyed." in gone.stderr


@pytest.mark.parametrize("script", ["sleep 1000", "echo begun; sleep 1000"], ids=["silent", "talking"])
def test_a_command_inside_ends_with_whoever_asked_for_it(made: MadePlatform, demo: dict[str, Any], script: str) -> None:
    def running() -> list[str]:
        return [line for line in processes_of(made.home).values() if line == "sleep 1000"]

    asking = subprocess.Popen(
        [sys.executable, "-m", "roost", "workspace", "exec", "demo", "--", "sh", "-c", script],
        env=made.environment,
        stdout=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    eventually(running, what="the command")
    asking.send_signal(signal.SIGINT)
    assert asking.wait(timeout=10) == 130
    eventually(lambda: not running(), what="the end of the command")


def test_workloads_outlive_ctrl_c_and_are_found_again(
    made: MadePlatform, platform: Roost, demo: dict[str, Any]
) -> None:
    before = platform.workspaces.get("demo")
    made.interrupt()
    made.start()
    after = platform.workspaces.wait("demo", "running")
    same = ("id", "generation", "started_at")
    assert [after.json[key] for key in same] == [before.json[key] for key in same]
    assert status_of(f"{demo['url'].rstrip('/')}/api/status", made.token) == 200

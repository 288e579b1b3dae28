"""Who reaches a cluster and who does not, how long it lives unused, and what it needs to be alike."""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from tests.client.dask_parts import SOURCES
from tests.client.notebook import Notebook
from tests.harness import Platform, eventually, processes_of

from roost.client.platform import Roost
from roost.client.transport import open_client
from roost.client.values import Workload

pytestmark = pytest.mark.image
PAGES = ("/", "/json/identity.json", "/metrics", "/status", "/health", "/sitemap.json")


@pytest.fixture(scope="module")
def platform(running: Platform) -> Iterator[Roost]:
    with Roost(running.url, running.token) as asked:
        yield asked


@pytest.fixture(scope="module")
def forgotten(platform: Roost) -> Workload:
    """A cluster nobody connects to, that may be unused for a second; made first, for the rule begins after a while."""
    return platform.clusters.create("forgotten", workers=1, size="512mb", idle_timeout_s=1)


@pytest.fixture(scope="module")
def extended(platform: Roost, forgotten: Workload) -> Workload:
    """The same, except that somebody asked to keep it."""
    made = platform.clusters.create("extended", workers=1, size="512mb", idle_timeout_s=1)
    return platform.clusters.extend(made.id, 4)


@pytest.fixture(scope="module")
def cluster(platform: Roost, extended: Workload) -> Iterator[Workload]:
    """A running cluster of two workers."""
    made = platform.clusters.create("guarded", workers=2, size="512mb")
    eventually(lambda: platform.clusters.get(made.id).workers_ready == 2, what="two workers")
    yield platform.clusters.get(made.id)
    platform.clusters.delete(made.id)


def test_no_tcp_port_of_scheduler_or_worker_answers_http(
    running: Platform, platform: Roost, cluster: Workload, tmp_path: Path
) -> None:
    """TLS does not cover Dask's HTTP servers, so they must not listen on TCP at all: not even for the certificate."""
    listeners = {
        (pid, socket.laddr.ip, socket.laddr.port)
        for pid in processes_of(running.home)
        for socket in psutil.Process(pid).net_connections("inet")
        if socket.status == psutil.CONN_LISTEN and "dask" in " ".join(psutil.Process(pid).cmdline())
    }
    assert all(address == "127.0.0.1" for _, address, _ in listeners)
    port = int(cluster.scheduler_address.rpartition(":")[2])
    assert port in {port for _, _, port in listeners}
    assert len({pid for pid, _, _ in listeners}) == len(listeners) >= 3  # one port each, two workers at least
    context = certified(platform, cluster, tmp_path)
    for _, address, listening in listeners:
        for scheme in ("http", "https"):
            for page in PAGES:
                with pytest.raises(httpx.TransportError):
                    httpx.get(f"{scheme}://{address}:{listening}{page}", verify=context, timeout=2, trust_env=False)


def certified(platform: Roost, cluster: Workload, directory: Path) -> ssl.SSLContext:
    """TLS with the certificate of the cluster's owner."""
    found = platform.clusters.credentials(cluster.id)
    for name, content in (("ca", found.ca), ("cert", found.certificate), ("key", found.key)):
        (directory / name).write_text(content)
    context = ssl.create_default_context(cadata=found.ca)
    context.check_hostname = False
    context.load_cert_chain(directory / "cert", directory / "key")
    return context


def test_the_dashboard_is_behind_the_login(running: Platform, platform: Roost, cluster: Workload) -> None:
    with open_client(cluster.url, httpx.Timeout(10)) as client:
        mine = client.get("/status", headers={"Authorization": f"Bearer {running.token}"})
        assert mine.status_code == 200
        assert "Dask" in mine.text
        for path in ("/status", "/metrics", "/json/identity.json", "/info/main/workers.html"):
            assert client.get(path).status_code in (302, 401)
            assert client.get(path, headers={"Authorization": f"Bearer rst_{'x' * 43}"}).status_code == 401


def test_somebody_elses_token_opens_neither_dashboard_nor_credentials(
    running: Platform, platform: Roost, cluster: Workload
) -> None:
    link = platform.people.invite(role="member")["url"]
    with open_client(running.url, httpx.Timeout(30)) as browser:
        form = {"name": "eve", "password": "a long enough password"}
        joined = browser.post(link, data=form, headers={"Origin": running.url})
        assert joined.status_code == 303, joined.text
        cookie = joined.headers["set-cookie"].partition(";")[0]
        with open_client(cluster.url, httpx.Timeout(10)) as client:
            assert client.get("/status", headers={"Cookie": cookie}).status_code in (302, 401)
        for path in (f"/api/v1/clusters/{cluster.id}", f"/api/v1/clusters/{cluster.id}/credentials"):
            answer = browser.get(path, headers={"Cookie": cookie})
            assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


def test_versions_that_differ_are_refused_with_both_named(notebook: Notebook, tmp_path: Path) -> None:
    other = tmp_path / "dask-1.2.3.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: dask\nVersion: 1.2.3\n")
    code = """
        import json
        try:
            RoostCluster(workers=1, size="512mb", name="unlike")
        except RoostError as error:
            print(json.dumps([error.message, error.hint]))
    """
    message, hint = json.loads(notebook.run(code, PYTHONPATH=f"{tmp_path}:{SOURCES}"))
    assert message.startswith("The cluster and this workspace differ: dask is 1.2.3 here and 20")
    assert "image" in hint
    assert "unlike" not in notebook.clusters()
    code = """
        with RoostCluster(workers=1, size="512mb", check_versions=False) as cluster, cluster.get_client() as client:
            print(client.submit(sum, [1, 2]).result())
    """
    assert notebook.run(code, PYTHONPATH=f"{tmp_path}:{SOURCES}") == "3"


def test_it_shows_itself_in_a_notebook(notebook: Notebook) -> None:
    code = """
        from ipywidgets import Widget
        with RoostCluster(workers=2, size="512mb") as cluster:
            until(lambda: names(cluster) == [0, 1])
            html = cluster._repr_html_()
            assert cluster.dashboard_link in html and cluster.name in html
            widget = cluster._widget()
            assert isinstance(widget, Widget)
            assert "Workers" in cluster._scaling_status()
            print("shown")
    """
    assert notebook.run(code).splitlines()[-1] == "shown"


def test_a_cluster_without_a_client_stops_and_says_why(
    running: Platform, platform: Roost, forgotten: Workload, extended: Workload
) -> None:
    def phase() -> str:
        return platform.clusters.get(forgotten.id).phase

    # A minute after its start the platform begins to stop things: what nobody reported yet is not idle.
    eventually(lambda: phase() == "stopped", within_s=100, what="the end of the forgotten cluster")
    stopped = platform.clusters.get(forgotten.id)
    assert stopped.wanted == "stopped"
    assert re.fullmatch(r"Stopped after .+ without a client\.", stopped.reason)
    assert stopped.reason in running.cli("cluster", "events", "forgotten").stdout
    kept = platform.clusters.get(extended.id)
    assert (kept.phase, kept.wanted) == ("running", "running")
    assert "Kept running as asked" in kept.json["idle"]["why"]
    for each in (forgotten, extended):
        platform.clusters.delete(each.id)

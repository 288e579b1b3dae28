"""`RoostCluster` on a real platform: from the constructor to the first result, and every way to end."""

from __future__ import annotations

import json

import pytest
from tests.client.notebook import Notebook
from tests.harness import eventually

pytestmark = pytest.mark.image


def test_the_first_result_comes_quickly(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    code = """
        took = []
        for _ in range(5):
            began = time.perf_counter()
            with RoostCluster(workers=2) as cluster, cluster.get_client() as client:
                assert client.submit(sum, range(10)).result() == 45
                took.append(time.perf_counter() - began)
                assert client.cluster is cluster
                assert cluster.dashboard_link.endswith("/status")
                assert cluster.dashboard_link == client.dashboard_link
                assert "RoostCluster" in repr(cluster) and "RoostCluster" in cluster._repr_html_()
        print(sorted(took)[len(took) // 2])
    """
    median_s = float(notebook.run(code))
    with capsys.disabled():
        print(f" constructor to first result: {median_s:.2f} s")


def test_results_survive_scaling_down(notebook: Notebook) -> None:
    code = """
        with RoostCluster(workers=3) as cluster, Client(cluster) as client:
            until(lambda: names(cluster) == [0, 1, 2])
            futures = client.map(lambda n: bytes(n), range(30), pure=False)
            client.gather(futures)
            keep = client.submit(len, b"12345", workers=[2], pure=False)
            keep.result()
            cluster.scale(1)
            until(lambda: names(cluster) == [0])
            assert keep.status == "finished" and keep.result() == 5
            assert sum(map(len, client.gather(futures))) == sum(range(30))
            cluster.scale(2)
            until(lambda: names(cluster) == [0, 1])
            print("kept", cluster.get_logs().keys() >= {"Cluster", "Scheduler"})
    """
    assert notebook.run(code) == "kept True"


def test_adaptive_scaling_follows_the_work(notebook: Notebook) -> None:
    code = """
        with RoostCluster(workers=1, adaptive=(1, 3)) as cluster, Client(cluster) as client:
            cluster.adapt(minimum=1, maximum=3, interval="100ms", wait_count=2, target_duration="500ms")
            futures = client.map(lambda n: time.sleep(0.2) or n, range(30))
            until(lambda: names(cluster) == [0, 1, 2])
            assert sum(client.gather(futures)) == sum(range(30))
            until(lambda: names(cluster) == [0])
            print(sum(client.gather(futures)))
    """
    assert notebook.run(code) == str(sum(range(30)))


def test_asynchronous_use(notebook: Notebook) -> None:
    code = """
        async def main():
            async with RoostCluster(workers=1, asynchronous=True) as cluster:
                async with Client(cluster, asynchronous=True) as client:
                    print(await client.submit(sum, [1, 2]))
                    await cluster.scale(2)
                    print(sorted(cluster.plan))
            await cluster.close()

        asyncio.run(main())

        async def like_a_notebook():  # a loop runs in this thread already
            with RoostCluster(workers=1) as cluster:
                print(len(cluster.plan))

        asyncio.run(like_a_notebook())
    """
    assert notebook.run(code).split() == ["3", "[0,", "1]", "1"]


def test_closing_ends_the_cluster_once(notebook: Notebook) -> None:
    code = """
        cluster = RoostCluster(workers=1, name="closing")
        cluster.close()
        cluster.close()
        print(cluster.status.name)
    """
    assert notebook.run(code) == "closed"
    assert "closing" not in notebook.clusters()


def test_the_end_of_the_program_ends_the_cluster(notebook: Notebook) -> None:
    assert notebook.run("cluster = RoostCluster(workers=1, name='forgotten'); print(cluster.name)") == "forgotten"
    assert "forgotten" not in notebook.clusters()


def test_a_cluster_can_stay_and_be_joined(notebook: Notebook) -> None:
    code = """
        with RoostCluster(workers=1, name="staying", shutdown_on_close=False) as cluster:
            print(cluster.id)
    """
    id = notebook.run(code)
    code = """
        with RoostCluster.from_name("staying") as cluster, Client(cluster) as client:
            print(cluster.id, client.submit(sum, [4, 5]).result())
    """
    assert notebook.run(code).split() == [id, "9"]
    assert "staying" in notebook.clusters()
    notebook.platform.cli("cluster", "stop", "staying", "--wait")
    code = """
        try:
            RoostCluster.from_name("staying")
        except RoostError as error:
            print(error.hint)
    """
    assert notebook.run(code) == "Start it with `roost cluster start staying`."
    notebook.platform.cli("cluster", "delete", "staying")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("workers=-1", "workers is -1."),
        ("workers=10_000", "workers is 10000."),
        ("workers='two'", "workers is 'two'."),
        ("workers=True", "workers is True."),
        ("workers=2, size='enormous'", "enormous"),
        ("adaptive=(1, -2)", "adaptive is -2."),
    ],
)
def test_what_cannot_be_says_so_and_leaves_nothing(notebook: Notebook, arguments: str, says: str) -> None:
    code = f"""
        import json
        try:
            RoostCluster({arguments})
        except RoostError as error:
            print(json.dumps([error.message, error.hint, error.subject]))
    """
    before = notebook.clusters()
    message, hint, subject = json.loads(notebook.run(code))
    assert says in message + subject
    assert hint
    assert notebook.clusters() == before


def test_a_name_that_exists_is_refused(notebook: Notebook) -> None:
    code = """
        with RoostCluster(workers=1, name="twice"):
            try:
                RoostCluster(workers=1, name="twice")
            except RoostError as error:
                print(error.code)
    """
    assert notebook.run(code) == "name-exists"


def test_outside_a_workspace_it_refuses(notebook: Notebook) -> None:
    code = """
        try:
            RoostCluster()
        except RoostError as error:
            print(error.hint)
    """
    assert "roost workspace exec" in notebook.run(code, ROOST_WORKLOAD="")


def test_another_persons_credentials_do_not_open_it(notebook: Notebook) -> None:
    """Two clusters have authorities of their own: the certificate of one is nothing to the other."""
    code = """
        with RoostCluster(workers=1) as first, RoostCluster(workers=1) as second:
            try:
                Client(second.scheduler_address, security=first.security, timeout="2s")
            except OSError:
                print("refused")
    """
    assert notebook.run(code) == "refused"


def test_it_works_inside_a_workspace_with_nothing_to_configure(notebook: Notebook) -> None:
    running = notebook.platform
    running.cli("workspace", "create", "demo", "--wait")
    code = "from roost import RoostCluster; c = RoostCluster(workers=2); "
    code += "print(c.get_client().submit(sum, range(10)).result())"
    assert running.cli("workspace", "exec", "demo", "--", "python", "-c", code).stdout.strip() == "45"
    eventually(lambda: not [name for name in notebook.clusters() if name.startswith("dask-")])

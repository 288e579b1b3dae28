"""The scheduler and worker programs: who gets in, what listens, what they tell the runtime."""

from __future__ import annotations

import json
import re
import socket
import ssl
import stat
import time
from pathlib import Path

import httpx
import psutil
import pytest
from tests.client.dask_parts import DaskParts, write_certificates
from tests.harness import eventually, free_port
from websockets.asyncio.client import unix_connect

pytestmark = pytest.mark.image

REFUSED = """
try:
    Client(ADDRESS, security=SECURITY, timeout="3s")
except OSError as error:
    print("refused")
else:
    print("let in")
"""


def pages(parts: DaskParts) -> httpx.Client:
    return httpx.Client(
        transport=httpx.HTTPTransport(uds=str(parts.http_socket)), base_url="http://cl-a.roost.localhost:8000"
    )


def listening(pid: int) -> set[tuple[str, int]]:
    found = psutil.Process(pid).net_connections("inet")
    return {(each.laddr.ip, each.laddr.port) for each in found if each.status == psutil.CONN_LISTEN}


def test_a_client_with_a_certificate_computes(dask_parts: DaskParts) -> None:
    code = """
        with Client(ADDRESS, security=SECURITY) as client:
            workers = client.scheduler_info()["workers"].values()
            print(client.submit(sum, range(10)).result(), sorted(worker["name"] for worker in workers))
    """
    assert dask_parts.run(code) == "45 [0, 1]"


def test_a_client_with_a_foreign_certificate_is_refused(dask_parts: DaskParts, tmp_path: Path) -> None:
    assert dask_parts.run(REFUSED, files=write_certificates(tmp_path / "foreign")) == "refused"


def test_a_client_that_knows_the_authority_but_has_no_certificate_is_refused(dask_parts: DaskParts) -> None:
    context = ssl.create_default_context(cadata=(dask_parts.files / "ca.pem").read_text())
    context.check_hostname = False
    with (
        socket.create_connection(("127.0.0.1", dask_parts.port), timeout=5) as plain,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
        context.wrap_socket(plain) as encrypted,
    ):
        encrypted.recv(1)  # in TLS 1.3 the refusal comes with the first read


def test_a_client_without_encryption_is_refused(dask_parts: DaskParts) -> None:
    code = """
        try:
            Client(ADDRESS.replace("tls:", "tcp:"), security=Security(require_encryption=False), timeout="3s")
        except OSError:
            print("refused")
    """
    assert dask_parts.run(code) == "refused"


def test_nothing_listens_but_the_encrypted_port(dask_parts: DaskParts) -> None:
    assert listening(dask_parts.processes["scheduler"].pid) == {("127.0.0.1", dask_parts.port)}
    for index in range(2):
        pid, port = dask_parts.processes[f"worker-{index}"].pid, dask_parts.worker_port(index)
        assert listening(pid) == {("127.0.0.1", port)}


@pytest.mark.parametrize("path", ["/json/identity.json", "/metrics", "/status", "/health"])
def test_pages_are_not_reachable_over_tcp(dask_parts: DaskParts, path: str) -> None:
    context = ssl.create_default_context(cadata=(dask_parts.files / "ca.pem").read_text())
    context.check_hostname = False
    context.load_cert_chain(dask_parts.files / "cert.pem", dask_parts.files / "key.pem")
    ports = [dask_parts.worker_port(index) for index in range(2)]
    for port in (dask_parts.port, *ports):
        for scheme in ("http", "https"):  # over TLS even with a good certificate
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{scheme}://127.0.0.1:{port}{path}", verify=context, timeout=2, trust_env=False)


def test_pages_are_served_on_a_private_socket(dask_parts: DaskParts) -> None:
    assert stat.S_IMODE(dask_parts.http_socket.stat().st_mode) == 0o600
    with pages(dask_parts) as client:
        assert client.get("/").status_code in (301, 302)
        for path in ("/status", "/metrics", "/health", "/info/main/workers.html", "/statics/css/base.css"):
            assert client.get(path).status_code == 200, path


async def test_the_dashboard_is_live_through_the_host_of_the_data_plane(dask_parts: DaskParts) -> None:
    with pages(dask_parts) as client:
        token = re.search(r'"token":"([^"]+)"', client.get("/status").text)
    assert token is not None
    connecting = unix_connect(
        str(dask_parts.http_socket),
        uri="ws://cl-a.roost.localhost:8000/status/ws",
        origin="http://cl-a.roost.localhost:8000",
        subprotocols=["bokeh", token[1]],
        proxy=None,
    )
    async with connecting as websocket:
        header = json.loads(await websocket.recv())
    assert header["msgtype"] == "ACK"


def test_connected_clients_are_told_to_the_runtime(dask_parts: DaskParts) -> None:
    file = dask_parts.addresses("scheduler") / "clients"
    eventually(lambda: json.loads(file.read_text())["clients"] == 0)
    before = json.loads(file.read_text())["last_client_us"]
    code = """
        import json
        with Client(ADDRESS, security=SECURITY):
            print(json.loads(Path(os.environ["CLIENTS"]).read_text())["clients"])
    """
    assert dask_parts.run(code, CLIENTS=str(file)) == "1"
    eventually(lambda: json.loads(file.read_text())["clients"] == 0)
    assert json.loads(file.read_text())["last_client_us"] > before


def test_a_worker_has_the_limits_of_its_size(dask_parts: DaskParts) -> None:
    code = """
        with Client(ADDRESS, security=SECURITY) as client:
            worker = next(iter(client.scheduler_info()["workers"].values()))
            here = worker["local_directory"].startswith(os.environ["SCRATCH"])
            print(worker["nthreads"], worker["memory_limit"], here)
    """
    assert dask_parts.run(code, SCRATCH=str(dask_parts.directory)) == f"2 {2**29} True"


def test_parts_end_politely_and_a_worker_follows_its_scheduler(image_python: Path, short_directory: Path) -> None:
    parts = DaskParts(image_python, short_directory / "ending", short_directory / "files")
    parts.directory.mkdir()
    try:
        parts.start_scheduler()
        parts.start_worker(0)
        parts.start_worker(1)
        assert parts.stop("worker-1") == 0
        assert parts.stop("scheduler") == 0
        assert parts.processes.pop("worker-0").wait(timeout=20) == 1
    finally:
        parts.close()


def test_a_worker_that_is_still_looking_for_its_scheduler_ends_at_once(
    image_python: Path, short_directory: Path
) -> None:
    parts = DaskParts(image_python, short_directory / "lost", short_directory / "files")
    parts.directory.mkdir()
    try:
        parts.launch("worker-0", "dask_worker", ROOST_DASK_SCHEDULER=f"tls://127.0.0.1:{free_port()}")
        log = parts.directory / "worker-0.log"
        eventually(lambda: "Waiting to connect" in log.read_text(), what="the worker looking for its scheduler")
        began = time.monotonic()
        assert parts.stop("worker-0") == 0
        assert time.monotonic() - began < 10
    finally:
        parts.close()


def test_two_cluster_objects_both_hear_of_workers(dask_parts: DaskParts) -> None:
    code = """
        import asyncio
        from distributed.core import rpc
        from distributed.deploy import Cluster

        async def join():
            cluster = Cluster(asynchronous=True, quiet=True)
            cluster.scheduler_comm = rpc(ADDRESS, connection_args=SECURITY.get_connection_args("client"))
            await cluster._start()
            return cluster

        async def main():
            first, second = await join(), await join()
            await second._close()
            await first.scheduler_comm.retire_workers(names=[2], close_workers=True)
            for _ in range(100):
                if len(first.observed) == 2:
                    break
                await asyncio.sleep(0.05)
            print(sorted(first.observed))
            await first._close()

        asyncio.run(main())
    """
    dask_parts.start_worker(2)
    assert dask_parts.run(code) == "[0, 1]"

"""JupyterLab as people get it from the local runtime."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
import signal
import zipfile
from pathlib import Path

import pytest
import websockets
from tests.runtimes.conftest import OWNER, LabServer, in_it, start_lab, workspace

from roost.runtimes.local.runtime import LocalRuntime

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.image]

NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [], "source": "print(6*7)"}
    ],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


async def test_it_is_up_in_a_moment(warm_runtime: LocalRuntime) -> None:
    took = []
    for _ in range(3):
        began = asyncio.get_running_loop().time()
        server = await start_lab(warm_runtime, workspace())
        took.append(asyncio.get_running_loop().time() - began)
        await server.client.aclose()
        await warm_runtime.delete(server.workload.id, grace_s=1)
    assert min(took) < 0.5, f"a fork is a matter of 0.2 s, executing of 3 s: {took}"


async def test_the_first_cell_answers_at_once(warm_runtime: LocalRuntime) -> None:
    took = []
    for _ in range(3):
        server = await start_lab(warm_runtime, workspace())
        began = asyncio.get_running_loop().time()
        kernel = await server.start_kernel()
        assert await kernel.run("print('hello')") == "hello\n"
        took.append(asyncio.get_running_loop().time() - began)
        await kernel.connection.close()
        await server.client.aclose()
        await warm_runtime.delete(server.workload.id, grace_s=1)
    assert min(took) < 0.3, took


async def test_status_needs_no_token_and_pages_come(lab: LabServer) -> None:
    assert (await lab.client.get("/api/status")).status_code == 200
    assert (await lab.client.get("/lab")).status_code == 200
    assert (await lab.client.get("/", follow_redirects=False)).headers["location"] == "/lab?"


async def test_its_settings_are_kept_in_the_home(lab: LabServer) -> None:
    path = "/lab/api/settings/@jupyterlab/apputils-extension:themes"
    raw = json.dumps({"theme": "JupyterLab Dark"})
    assert (await lab.client.put(path, content=json.dumps({"raw": raw}))).status_code == 204
    kept = list((lab.home / ".jupyter/lab/user-settings").rglob("themes.jupyterlab-settings"))
    assert len(kept) == 1


async def test_nothing_asks_for_news_or_updates(lab: LabServer) -> None:
    page = (await lab.client.get("/lab")).text
    config = json.loads(page.split('id="jupyter-config-data" type="application/json">')[1].split("</script>")[0])
    assert config.get("news", {}).get("disabled", True)
    found = await lab.client.get("/lab/api/settings/@jupyterlab/apputils-extension:notification")
    defaults = found.json()["schema"]["properties"]
    assert (defaults["fetchNews"]["default"], defaults["checkForUpdates"]["default"]) == ("false", False)


async def test_a_kernel_is_forked_and_listens_on_no_port(lab: LabServer) -> None:
    kernel = await lab.start_kernel()
    pid = int(await kernel.run("import os; print(os.getpid())"))
    title = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0")
    assert title == f"roost-kernel {lab.workload.id}", "it was executed, not forked"
    # The one it has takes what its own subprocesses print, signed; it tells nobody anything.
    pipe = int(await kernel.run("import sys; print(sys.stdout.pub_thread._pipe_port)"))
    assert set(_tcp_listeners(pid)) <= {pipe}
    assert "ipc" in await kernel.run(
        "from ipykernel.kernelapp import IPKernelApp; print(IPKernelApp.instance().transport)"
    )
    await kernel.end()


def _tcp_listeners(pid: int) -> list[int]:
    inodes = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return [int(row[1].rpartition(":")[2], 16) for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in inodes]


async def test_a_kernel_is_interrupted_restarted_and_found_dead(lab: LabServer) -> None:
    kernel = await lab.start_kernel()
    first = await kernel.run("import os; print(os.getpid())")
    cell = await kernel.ask("import time\nfor _ in range(600): time.sleep(0.1)")
    await asyncio.sleep(0.5)
    assert (await lab.client.post(f"/api/kernels/{kernel.id}/interrupt")).status_code == 204
    assert "KeyboardInterrupt" in await kernel.answer(cell)
    assert (await lab.client.post(f"/api/kernels/{kernel.id}/restart")).status_code == 200
    await kernel.reconnect()
    second = await kernel.run("import os; print(os.getpid())")
    assert second != first
    os.kill(int(second), signal.SIGKILL)
    async with asyncio.timeout(30):
        while True:  # Jupyter notices and starts another one
            try:
                third = await asyncio.wait_for(kernel.run("import os; print(os.getpid())"), 3)
            except TimeoutError:
                continue
            if third.strip() and third != second:
                break
    await kernel.end()
    assert not Path(f"/proc/{third.strip()}").exists() or _is_zombie(int(third))


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def test_kernels_outlive_their_parent_and_the_next_is_executed(warm_runtime: LocalRuntime) -> None:
    server = await start_lab(warm_runtime, workspace())
    kernel = await server.start_kernel()
    pid, parent = map(int, (await kernel.run("import os; print(os.getpid(), os.getppid())")).split())
    os.kill(parent, signal.SIGKILL)
    await asyncio.sleep(0.3)
    assert int(await kernel.run("import os; print(os.getpid())")) == pid
    other = await server.start_kernel()
    assert await other.run("print('executed')") == "executed\n"
    await warm_runtime.delete(server.workload.id, grace_s=1)
    assert not Path(f"/proc/{pid}").exists(), "the end of Lab is the end of its kernels"
    await server.client.aclose()


async def test_random_numbers_differ_between_kernels(lab: LabServer) -> None:
    code = "import random, uuid, os; print(random.random(), uuid.uuid4(), os.urandom(4).hex())"
    one, two = await lab.start_kernel(), await lab.start_kernel()
    assert set((await one.run(code)).split()).isdisjoint((await two.run(code)).split())
    await one.end()
    await two.end()


async def test_the_tools_of_a_notebook_work(lab: LabServer) -> None:
    kernel = await lab.start_kernel()
    code = (
        "import numpy, pandas, sklearn, bokeh, plotly.graph_objects as go, ipywidgets, matplotlib.pyplot as plt\n"
        "from roost import RoostCluster\n"
        "go.Figure(data=go.Bar(y=[1, 2]))._repr_mimebundle_()\n"
        "plt.plot([1, 2]); print(pandas.DataFrame({'a': [1]}).a.sum())"
    )
    assert await kernel.run(code) == "1\n"
    await kernel.end()


async def test_a_package_added_with_pip_goes_to_the_home(lab: LabServer) -> None:
    wheel = lab.home / "tiny-1.0-py3-none-any.whl"
    about = "tiny-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny.py", "answer = 42\n")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\nRequires-Dist: numpy\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    wheel.chmod(0o644)
    kernel = await lab.start_kernel()
    said = await kernel.run(f"%pip install --no-index --disable-pip-version-check {wheel}")
    assert "Successfully installed tiny-1.0" in said, "NumPy of the image is enough for it"
    assert await kernel.run("import tiny; print(tiny.answer, tiny.__file__)") == (
        f"42 {lab.home}/.local/lib/{_python(lab)}/site-packages/tiny.py\n"
    )
    code, said = await in_it(lab.runtime, lab.workload.id, "lab", "python", "-c", "import tiny; print(tiny.answer)")
    assert (code, said) == (0, "42\n")
    await kernel.end()


async def test_a_kernel_that_waits_is_busy(lab: LabServer) -> None:
    """It uses no processor; the rule that stops idle workspaces must know it all the same."""

    async def busy() -> int | None:
        seen = (await lab.runtime.observe())[lab.workload.id]
        return seen.instances[0].evidence.get("busy_kernels")

    kernel = await lab.start_kernel()
    waiting = asyncio.create_task(kernel.run("import time; time.sleep(5); print('done')"))
    async with asyncio.timeout(30):
        while await busy() != 1:  # noqa: ASYNC110  a file says it, nothing wakes us
            await asyncio.sleep(0.1)
        assert await waiting == "done\n"
        while await busy() != 0:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await kernel.end()


def _python(lab: LabServer) -> str:
    return next((lab.runtime.builder.path("default") / "lib").glob("python3.*")).name


async def test_another_port_is_reached_through_lab(lab: LabServer) -> None:
    kernel = await lab.start_kernel()
    serve = (
        "import http.server, threading\n"
        "class Hello(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'from the port')\n"
        "    def log_message(self, *_): pass\n"
        "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Hello)\n"
        "threading.Thread(target=server.serve_forever, daemon=True).start(); print(server.server_address[1])"
    )
    port = int(await kernel.run(serve))
    answer = await lab.client.get(f"/proxy/{port}/")
    assert (answer.status_code, answer.text) == (200, "from the port")
    await kernel.end()


async def test_voila_renders_a_notebook(lab: LabServer) -> None:
    assert (await lab.client.put("/api/contents/app.ipynb", json={"type": "notebook", "content": NOTEBOOK})).is_success
    answer = await lab.client.get("/voila/render/app.ipynb")
    assert answer.status_code == 200
    assert "42" in answer.text


async def test_a_terminal_has_the_image_on_its_path(lab: LabServer) -> None:
    name = (await lab.client.post("/api/terminals")).json()["name"]
    uri = f"ws://lab.roost.localhost:8000/terminals/websocket/{name}"
    async with websockets.unix_connect(lab.socket, uri) as connection:
        await connection.send(json.dumps(["stdin", "echo $((41+1)) $(id -un) $(command -v python) $ROOST_WORKLOAD\r"]))
        said = ""
        async with asyncio.timeout(15):
            while "42 " not in said or lab.workload.id not in said:
                said += str(json.loads(await connection.recv())[1:])
    name = "roost" if lab.runtime.owners.uid(OWNER) >= 0 else getpass.getuser()
    assert f"42 {name} {lab.runtime.settings.images}" in said
    await lab.client.delete(f"/api/terminals/{name}")


async def test_a_websocket_of_another_origin_is_refused(lab: LabServer) -> None:
    kernel = await lab.start_kernel()
    uri = f"ws://lab.roost.localhost:8000/api/kernels/{kernel.id}/channels"
    with pytest.raises(websockets.InvalidStatus):
        await websockets.unix_connect(lab.socket, uri, origin=websockets.Origin("http://evil.roost.localhost:8000"))
    good = await websockets.unix_connect(lab.socket, uri, origin=websockets.Origin("http://lab.roost.localhost:8000"))
    await good.close()
    await kernel.end()


async def test_the_owner_of_the_home_is_the_owner(lab: LabServer) -> None:
    uid = lab.runtime.owners.uid(OWNER)
    wanted = uid if uid >= 0 else os.getuid()
    assert lab.home.stat().st_uid == wanted
    assert Path(lab.socket).stat().st_uid == wanted
    assert Path(lab.socket).stat().st_mode & 0o777 == 0o600

"""JupyterHub with configurable-http-proxy on loopback, as its documentation sets it up for one machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.asking import Address
from benchmarks.peers import Missing, Peers
from benchmarks.processes import Failed, free_port, running, session_of, wait_for

_CONFIGURATION = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub_port}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{proxy_port}"
c.ConfigurableHTTPProxy.command = [{proxy!r}]
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {token!r}
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.Spawner.args = {arguments!r}
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.JupyterHub.concurrent_spawn_limit = 0
c.JupyterHub.active_server_limit = 0
c.JupyterHub.services = [{{"name": "bench", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{"name": "bench", "services": ["bench"], "scopes": ["admin:users", "admin:servers", "access:servers"]}}
]
{more}
"""
STUB = Path(__file__).resolve().parent / "stubs" / "server.c"
_MANY_USERS = """
import sys
from jupyterhub import orm
session = orm.new_session_factory(sys.argv[1])()
role = orm.Role.find(session, "user")
session.add_all([orm.User(name=f"person-{i:05}", roles=[role]) for i in range(int(sys.argv[2]))])
session.commit()
"""


@dataclass(frozen=True)
class Hub:
    """A running hub; `address` carries a token that may do everything the measurements need."""

    address: Address
    directory: Path
    pid: int

    @property
    def pids(self) -> list[int]:
        """The hub and its proxy, without users' servers."""
        return session_of(self.pid)

    def add_people(self, count: int) -> None:
        """Make people `person-00000` and so on."""
        answer = self.address.ask("POST", "/hub/api/users", {"usernames": [person(i) for i in range(count)]})
        if answer.status != 201:
            raise Failed(f"JupyterHub made no people: {answer.status} {answer.body[:200]!r}")

    def stop_server(self, name: str) -> None:
        """Stop a server and wait until it is gone."""
        user = f"/hub/api/users/{name}"

        def asked() -> bool:
            return self.address.ask("DELETE", f"{user}/server").status in (204, 400, 404)

        def gone() -> bool:
            return not self.address.ask("GET", user).json.get("servers")

        wait_for(asked, within_s=60, every_s=0.2, what="stopping a server")
        wait_for(gone, within_s=60, every_s=0.2, what="the end of a server")


def person(number: int) -> str:
    """The name of a person of the benchmark."""
    return f"person-{number:05}"


@contextlib.contextmanager
def hub(peers: Peers, directory: Path, *, stub: bool = False) -> Iterator[Hub]:
    """A hub that answers; `stub` replaces JupyterLab by a program that does nothing but answer."""
    directory.mkdir(parents=True, exist_ok=True)
    port, hub_port, proxy_port = free_port(), free_port(), free_port()
    token = secrets.token_hex(16)
    arguments = ["--allow-root"] if os.geteuid() == 0 else []
    more = f"c.Spawner.cmd = [{str(stub_program(directory))!r}]\nc.Spawner.args = []" if stub else ""
    configuration = _CONFIGURATION.format(
        port=port,
        hub_port=hub_port,
        proxy_port=proxy_port,
        proxy=str(peers.proxy),
        token=token,
        arguments=arguments,
        homes=str(directory / "homes" / "{username}"),
        more=more,
    )
    (directory / "homes").mkdir(exist_ok=True)
    (directory / "jupyterhub_config.py").write_text(configuration)
    log = directory / "hub.log"
    environment = {"PATH": f"{peers.hub}:{os.environ['PATH']}"}
    command = [str(peers.hub / "jupyterhub"), "-f", "jupyterhub_config.py"]
    with running(command, log=log, directory=directory, environment=environment) as process:
        address = Address(port, host="127.0.0.1", token=token, scheme="token")
        wait_for(
            lambda: process.poll() is not None or address.ask("GET", "/hub/login").status == 200,
            within_s=60,
            what="the login page of JupyterHub",
            log=log,
        )
        if process.poll() is not None:
            raise Failed(f"JupyterHub ended: {log.read_text()[-2000:]}")
        yield Hub(address, directory, process.pid)


def stub_program(directory: Path) -> Path:
    """The cheapest program a spawner can wait for."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Missing("The stub of JupyterHub's servers needs a C compiler (apt-get install gcc libc6-dev).")
    program = directory / "stub"
    subprocess.run([compiler, "-O2", "-w", "-o", str(program), str(STUB)], check=True)
    return program


def fill(peers: Peers, directory: Path, count: int) -> None:
    """Put people into the database of a hub that does not run."""
    script = [str(peers.hub / "python"), "-c", _MANY_USERS, f"sqlite:///{directory}/jupyterhub.sqlite", str(count)]
    subprocess.run(script, check=True, stdin=subprocess.DEVNULL)

"""The peers, as their users install them: from the registries, into a cache outside the clone.

JupyterHub with JupyterLab and configurable-http-proxy, dask-gateway with its local backend. JupyterLab and Dask have
the versions of Roost's default image, so that a ratio says something about the platforms alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

JUPYTERHUB = "6.1.1"
PROXY = "5.3.0"  # configurable-http-proxy
DASK_GATEWAY = "2026.3.0"
_SAME_AS_IMAGE = {"jupyterhub": ("jupyterlab", "jupyter-server"), "gateway": ("dask", "distributed")}


class Missing(Exception):
    """A peer cannot be installed here; the message says what to do."""


@dataclass(frozen=True)
class Peers:
    """Where the peers are, and their versions by name."""

    hub: Path  # bin directory of the environment
    proxy: Path  # the program configurable-http-proxy
    gateway: Path  # bin directory of the environment
    versions: dict[str, str]


def cache() -> Path:
    """Where peers and images of the benchmarks are kept. As root every user id must be able to pass through it."""
    chosen = os.environ.get("ROOST_BENCH_CACHE")
    if chosen is None and os.geteuid() == 0:
        chosen = "/var/cache/roost-bench"
    home = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    path = Path(chosen or f"{home}/roost-bench").expanduser().absolute()
    path.mkdir(parents=True, exist_ok=True)
    return path


def install() -> Peers:
    """Install what is missing; a second call finds everything."""
    locked = image_versions()
    hub_extra = [f"{name}=={locked[name]}" for name in _SAME_AS_IMAGE["jupyterhub"]]
    dask_extra = [f"{name}=={locked[name]}" for name in _SAME_AS_IMAGE["gateway"]]
    hub = _environment("jupyterhub", [f"jupyterhub=={JUPYTERHUB}", *hub_extra])
    gateway_wants = [f"dask-gateway=={DASK_GATEWAY}", f"dask-gateway-server[local]=={DASK_GATEWAY}", *dask_extra]
    gateway = _environment("dask-gateway", gateway_wants)
    versions = {
        "JupyterHub": JUPYTERHUB,
        "configurable-http-proxy": PROXY,
        "dask-gateway": DASK_GATEWAY,
        **{name: locked[name] for names in _SAME_AS_IMAGE.values() for name in names},
    }
    return Peers(hub=hub, proxy=_proxy(), gateway=gateway, versions=versions)


def image_versions() -> dict[str, str]:
    """What the default image of Roost is locked to."""
    text = (resources.files("roost.data") / "images" / "default.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==([^ \\]+)", text, re.MULTILINE))


def _environment(name: str, wanted: list[str]) -> Path:
    """A virtual environment with exactly these packages; returns its bin directory."""
    path = cache() / name
    noted = path / "wanted.txt"
    if noted.is_file() and noted.read_text() == "\n".join(wanted):
        return path / "bin"
    shutil.rmtree(path, ignore_errors=True)
    print(f"Installing {', '.join(wanted)} ...", file=sys.stderr)
    uv = str(Path(sys.prefix, "bin", "uv"))
    _run([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(path)])
    _run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(path / "bin/python"), *wanted])
    noted.write_text("\n".join(wanted))
    return path / "bin"


def _proxy() -> Path:
    """The program configurable-http-proxy from npm."""
    path = cache() / f"configurable-http-proxy-{PROXY}"
    program = path / "node_modules/.bin/configurable-http-proxy"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            raise Missing("configurable-http-proxy needs node and npm on the PATH (apt-get install nodejs npm).")
        path.mkdir(parents=True, exist_ok=True)
        print(f"Installing configurable-http-proxy {PROXY} ...", file=sys.stderr)
        _run([npm, "install", "--silent", "--prefix", str(path), f"configurable-http-proxy@{PROXY}"])
    return program


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missing(f"{' '.join(argv[:4])} ... failed: {done.stderr[-500:]}")

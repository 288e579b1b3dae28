"""JupyterLab of a workspace, on a unix socket behind the data plane.

The data plane decides who may pass and checks the origin of every unsafe request and websocket, so Jupyter asks
for no token and no XSRF cookie of its own. Kernels listen on unix sockets (`ipc`): on TCP their output is open to
every process of the machine.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any

from roost.runtimes.image import kernels

#: Imported before the fork: everything a server with its extensions loads on its way to the first answer.
_PRELOAD = (
    "jupyterlab.labapp",
    "jupyterlab.handlers.announcements",
    "jupyter_server.serverapp",
    "jupyter_server_terminals",
    "jupyter_server_proxy",
    "jupyter_lsp",
    "notebook_shim.nbserver",
    "voila.server_extension",
    "voila.notebook_renderer",
    "voila.handler",
    "nbconvert.exporters",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.subshell_manager",
    "IPython.core.interactiveshell",
    "IPython.core.completer",
    "IPython.core.magics",
    "IPython.extensions.storemagic",
    "matplotlib_inline.config",
    "comm",
    "tornado.platform.asyncio",
    "zmq.asyncio",
    "zmq.eventloop.zmqstream",
    "debugpy",
    "ipykernel.debugger",
    "jedi",
    "sqlite3",
    "jupyter_events",
    "jupyter_ydoc",
)


def preload() -> None:
    """Import what the first start needs; what an image does not have is left out."""
    for name in _PRELOAD:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not name.startswith(error.name.split(".")[0]):
                raise


def main(argv: list[str]) -> int:
    """Run JupyterLab until told to stop; settings come from the environment."""
    from jupyterlab.labapp import LabApp

    safe = os.environ.get("ROOST_SAFE_MODE") == "1"
    if safe:
        _enter_safe_mode()
    kernels.start_parent()
    sys.argv = ["jupyter-lab"]
    LabApp.launch_instance(argv=[*_arguments(safe), *argv])
    return 0


def _arguments(safe: bool) -> list[str]:
    home = os.environ["HOME"]
    settings: dict[str, Any] = {
        "ServerApp.sock": os.environ["ROOST_SOCKET_HTTP"],
        "ServerApp.sock_mode": "0600",
        "ServerApp.root_dir": home,
        "ServerApp.preferred_dir": home,
        "ServerApp.open_browser": False,
        "ServerApp.allow_remote_access": True,
        "ServerApp.allow_root": True,
        "ServerApp.disable_check_xsrf": True,
        "ServerApp.trust_xheaders": True,
        "ServerApp.quit_button": False,
        "IdentityProvider.token": "",
        "PasswordIdentityProvider.password_required": False,
        "KernelProvisionerFactory.default_provisioner_name": "roost",
        "MappingKernelManager.kernel_manager_class": "roost.runtimes.image.kernels.RoostKernelManager",
        "MultiKernelManager.default_kernel_name": "python3",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.news_url": None,
        "LabApp.extension_manager": "readonly",
    }
    if safe:
        settings["LabApp.core_mode"] = True
    return [f"--{name}={value}" for name, value in settings.items()]


def _enter_safe_mode() -> None:
    """Nothing of the home is loaded and nothing needs room on it; say what fills it."""
    scratch = Path(os.environ["ROOST_SCRATCH"])
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        path = scratch / name.lower()
        path.mkdir(exist_ok=True)
        os.environ[name] = str(path)
    sys.stdout.write(disk_report(Path(os.environ["HOME"])))


def disk_report(home: Path) -> str:
    """How full the disk is and what fills the home, largest first."""
    disk = shutil.disk_usage(home)
    free, total = f"{disk.free / 2**30:.2f}", f"{disk.total / 2**30:.1f}"
    lines = [f"Safe mode: the disk has {free} of {total} GB free. Largest in the home:\n"]
    sizes: dict[str, int] = {}
    for folder, _folders, files in os.walk(home):
        for name in files:
            path = Path(folder, name)
            top = path.relative_to(home).parts[0]
            try:
                sizes[top] = sizes.get(top, 0) + path.lstat().st_blocks * 512
            except OSError:
                continue
    for name, size in sorted(sizes.items(), key=lambda item: -item[1])[:15]:
        lines.append(f"  {size / 2**20:10.1f} MB  {name}\n")
    return "".join(lines)

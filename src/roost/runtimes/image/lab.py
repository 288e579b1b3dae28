"""JupyterLab of a workspace, on a unix socket behind the data plane.

The data plane decides who may pass and checks the origin of every unsafe request and websocket, so Jupyter asks
for no token and no XSRF cookie of its own. Kernels listen on unix sockets (`ipc`): on TCP their output is open to
every process of the machine.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from roost.runtimes.image import kernels, safe_mode

#: Imported before the fork: everything a server with its extensions loads on its way to the first answer. No NumPy:
#: it would be single-threaded in every kernel, and its threads do not survive a fork.
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

    settings = _settings()
    why = safe_mode.why(Path(os.environ["HOME"]))
    if why:
        settings |= safe_mode.enter(why)
    if sys.platform == "linux":
        kernels.start_parent()
    sys.argv = ["jupyter-lab"]
    LabApp.launch_instance(argv=[*(f"--{name}={value}" for name, value in settings.items()), *argv])
    return 0


def _shell() -> list[str]:
    shell = os.environ["SHELL"]
    return [shell, "--rcfile", f"{sys.prefix}/share/roost/bashrc"] if shell.endswith("bash") else [shell]


def _settings() -> dict[str, Any]:
    home, config = os.environ["HOME"], os.environ["JUPYTER_CONFIG_DIR"]
    return {
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
        # Not a login shell: /etc/profile would forget the PATH of the image.
        "ServerApp.terminado_settings": f"shell_command={_shell()!r}",
        "IdentityProvider.token": "",
        "PasswordIdentityProvider.password_required": False,
        "KernelProvisionerFactory.default_provisioner_name": "roost",
        "ServerApp.kernel_manager_class": "roost.runtimes.image.kernel_use.WatchedKernels",
        "MappingKernelManager.kernel_manager_class": "roost.runtimes.image.kernels.RoostKernelManager",
        "ServerApp.kernel_websocket_connection_class": "roost.runtimes.image.kernels.QuickConnection",
        "MultiKernelManager.default_kernel_name": "python3",
        # Looking for language servers would run npm, which takes longer than all the rest of the start.
        "LanguageServerManager.node_roots": [],
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
        "LabApp.news_url": None,
        "LabApp.extension_manager": "readonly",
        # Lab looks these up when it is imported, which was in the parent, for nobody.
        "LabApp.user_settings_dir": f"{config}/lab/user-settings",
        "LabApp.workspaces_dir": f"{config}/lab/workspaces",
    }

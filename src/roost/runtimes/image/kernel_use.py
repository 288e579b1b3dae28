"""Tells the runtime how many kernels compute, for the rule that stops idle workspaces: waiting counts, too.

A kernel that waits for a database or for a Dask cluster uses no processor and is busy all the same. The file `use`
holds `{"busy_kernels": n}`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.ioloop import PeriodicCallback

from roost.runtimes.image.files import write_json

INTERVAL_S = 2


class WatchedKernels(AsyncMappingKernelManager):  # type: ignore[misc]
    """The kernels of JupyterLab, counted while they are busy."""

    _timer: PeriodicCallback | None = None
    _told = 0

    def start_watching_activity(self, kernel_id: str) -> None:
        """Also begin to count, with the first kernel."""
        super().start_watching_activity(kernel_id)
        if self._timer is None:
            self._timer = PeriodicCallback(self._tell, INTERVAL_S * 1000)
            self._timer.start()

    def _tell(self) -> None:
        kernels: dict[str, Any] = self._kernels
        busy = sum(getattr(kernel, "execution_state", "") == "busy" for kernel in kernels.values())
        if busy == self._told:
            return
        try:
            write_json(Path(os.environ["ROOST_ADDRESSES"]) / "use", {"busy_kernels": busy})
        except OSError:
            return  # a full disk; told again
        self._told = busy

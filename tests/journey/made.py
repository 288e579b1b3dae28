"""A platform started as the README says: `make up`."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Self

from tests.harness import REPOSITORY, Platform, eventually


class MadePlatform(Platform):
    """A platform started by `make up ARGS=...`."""

    def start(self, within_s: float = 300.0) -> Self:
        """Type it and wait until /healthz answers."""
        flags = f"--home {self.home} --port {self.port} --no-open --admin-token-file {self.home}/token"
        clean = {key: value for key, value in os.environ.items() if not key.startswith("ROOST_")}
        with (self.home.parent / f"{self.home.name}.out").open("ab") as output:
            self.process = subprocess.Popen(
                ["make", "up", f"ARGS={flags}"],
                cwd=REPOSITORY,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                env=clean,
                start_new_session=True,
            )
        self.wait_healthy(within_s)
        return self

    def interrupt(self) -> None:
        """Ctrl-C, as a terminal sends it: to everything in the foreground."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(timeout=30)
        self.process = None
        eventually(lambda: not self.healthy(), what="the end of the platform")

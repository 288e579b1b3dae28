"""Running `roost` as people do: a process of its own, no terminal unless asked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def environment(home: Path, **variables: str) -> dict[str, str]:
    """A clean environment: nothing of Roost's but what is given."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("ROOST_", "_ROOST", "XDG_"))}
    return {**clean, "HOME": str(home), "COLUMNS": "100", "NO_COLOR": "1", **variables}


def roost(*arguments: str, variables: Mapping[str, str], stdin: str = "", directory: Path | None = None) -> Done:
    """Run it and return how it ended."""
    done = subprocess.run(
        [sys.executable, "-m", "roost", *arguments],
        env=dict(variables),
        input=stdin,
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)

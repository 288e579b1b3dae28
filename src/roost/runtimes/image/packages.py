"""Packages that a person adds with pip: they go to the home, because the image is read-only and shared.

`roost-packages.pth` imports this module whenever a Python of the image starts. Only that Python's own pip is told
where to install: a virtual environment that somebody makes in the home works as anywhere else. Packages of the image
count as installed, so a dependency is not installed a second time.
"""

from __future__ import annotations

import contextlib
import os
import site
import sys
from pathlib import Path

PTH = "roost-packages.pth"
_PREFIX = ".local"


def user_packages() -> Path | None:
    """Where added packages are; None where there is no home, and in safe mode."""
    home = os.environ.get("HOME", "")
    if not home or "ROOST_WORKLOAD" not in os.environ or os.environ.get("ROOST_SAFE_MODE") == "1":
        return None
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return Path(home, _PREFIX, "lib", version, "site-packages")


def add_user_packages(*, first: bool = True) -> None:
    """Have added packages found; before those of the image, or after (what a program needs to run stays as it is)."""
    folder = user_packages()
    if folder is None:
        return
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)  # Python never looks again at a folder that was not there
    before = list(sys.path)
    site.addsitedir(str(folder))
    if first:
        sys.path[:] = [path for path in sys.path if path not in before] + before


def at_start() -> None:
    """Called at the start of every Python of the image."""
    add_user_packages()
    if user_packages() is not None and _is_pip(sys.orig_argv):
        os.environ.setdefault("PIP_PREFIX", str(Path(os.environ["HOME"], _PREFIX)))


def _is_pip(argv: list[str]) -> bool:
    """Whether a command line is `python -m pip ...` or `pip ...`.

    >>> _is_pip(["/i/bin/python", "-m", "pip", "list"]), _is_pip(["python", "/i/bin/pip3", "list"]), _is_pip(["python"])
    (True, True, False)
    """
    words = argv[1:3]
    return words == ["-m", "pip"] or (bool(words) and Path(words[0]).name.startswith("pip"))


if os.environ.get("ROOST_WORKLOAD"):
    at_start()

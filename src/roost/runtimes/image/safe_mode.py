"""Safe mode: the owner gets in although the home is full or something in it breaks JupyterLab.

Nothing of the home is loaded, nothing needs room on it, and the first thing shown is what fills it. The home itself
is there as the folder `home`; what is deleted is gone at once, because a trash would need room too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

REPORT = "Disk report.md"
_NEEDED_BYTES = 1 << 20
_LOOK_S = 2.0
_SHOWN = 20


def why(home: Path) -> str:
    """Why safe mode is called for, as a sentence; "" where it is not."""
    if os.environ.get("ROOST_SAFE_MODE") == "1":
        return "Safe mode was asked for."
    probe = home / f".roost-probe-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(bytes(_NEEDED_BYTES))
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return "The disk is full." if full else f"The home cannot be written to: {error.strerror}."
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return ""


def enter(why: str) -> dict[str, Any]:
    """Turn to safe mode: prepares a folder that is not on the home's disk; returns settings of JupyterLab."""
    home, folder = Path(os.environ["HOME"]), Path(os.environ["ROOST_ADDRESSES"], "safe")
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    os.environ["ROOST_SAFE_MODE"] = "1"
    os.environ["TMPDIR"] = str(folder)
    os.environ.pop("JUPYTER_CONFIG_PATH", None)
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        os.environ[name] = str(folder / name.lower())
        (folder / name.lower()).mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        (root / "home").symlink_to(home)
    report = disk_report(home, why)
    sys.stdout.write(report)
    with contextlib.suppress(OSError):
        (root / REPORT).write_text(report)
    return {
        "LabApp.core_mode": True,
        "LabApp.default_url": f"/lab/tree/{REPORT.replace(' ', '%20')}?factory=Markdown%20Preview",
        "LabApp.user_settings_dir": folder / "user-settings",
        "LabApp.workspaces_dir": folder / "workspaces",
        "ServerApp.root_dir": root,
        "ServerApp.preferred_dir": root,
        "FileContentsManager.delete_to_trash": False,
        "ContentsManager.allow_hidden": True,
    }


def disk_report(home: Path, why: str) -> str:
    """How full the disk is and what fills the home, largest first."""
    disk = shutil.disk_usage(home)
    sizes, complete = _sizes(home)
    lines = [
        "# Safe mode",
        "",
        f"{why} {disk.free / 2**30:.2f} of {disk.total / 2**30:.1f} GB are free.",
        "Extensions and settings of the home are not loaded. Delete what is not needed below `home`"
        " (it is gone at once, there is no trash), then stop and start the workspace.",
        "",
        "| Size | Below `home` |",
        "|---:|---|",
    ]
    shown = sorted(sizes.items(), key=lambda item: -item[1])[:_SHOWN]
    lines += [f"| {size / 2**20:,.1f} MB | `{_plain(name)}` |" for name, size in shown]
    if not complete:
        lines += ["", f"There is more: looking ended after {_LOOK_S:.0f} seconds."]
    return "\n".join([*lines, ""])


def _sizes(home: Path) -> tuple[dict[str, int], bool]:
    """Bytes on disk by the name directly below the home, and whether everything was looked at."""
    sizes: dict[str, int] = {}
    until = time.monotonic() + _LOOK_S
    for folder, _folders, files in os.walk(home):
        parts = Path(folder).relative_to(home).parts
        for name in files:
            top = parts[0] if parts else name
            with contextlib.suppress(OSError):
                sizes[top] = sizes.get(top, 0) + Path(folder, name).lstat().st_blocks * 512
        if time.monotonic() > until:
            return sizes, False
    return sizes, True


def _plain(name: str) -> str:
    """A file's name where it cannot change the table: names may hold anything."""
    return "".join(letter if letter.isprintable() and letter not in "|`" else "?" for letter in name)[:80]

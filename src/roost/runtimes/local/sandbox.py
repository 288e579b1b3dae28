"""What a sandboxed program sees: the machine's programs to read, and only its owner's part of everything else.

The network is shared: a sandbox without one could not install packages. What a person serves on a TCP port of
loopback is therefore open to everybody on the machine; what Roost serves is on unix sockets that others do not see.
Forked programs enter the sandbox themselves (`roost.runtimes.image.sandbox`); where the machine allows that to
bubblewrap only, they are executed by it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from roost.runtimes.image import sandbox as own_sandbox
from roost.runtimes.image.launch import View

#: Where machines keep what belongs to people, services and other homes.
_PRIVATE = ("/home", "/root", "/tmp", "/run", "/var/tmp", "/var/run", "/media", "/mnt", "/srv", "/var/lib/roost")
_NOBODY = 65534


def view_of(*, hides: Iterable[Path], reads: Iterable[Path], owns: Iterable[Path]) -> View:
    """The view of one program: `reads` and `owns` are put back where hiding covered them."""
    asked = {path.resolve() for path in (*map(Path, _PRIVATE), Path.home(), *hides)}
    existing = sorted(path for path in asked if path.is_dir() and path != Path("/"))
    hidden = [path for path in existing if not any(other in path.parents for other in existing)]
    # An image may be reached through a link: both names of it are shown. So is the list of name servers.
    wanted = [*reads, Path("/etc/resolv.conf").resolve()]
    shown = {name for path in wanted for name in (path, path.resolve()) if name.exists()}
    shown = {path for path in shown if any(folder in path.resolve().parents for folder in hidden)}
    return View(hides=_texts(hidden), reads=_texts(sorted(shown)), owns=_texts(owns))


def bubblewrap(view: View) -> tuple[str, ...]:
    """The words in front of a command that run it in its sandbox."""
    return (
        shutil.which("bwrap") or "bwrap",
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *(word for path in view.hides for word in ("--tmpfs", path)),
        *(word for path in view.reads for word in ("--ro-bind", path, path)),
        *(word for path in view.owns for word in ("--bind", path, path)),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent"),
    )


def interpreter_of(image: Path) -> Iterator[Path]:
    """The directories that an image's Python needs besides the image; empty for a Python of the system."""
    prefix = (image / "bin/python").resolve().parent.parent
    if str(prefix) not in ("/", "/usr", "/usr/local"):
        yield prefix


def why_no_own_sandbox() -> str:
    """Why a forked program cannot enter a sandbox here; "" where it can."""
    if sys.platform != "linux":
        return "sandboxes need Linux."
    return _why_not([sys.executable, "-I", "-S", own_sandbox.__file__])


def why_no_bubblewrap() -> str:
    """Why bubblewrap cannot run programs here; "" where it can."""
    if sys.platform != "linux":
        return "bubblewrap needs Linux."
    program = shutil.which("bwrap")
    if program is None:
        return "Install bubblewrap (apt-get install bubblewrap)."
    why = _why_not([program, "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--unshare-pid", "true"])
    return f"bubblewrap does not work here: {why} (are user namespaces allowed?)" if why else ""


def _why_not(probe: list[str]) -> str:
    # As root, owners have user ids in sandboxes too: a sandboxed root would own the machine's files.
    user = _NOBODY if os.geteuid() == 0 and probe[0] != sys.executable else None
    done = subprocess.run(probe, capture_output=True, text=True, check=False, timeout=10, user=user, cwd="/")
    return "" if done.returncode == 0 else done.stderr.strip()[:120] or "it failed"


def _texts(paths: Iterable[Path]) -> tuple[str, ...]:
    return tuple(map(str, paths))

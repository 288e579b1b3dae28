"""The bubblewrap sandbox of one program: the machine's programs to read, and only its owner's part of everything else.

The network is shared: a sandbox without one could not install packages. What a person serves on a TCP port of
loopback is therefore open to everybody on the machine; what Roost serves is on unix sockets that others do not see.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

#: Where machines keep what belongs to people, services and other homes.
_PRIVATE = ("/home", "/root", "/tmp", "/run", "/var/tmp", "/var/run", "/media", "/mnt", "/srv", "/var/lib/roost")


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a program sees: `reads` and `owns` over a machine whose private parts, and `hides`, are empty."""

    hides: tuple[Path, ...]
    reads: tuple[Path, ...]
    owns: tuple[Path, ...]


def sandbox(view: View) -> tuple[str, ...]:
    """The words in front of a command that run it in its sandbox."""
    return (
        shutil.which("bwrap") or "bwrap",
        *("--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *(word for path in _hidden(view) for word in ("--tmpfs", str(path))),
        *(word for path in _readable(view) for word in ("--ro-bind", str(path), str(path))),
        *(word for path in view.owns for word in ("--bind", str(path), str(path))),
        *("--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *("--cap-drop", "ALL", "--new-session", "--die-with-parent"),
    )


def interpreter_of(image: Path) -> Iterator[Path]:
    """The directories that an image's Python needs besides the image; empty for a Python of the system."""
    python = (image / "bin/python").resolve()
    for prefix in (python.parent.parent, image.resolve()):
        if str(prefix) not in ("/", "/usr", "/usr/local"):
            yield prefix


def _hidden(view: View) -> list[Path]:
    """Outer ones first: an inner one would be covered."""
    asked = {path.resolve() for path in (*map(Path, _PRIVATE), Path.home(), *view.hides)}
    existing = sorted(path for path in asked if path.is_dir() and path != Path("/"))
    return [path for path in existing if not any(other in path.parents for other in existing)]


def _readable(view: View) -> list[Path]:
    """Each path, and what a link in it leads to."""
    return sorted({name for path in view.reads for name in (path, path.resolve()) if name.exists()})

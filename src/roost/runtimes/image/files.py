"""Small files that are written whole or not at all, and files of others that are read without trust."""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SMALL = 1 << 16


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a small file whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(content))
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise


def write_secrets(directory: Path, files: Mapping[str, bytes], uid: int, gid: int) -> None:
    """Write secret files, each whole or not at all, readable by their owner only. -1: the owner is this user.

    The directory must not be writable by the owner: what an owner can replace, a more powerful user must not write.
    """
    for name, content in files.items():
        draft = directory / f".{name}.{os.getpid()}"
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if uid >= 0:
                os.fchown(descriptor, uid, gid)
        draft.replace(directory / name)


def read_untrusted(path: Path) -> str:
    """The text of a small file that a workload wrote; "" where it is no such file. Follows no link, never waits."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return os.read(descriptor, _SMALL).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def is_socket(path: Path) -> bool:
    """Whether a path itself is a unix socket: a link to another one is not."""
    try:
        return stat.S_ISSOCK(path.lstat().st_mode)
    except OSError:
        return False

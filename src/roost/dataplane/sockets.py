"""Unix sockets of workloads, reached without trust.

The directory of a socket belongs to the workload's owner, who could put a link to somebody else's socket there; the
data plane may reach both. So a link is never followed: the socket itself is opened, looked at, and connected to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator


@contextlib.contextmanager
def pinned(path: str) -> Iterator[str]:
    """A path that means the socket now at `path` and nothing else. Raises OSError where there is no socket."""
    if not hasattr(os, "O_PATH"):  # no way to hold a socket without connecting; there everybody is one user
        _check(path, os.lstat(path).st_mode)
        yield path
        return
    descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check(path, os.fstat(descriptor).st_mode)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)


def _check(path: str, mode: int) -> None:
    if not stat.S_ISSOCK(mode):
        raise OSError(errno.ENOTSOCK, "not a socket", path)

"""A sandbox that a forked program enters: what bubblewrap does, without the exec that would lose the imports.

Namespaces of users, processes, mounts and messages. The machine is shown read-only; what belongs to people, services
and other homes is covered by empty folders, and only the program's own things are put back. The network is shared.
A first process keeps the namespaces, reaps, and ends with the shim: with it ends everything inside. Standard library
only; it is also run as a script, to find out whether this machine allows it.
"""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import signal
import stat
import struct
import sys
from collections.abc import Sequence

_NEWNS, _NEWIPC, _NEWUSER, _NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000  # man 2 unshare
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_SLAVE = 2, 4, 8, 0x1000, 0x4000, 0x80000  # man 2 mount
_SYS_MOUNT_SETATTR, _AT_RECURSIVE, _ATTR_RDONLY, _AT_FDCWD = 442, 0x8000, 1, -100  # man 2 mount_setattr
_CAPABILITIES_VERSION_3 = 0x20080522
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "nvidia*", "dri", "kfd")
_SHOWN_DEVICES = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2", "ptmx": "pts/ptmx"}
_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")

_libc = ctypes.CDLL(None, use_errno=True)


def make(hides: Sequence[str], reads: Sequence[str], owns: Sequence[str]) -> int:
    """Make the namespaces for the children of this process; returns the pid of their first process.

    Call it once, in a process with a single thread. Raises OSError where the machine does not allow it.
    """
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0:  # a powerful user needs no user namespace; programs give their rights up by changing the user
        _check(_libc.unshare(_NEWPID | _NEWIPC), "unshare")
    else:
        _check(_libc.unshare(_NEWUSER | _NEWPID | _NEWIPC), "unshare")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123
                file.write(text)
    told, tell = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(told)
        _be_first(tell, hides, reads, owns)
    os.close(tell)
    with os.fdopen(told) as said:
        problem = said.read()
    if problem != "ready":
        os.waitpid(first, 0)
        raise OSError(problem or "the first process of the sandbox ended")
    return first


def enter(first: int) -> None:
    """See the files of the sandbox; in a child made after `make`, before it gives up its rights."""
    _set_namespace(first, "mnt")


def join(first: int) -> None:
    """Have the children of this process in the sandbox of another program; for commands run beside it."""
    if os.geteuid() != 0:
        _set_namespace(first, "user")
    _set_namespace(first, "ipc")
    _set_namespace(first, "pid")


def drop_capabilities() -> None:
    """Give up every right over the namespaces: the program could uncover what is hidden."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITIES_VERSION_3, 0))
    _check(_libc.capset(header, ctypes.create_string_buffer(bytes(24))), "capset")


def _set_namespace(pid: int, kind: str) -> None:
    descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(descriptor, 0), f"setns {kind}")
    finally:
        os.close(descriptor)


def _be_first(tell: int, hides: Sequence[str], reads: Sequence[str], owns: Sequence[str]) -> None:
    """Process 1: mounts, then reaps orphans until it is killed with all others."""
    try:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _check(_libc.unshare(_NEWNS), "unshare files")
        _cover(hides, reads, owns)
        drop_capabilities()
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # may be reset with the rights
        _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # commands beside the program join by our /proc
        os.write(tell, b"ready")
    except OSError as error:
        os.write(tell, str(error).encode())
        os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    os.closerange(0, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 65536 else 65536)
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        signal.sigwait({signal.SIGCHLD})


def _cover(hides: Sequence[str], reads: Sequence[str], owns: Sequence[str]) -> None:
    """Hide, put back what is shown, make everything else read-only."""
    _mount(None, "/", None, _MS_REC | _MS_SLAVE)
    kept = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in (*reads, *owns)]
    devices = [path for name in _DEVICES for path in sorted(glob.glob(f"/dev/{name}"))]  # noqa: PTH207
    kept_devices = [(path, os.open(path, os.O_PATH | os.O_CLOEXEC)) for path in devices]
    for path in hides:
        _mount("tmpfs", path, "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777" if path in _SCRATCH else "mode=755")
    _mount("tmpfs", "/dev", "tmpfs", _MS_NOSUID, "mode=755")
    for path, descriptor in (*kept_devices, *kept):
        _put_back(path, descriptor)
    for name, target in _SHOWN_DEVICES.items():
        os.symlink(target, f"/dev/{name}")  # noqa: PTH211
    for folder in ("/dev/shm", "/dev/pts"):
        os.mkdir(folder)  # noqa: PTH102
    _mount("tmpfs", "/dev/shm", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777")
    _mount("devpts", "/dev/pts", "devpts", _MS_NOSUID | _MS_NOEXEC, "newinstance,ptmxmode=0666,mode=620")
    _set_attributes("/", _AT_RECURSIVE, (_ATTR_RDONLY, 0))
    for path in (*owns, *(path for path in _SCRATCH if path in hides or path.startswith("/dev/"))):
        _set_attributes(path, 0, (0, _ATTR_RDONLY))
    _mount("proc", "/proc", "proc", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def _put_back(path: str, descriptor: int) -> None:
    """Show again what a descriptor holds, under its name."""
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.makedirs(path, exist_ok=True)  # noqa: PTH103
    elif not os.path.exists(path):  # noqa: PTH110
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o444))
    _mount(f"/proc/self/fd/{descriptor}", path, None, _MS_BIND | _MS_REC)
    os.close(descriptor)


def _mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [None if word is None else word.encode() for word in (source, target, kind, options)]
    _check(_libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3]), f"mount {target}")


def _set_attributes(path: str, flags: int, change: tuple[int, int]) -> None:
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", *change, 0, 0))
    done = _libc.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, path.encode(), flags, attributes, ctypes.c_size_t(32))
    _check(done, f"mount_setattr {path}")


def _check(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")


def _probe() -> int:
    """Whether a program can be put into a sandbox here; says why not."""
    try:
        first = make(("/tmp",), (), ())
        inside = os.fork()
        if inside == 0:
            enter(first)
            drop_capabilities()
            os._exit(0 if os.getpid() == 2 and os.listdir("/tmp") == [] else 1)  # noqa: PTH208
        code = os.waitstatus_to_exitcode(os.waitpid(inside, 0)[1])
        os.kill(first, signal.SIGKILL)
        return code
    except OSError as error:
        sys.stderr.write(f"{error.args[-1]}\n")
        return 1


if __name__ == "__main__":
    sys.exit(_probe())

"""The shim: a small standard-library parent of each program, which outlives everything but SIGKILL.

It is a process group and session of its own, joins the limits, starts the program with the owner's rights, and
writes down how it ended: a process that is not our child takes its exit status with it. It holds a lock on the
record, so that a program never runs twice. It ends with nothing left of what it started.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import importlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from roost.runtimes.image import sandbox as sandboxes
from roost.runtimes.image.files import write_json
from roost.runtimes.image.launch import Launch, Limits
from roost.runtimes.image.packages import add_user_packages
from roost.runtimes.image.processes import boot_id, descendants, kill_all, set_title, start_time

LOG_LIMIT_BYTES = 32 * 2**20
GRACE_S = 10.0
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_CHILD_SUBREAPER = 1, 4, 38, 36
_TERMINATED = 128 + signal.SIGTERM
_CLONE_NEWNS, _MS_BIND, _MS_REC, _MS_SLAVE = 0x20000, 0x1000, 0x4000, 0x80000  # man 2 unshare, man 2 mount
_LOOK_EVERY_MS, _LOOK_SOON_MS = 5000, 100
_LOG_BURST_BYTES = 2**20  # a log that grew by so much is looked at again soon


def run(launch: Launch) -> NoReturn:
    """Be the shim of one program; called in a freshly forked (or executed) process."""
    os.setsid()
    record = Path(launch.record)
    set_title(f"roost-shim {_what(launch)}")
    lock = os.open(record / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os._exit(0)  # it runs already
    _redirect(launch)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    stopping = _Stopping()
    with contextlib.suppress(OSError):
        _protect_from_oom_killer()
    watch = _Watch(launch.limits)
    sandbox = _make_sandbox(launch)
    identity = {"pid": os.getpid(), "boot": boot_id(), "started": start_time(os.getpid()), "sandbox": sandbox}
    write_json(record / "identity.json", identity)
    shim = os.getpid()
    # A request to stop that comes while we fork must reach the program: Python forgets signals in a new child.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    program = os.fork()
    if program == 0:
        os.close(lock)
        watch.close()
        _become_program(replace(launch, sandbox=sandbox), stopping, shim)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    ended = _wait(program, stopping, watch, launch)
    _end_all(launch.limits)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended["peak_memory_bytes"] = watch.peak() or _watched_peak(record) or children.ru_maxrss * 1024
    write_json(record / "exit.json", ended)
    os._exit(0)


def _make_sandbox(launch: Launch) -> int:
    """The first process of the program's sandbox; 0 for none, -1 where it cannot be made (the log says why)."""
    if launch.view is None:
        return 0
    try:
        return sandboxes.make(launch.view.hides, launch.view.reads, launch.view.owns)
    except OSError as error:
        sys.stderr.write(f"error: cannot make the sandbox: {error}\n")
        return -1


def _what(launch: Launch) -> str:
    return f"{launch.environment.get('ROOST_WORKLOAD', '')}/{Path(launch.record).name}"


class _Stopping:
    """Whether somebody asked for the end (SIGTERM to the shim); wakes the wait through a pipe."""

    def __init__(self) -> None:
        self.asked_at = 0.0
        self.read, self.write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK) if hasattr(os, "pipe2") else _pipe()
        signal.signal(signal.SIGTERM, self._asked)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.write, warn_on_full_buffer=False)

    def _asked(self, *_: object) -> None:
        """A second request ends the patience."""
        self.asked_at = time.monotonic() - GRACE_S if self.asked_at else time.monotonic()


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    for end in (read, write):
        os.set_blocking(end, False)
    return read, write


class _Watch:
    """Hears of the kernel's out-of-memory kills in our control group, without polling."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.eventfd = self.events = -1
        if not limits.events:
            return
        self.events = os.open(limits.events, os.O_RDONLY | os.O_CLOEXEC)
        self._before = self.kills()
        if limits.version == 1:
            self.eventfd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            Path(limits.events).with_name("cgroup.event_control").write_text(f"{self.eventfd} {self.events}")

    def register(self, poll: select.poll) -> None:
        """Have the wait wake up at an out-of-memory event."""
        if self.eventfd >= 0:
            poll.register(self.eventfd, select.POLLIN)
        elif self.events >= 0:
            poll.register(self.events, select.POLLPRI)

    def kills(self) -> int:
        """How often the kernel killed something in our group for memory, or is waiting for us to do it."""
        if self.events < 0:
            return 0
        rows = dict(row.split() for row in os.pread(self.events, 4096, 0).decode().splitlines())
        return int(rows.get("oom_kill", 0)) + int(rows.get("under_oom", 0))

    def killed(self) -> bool:
        """Whether that happened since the start; clears the event."""
        if self.eventfd >= 0:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self.eventfd)
        return self.events >= 0 and self.kills() > self._before

    def peak(self) -> int:
        """The highest memory use of the group in bytes; 0 where it is unknown."""
        try:
            return int(Path(self.limits.peak).read_text()) if self.limits.peak else 0
        except (OSError, ValueError):
            return 0

    def close(self) -> None:
        """In the program: it has no business here."""
        for descriptor in (self.eventfd, self.events):
            if descriptor >= 0:
                os.close(descriptor)


def _wait(program: int, stopping: _Stopping, watch: _Watch, launch: Launch) -> dict[str, Any]:
    """Until the program ended; forwards a request to stop, and insists after a while."""
    poll = select.poll()
    poll.register(stopping.read, select.POLLIN)
    watch.register(poll)
    forwarded = out_of_memory = False
    logged = 0
    while True:
        status = _reap(program)
        if status is not None:
            break
        if watch.killed() or (Path(launch.record) / "oom.json").exists():
            out_of_memory = True
            kill_all([program])
            _end_all(launch.limits, but=(program,))
        if stopping.asked_at and not forwarded:
            forwarded = True
            kill_all([program], signal.SIGTERM)
        if stopping.asked_at and time.monotonic() - stopping.asked_at >= GRACE_S:
            kill_all([program])
        before, logged = logged, _trim_log(launch.log)
        soon = stopping.asked_at or logged - before > _LOG_BURST_BYTES
        poll.poll(_LOOK_SOON_MS if soon else _LOOK_EVERY_MS)
        with contextlib.suppress(BlockingIOError):
            os.read(stopping.read, 512)
    out_of_memory = out_of_memory or watch.killed()
    code = os.waitstatus_to_exitcode(status)
    reason = "exited" if code >= 0 else "signalled"
    if stopping.asked_at:
        reason = "stopped"
    if out_of_memory:
        reason = "out-of-memory"
    return {
        "reason": reason,
        "code": code if code >= 0 else None,
        "signal": -code if code < 0 else None,
        "limit_memory_bytes": launch.limits.memory_bytes or None,
        "finished_us": time.time_ns() // 1000,
    }


def _watched_peak(record: Path) -> int:
    """What the runtime's watchdog saw, where the kernel keeps no count."""
    try:
        return int(json.loads((record / "oom.json").read_text())["peak_memory_bytes"])
    except (OSError, ValueError, KeyError):
        return 0


def _reap(program: int) -> int | None:
    """Reap every ended child (orphans come to us too); the program's status once it ended."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == program:
            found = status


def _become_program(launch: Launch, stopping: _Stopping, shim: int) -> NoReturn:
    """In the child: join limits, drop rights, take the environment, run."""
    code = 1
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        os.close(stopping.read)
        os.close(stopping.write)
        if stopping.asked_at:
            os._exit(_TERMINATED)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.setpgid(0, 0)
        if launch.sandbox < 0:
            os._exit(1)
        enter(launch)
        if os.getppid() not in (shim, 0):  # 0: the shim is outside the sandbox
            os._exit(1)  # the shim was killed before we asked to be told
        set_title(f"roost-{launch.module.rpartition('.')[2] or 'program'} {_what(launch)}")
        if launch.prefix or not launch.module:
            # A sandbox ends in exec: what was imported is lost, so the module is run by a new Python.
            module = (sys.executable, "-m", "roost.runtimes.image.run", launch.module) if launch.module else ()
            argv = [*launch.prefix, *module, *launch.argv]
            os.execvpe(argv[0], argv, dict(launch.environment))
        sys.argv = [launch.module, *launch.argv]
        reseed()
        add_user_packages(first=False)
        result = importlib.import_module(launch.module).main(list(launch.argv))
        code = int(result or 0)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
    except FileNotFoundError as error:
        sys.stderr.write(f"error: cannot start {launch.argv[:1] or launch.module!r}: {error}\n")
        code = 127
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def enter(launch: Launch) -> None:
    """Take on limits, rights, environment and directory of a program; also used for commands run beside it."""
    for procs in launch.limits.join:
        Path(procs).write_text("0")
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("0")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    ceiling = launch.limits.open_files if hard == resource.RLIM_INFINITY else min(hard, launch.limits.open_files)
    resource.setrlimit(resource.RLIMIT_NOFILE, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if launch.sandbox > 0:
        sandboxes.enter(launch.sandbox)
    if launch.accounts:
        show_accounts(Path(launch.accounts))
    if launch.uid >= 0:
        resource.setrlimit(resource.RLIMIT_NPROC, (launch.limits.processes, launch.limits.processes))
        os.setgroups([])
        os.setresgid(launch.gid, launch.gid, launch.gid)
        os.setresuid(launch.uid, launch.uid, launch.uid)
    if launch.view is not None:
        sandboxes.drop_capabilities()
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    # Both are reset when the user changes. Without a shim nobody keeps the limits, so the program ends with it;
    # a process that is not dumpable cannot read its own /proc.
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_DUMPABLE, 1)
    os.umask(0o077)
    os.environ.clear()
    os.environ.update(launch.environment)
    os.chdir(launch.directory)


def show_accounts(directory: Path) -> None:
    """Have this process see other files of accounts: ssh and git refuse to work for a user id without a name."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "unshare") or libc.unshare(_CLONE_NEWNS) != 0:
        return
    if libc.mount(b"none", b"/", None, _MS_REC | _MS_SLAVE, None) == 0:  # mounts of the machine still come in
        for name in ("passwd", "group"):
            libc.mount(str(directory / name).encode(), f"/etc/{name}".encode(), None, _MS_BIND, None)


def reseed() -> None:
    """A forked program must not draw the random numbers of its siblings, nor keep what its parent looked up."""
    tempfile.tempdir = None
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


def _end_all(limits: Limits, but: tuple[int, ...] = ()) -> None:
    """Kill and reap everything below us: by control group where there is one, else by descent."""
    for _ in range(100):
        left = [pid for pid in {*_members(limits), *descendants(os.getpid())} if pid not in but and pid != os.getpid()]
        if not left:
            return
        kill_all(left)
        with contextlib.suppress(ChildProcessError):
            while not but and os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.005)


def _members(limits: Limits) -> list[int]:
    found: list[int] = []
    for procs in limits.join:
        with contextlib.suppress(OSError):
            found += [int(line) for line in Path(procs).read_text().split()]
    return found


def _redirect(launch: Launch) -> None:
    """Input from nowhere, output to the log; where the log cannot be opened it is lost, not the program."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    try:
        output = os.open(launch.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        if launch.uid >= 0:
            os.fchown(output, launch.uid, launch.gid)  # a program may open /dev/stderr
    except OSError:
        output = nowhere
    os.dup2(nowhere, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _trim_log(log: str) -> int:
    """Keep the newer half of a log that grew too large; programs append, so they notice nothing. Returns its size."""
    path = Path(log)
    try:
        size = path.stat().st_size
        if size <= LOG_LIMIT_BYTES:
            return size
        with path.open("rb+") as file:
            file.seek(-LOG_LIMIT_BYTES // 2, os.SEEK_END)
            kept = file.read()
            file.truncate(0)
            os.pwrite(file.fileno(), b"[older lines were dropped]\n" + kept, 0)
        return len(kept)
    except OSError:
        return 0


def _protect_from_oom_killer() -> None:
    Path("/proc/self/oom_score_adj").write_text("-500")


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":  # where forking from a pre-imported parent is impossible
    run(Launch.from_json(sys.stdin.read()))

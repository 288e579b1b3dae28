"""Running `roost` on a terminal of a given width, with keys typed at given moments."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

from tests.cli.command import Done

_LIMIT_S = 60.0
# Keys such as Ctrl-C become signals only for the session whose terminal it is.
_TAKE_TERMINAL = """
import fcntl, runpy, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_module("roost", run_name="__main__")
"""


def on_terminal(
    *arguments: str,
    variables: Mapping[str, str],
    directory: Path,
    columns: int = 80,
    after: str = "",
    keys: str = "",
    hidden: bool = False,
) -> Done:
    """Run it; once `after` was printed, `keys` are typed (`hidden`: not before the terminal stops showing them).

    `out` has all that was seen, escapes included.
    """
    terminal, theirs = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", _TAKE_TERMINAL, *arguments],
        env={**variables, "TERM": "xterm"},
        cwd=directory,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen, typed = "", False
    deadline = time.monotonic() + _LIMIT_S
    try:
        while (piece := _read(terminal)) is not None:
            seen += piece
            if keys and not typed and after in seen and not (hidden and _echoes(terminal)):
                os.write(terminal, keys.encode())
                typed = True
            assert time.monotonic() < deadline, f"it did not end; seen so far:\n{seen}"
        return Done(process.wait(timeout=_LIMIT_S), seen.replace("\r\n", "\n"), "")
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _read(terminal: int) -> str | None:
    """What comes in the next moment; None at the end."""
    if not select.select([terminal], [], [], 0.02)[0]:
        return ""
    try:
        return os.read(terminal, 1 << 16).decode(errors="replace") or None
    except OSError:  # Linux says EIO when the other side is closed
        return None


def _echoes(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)

"""`roost doctor`: what this machine can do, what is missing, how to get it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from roost.cli.options import Home
from roost.model.errors import RoostError
from roost.settings import Settings, load_settings

_GIB = 2**30
_WORD = 7  # letters of the longest verdict
_SOCKET_PATH_LIMIT = 107  # sun_path of Linux unix(7), less the final NUL


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: what was found, and what to do about it."""

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def doctor(
    home: Home = None,
    port: Annotated[int | None, typer.Option(help="Public port.", show_default="8000")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Name what is missing on this machine, and how to get it.

    Example: roost doctor --json
    """
    settings = load_settings({"home": home, "port": port}, os.environ)
    checks = list(examine(settings))
    if as_json:
        print(json.dumps({"items": [asdict(check) for check in checks]}, indent=2))
    else:
        _print(checks)
    raise typer.Exit(1 if any(check.verdict is Verdict.MISSING for check in checks) else 0)


def examine(settings: Settings) -> Iterator[Check]:
    """All checks, in the order people want to read them."""
    yield _python()
    yield _memory()
    yield _home(settings)
    yield _disk(settings)
    yield _port(settings)
    yield from _isolation(settings)
    yield _uv()
    yield _names()
    yield _chromium()


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    return Check("Python", Verdict.OK if good else Verdict.MISSING, version, "" if good else "Install Python 3.11.")


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total >= 4 * _GIB:
        return Check("Memory", Verdict.OK, f"{total / _GIB:.1f} GB")
    return Check("Memory", Verdict.NOTE, f"{total / _GIB:.1f} GB", "4 GB or more is comfortable for two notebooks.")


def _nearest_existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _home(settings: Settings) -> Check:
    base = _nearest_existing(settings.home)
    try:
        tempfile.TemporaryFile(dir=base).close()  # permissions do not tell all: read-only, full, not a directory
    except OSError as error:
        found = f"{base} cannot be written: {error.strerror}"
        return Check("Home", Verdict.MISSING, found, "Use --home with a directory of yours.")
    longest = len(str(settings.sockets)) + 60
    if longest > _SOCKET_PATH_LIMIT:
        return Check(
            "Home",
            Verdict.MISSING,
            f"socket paths in {settings.sockets} are too long",
            "Set a shorter XDG_RUNTIME_DIR.",
        )
    return Check("Home", Verdict.OK, str(settings.home))


def _disk(settings: Settings) -> Check:
    free = shutil.disk_usage(_nearest_existing(settings.home)).free
    found = f"{free / _GIB:.1f} GB free at {settings.home}"
    if free >= 5 * _GIB:
        return Check("Disk", Verdict.OK, found)
    if free >= 2 * _GIB:
        return Check("Disk", Verdict.NOTE, found, "5 GB or more leaves room for data.")
    return Check(
        "Disk", Verdict.MISSING, found, "The default image alone needs 2 GB: free some, or use another --home."
    )


def _port(settings: Settings) -> Check:
    from roost.claims import listen

    try:
        listen(settings).close()
    except RoostError as error:
        return Check("Port", Verdict.NOTE, error.message, error.hint)
    return Check("Port", Verdict.OK, f"{settings.port} is free")


def _isolation(settings: Settings) -> Iterator[Check]:
    from roost.runtimes.local.isolation import isolation_report

    report = isolation_report(settings)
    verdict = Verdict.OK if report.separates_people else Verdict.NOTE
    yield Check("Isolation", verdict, f"{report.level}: {report.explanation}", report.remedy)
    yield Check("Memory limits", Verdict.OK, report.limits)


def _uv() -> Check:
    try:
        from uv import find_uv_bin

        return Check("uv", Verdict.OK, find_uv_bin())
    except (ImportError, FileNotFoundError):
        return Check("uv", Verdict.MISSING, "not found; it builds images", "pip install 'roost[server]'")


def _names() -> Check:
    try:
        socket.getaddrinfo("ws.roost.localhost", None)
    except OSError:
        return Check(
            "Host names",
            Verdict.NOTE,
            "the system's resolver does not know *.localhost; browsers, curl and the SDK do",
            "Only other programs need it: apt-get install libnss-myhostname.",
        )
    return Check("Host names", Verdict.OK, "*.localhost resolves to this machine")


def _chromium() -> Check:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return Check("Chromium", Verdict.OK, f"{path}; only tests need it")
    return Check("Chromium", Verdict.NOTE, "not found; only tests need it", "`make test` installs one.")


def _print(checks: list[Check]) -> None:
    """A line per check, and one for what to do."""
    names = max(len(check.name) for check in checks)
    for check in checks:
        indent = " " * (_WORD + 2 + names + 2)
        lines = [
            *_folded(check.found, len(indent)),
            *_folded(f"-> {check.remedy}" if check.remedy else "", len(indent)),
        ]
        print(f"{_painted(check.verdict)}  {check.name:<{names}}  {lines[0]}")
        for line in lines[1:]:
            print(indent + line)


def _folded(text: str, indent: int) -> list[str]:
    """A text in lines that fit the terminal; in one line where there is none."""
    if not sys.stdout.isatty():
        return [text] if text else []
    room = max(shutil.get_terminal_size().columns - indent, 20)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False)


def _painted(verdict: Verdict) -> str:
    """The verdict, in colour where colours are wanted."""
    word = f"{verdict:<{_WORD}}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return word
    colour = {Verdict.OK: 32, Verdict.NOTE: 33, Verdict.MISSING: 31}[verdict]
    return f"\x1b[{colour}m{word}\x1b[0m"

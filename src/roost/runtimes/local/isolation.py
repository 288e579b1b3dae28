"""What separates people on this machine: probed once at start, shown on the page and by `roost doctor`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from roost.model.errors import Unavailable
from roost.runtimes.local.cgroups import ControlGroups, find_control_groups
from roost.runtimes.local.images import reachable_by_all
from roost.runtimes.local.sandbox import why_no_bubblewrap, why_no_own_sandbox
from roost.settings import Settings


class Level(StrEnum):
    """How far one person's programs are kept from another's."""

    USER = "user"  # a user id per owner; needs root
    BUBBLEWRAP = "bubblewrap"  # a sandbox per owner; needs user namespaces
    PROCESS = "process"  # same user: for one person


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationReport:
    """The active level in words. `remedy` says how to get a better one, or is empty."""

    level: Level
    separates_people: bool
    explanation: str
    remedy: str
    limits: str


_WORDS = {
    Level.USER: "every person's programs run under a user id of their own.",
    Level.BUBBLEWRAP: "every person's programs run in a sandbox of their own.",
    Level.PROCESS: "programs run as the user who started Roost: for one person only, invitations are off.",
}


def isolation_report(settings: Settings) -> IsolationReport:
    """Probe the machine and say what is active."""
    level, why_not = active_level(settings)
    return IsolationReport(
        level=level,
        separates_people=level is not Level.PROCESS,
        explanation=_WORDS[level],
        remedy=why_not,
        limits=_limits_in_words(find_control_groups(settings.instance)),
    )


def active_level(settings: Settings) -> tuple[Level, str]:
    """The level to use, and how to get a better one. Raises where the asked one is not to be had."""
    problems: dict[Level, Callable[[], str]] = {
        Level.USER: lambda: _why_no_user_level(settings),
        Level.BUBBLEWRAP: lambda: _why_no_sandbox(settings),
        Level.PROCESS: lambda: "",
    }
    if settings.isolation != "auto":
        asked = Level(settings.isolation)
        if problem := problems[asked]():
            raise Unavailable(
                f"Isolation {asked} is not possible here: {problem}",
                subject=asked,
                field="isolation",
                hint="Use --isolation auto to take the best this machine has.",
            )
        return asked, "" if asked is not Level.PROCESS else "Start without --isolation process."
    why_not: list[str] = []
    for level, ask in problems.items():
        problem = ask()
        if not problem:
            return level, " ".join(why_not) if level is Level.PROCESS else ""
        why_not.append(problem)
    raise AssertionError("the last level is always possible")


def _why_no_user_level(settings: Settings) -> str:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "Run Roost as root to give every person a user id."
    return _why_hidden(settings)


def _why_hidden(settings: Settings) -> str:
    existing = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    if not reachable_by_all(existing / "x"):
        return f"Choose a --home that other users may pass through ({settings.home} is not)."
    return ""


def _why_no_sandbox(settings: Settings) -> str:
    hidden = _why_hidden(settings) if os.geteuid() == 0 else ""
    return hidden or (why_no_bubblewrap() if why_no_own_sandbox() else "")


def _limits_in_words(groups: ControlGroups | None) -> str:
    if groups is None:
        return "watched: a program over its limit is stopped within about a second (no control groups to use here)."
    return f"enforced by the kernel (control groups version {groups.version})."

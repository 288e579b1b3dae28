"""The command `roost`: two declared groups of verbs, and a help page that costs nothing.

A verb's module is imported when the verb is typed. Local verbs act on this machine; remote verbs ask the platform
through the SDK.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NamedTuple

from roost import __version__

COMPLETION_VARIABLE = "_ROOST_COMPLETE"


class Verb(NamedTuple):
    """What people type, what it does, and where it is (`module:attribute`, a function or a Typer)."""

    name: str
    summary: str
    target: str


LOCAL = (
    Verb("up", "Run the platform on this machine.", "roost.cli.up:up"),
    Verb("doctor", "Name what is missing on this machine, and how to get it.", "roost.cli.doctor:doctor"),
)
REMOTE = (
    Verb("login", "Remember a platform and a token.", "roost.cli.account:login"),
    Verb("logout", "Forget what login remembered.", "roost.cli.account:logout"),
    Verb("whoami", "Say who you are, and where.", "roost.cli.account:whoami"),
    Verb("sizes", "List the sizes, what fits now, and what it costs.", "roost.cli.sizes:sizes"),
    Verb("workspace", "JupyterLab with a disk that survives.", "roost.cli.workspace:app"),
    Verb("cluster", "Dask clusters.", "roost.cli.cluster:app"),
    Verb("volume", "The disks of workspaces.", "roost.cli.volume:app"),
    Verb("people", "Who may use the platform.", "roost.cli.people:app"),
    Verb("invite", "Make an invitation link.", "roost.cli.people:invite"),
    Verb("token", "API tokens.", "roost.cli.token:app"),
    Verb("machine", "What the machine is doing.", "roost.cli.machine:machine"),
)
VERBS = {verb.name: verb for verb in (*LOCAL, *REMOTE)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 1 refused or failed, 2 usage, 3 could not check."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if COMPLETION_VARIABLE not in os.environ:
        if words in (["--help"], ["-h"], ["help"]):
            print(help_page())
            return 0
        if words in (["--version"], ["version"]):
            print(f"roost {__version__}")
            return 0
        if not words:
            print(help_page(), file=sys.stderr)
            return 2
    from roost.cli.run import run

    return run(words)


def help_page() -> str:
    """What `roost --help` prints."""
    width = max(map(len, VERBS)) + 2
    groups = (("On this machine", LOCAL), ("On the platform (ROOST_URL and ROOST_TOKEN, or roost login)", REMOTE))
    lines = ["Usage: roost VERB [ARGUMENTS]", "", "Workspaces and Dask clusters, and what they cost."]
    for title, verbs in groups:
        lines += ["", f"{title}:", *(f"  {verb.name:<{width}}{verb.summary}" for verb in verbs)]
    lines += [
        "",
        "Options:",
        f"  {'--help':<{width + 12}}Show this page; after a verb, the verb's page with an example.",
        f"  {'--version':<{width + 12}}Show the version.",
        f"  {'--install-completion':<{width + 12}}Complete verbs and names in your shell with the tab key.",
        "",
        "Example: roost workspace create demo --wait",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

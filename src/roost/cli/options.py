"""Options and arguments that several verbs share, said once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roost.model.errors import InvalidInput, RoostError

if TYPE_CHECKING:
    from roost.client.platform import Roost
    from roost.client.workloads import Workloads

DEFAULT_TIMEOUT_S = 300.0


def directory(text: str) -> Path:
    """A directory as it was typed; an empty one comes from a variable that is not set, and would be the present one."""
    if not text:
        raise InvalidInput("home is empty.", field="home", hint="Name a directory, or leave --home out.")
    return Path(text)


Home = Annotated[
    Path | None, typer.Option(parser=directory, metavar="DIRECTORY", help="Directory that holds everything.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it is done, and say what it waits for.")]
Timeout = Annotated[float, typer.Option("--timeout", min=0, metavar="SECONDS", help="How long to wait.")]


@contextmanager
def platform() -> Iterator[Roost]:
    """The platform this shell is signed in to."""
    from roost.client.platform import Roost

    with Roost() as roost:
        yield roost


def workloads(roost: Roost, kind: str) -> Workloads:
    """The SDK's room for a kind."""
    return roost.clusters if kind == "cluster" else roost.workspaces


def complete_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names for the shell; silent when the platform cannot be asked."""
    kind = ctx.parent.info_name if ctx.parent else ""
    with suppress(RoostError, OSError), platform() as roost:
        found = workloads(roost, kind or "workspace").list(search=incomplete)
        return [each.name for each in found if each.name.startswith(incomplete)]
    return []


Which = Annotated[str, typer.Argument(metavar="NAME", help="Name or id.", autocompletion=complete_names)]

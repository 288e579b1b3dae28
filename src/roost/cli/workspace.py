"""`roost workspace`: JupyterLab with a disk that survives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from roost.cli import workload_insight, workload_verbs
from roost.cli.matching import one
from roost.cli.options import DEFAULT_TIMEOUT_S, AsJson, Timeout, Wait, platform
from roost.cli.recipe import (
    IdleTimeout,
    Image,
    RecipeFile,
    Size,
    Variables,
    blaming,
    idle_seconds,
    parse_variables,
    put_together,
)
from roost.cli.waiting import finish

if TYPE_CHECKING:
    from roost.client.platform import Roost

KIND = "workspace"


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    size: Size = "",
    image: Image = "",
    variable: Variables = None,
    idle_timeout: IdleTimeout = "",
    volume: Annotated[str, typer.Option(help="A volume of `roost volume list`.", show_default="a new one")] = "",
    file: RecipeFile = None,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Create a workspace and start it.

    Example: roost workspace create demo --size 4gb --wait
    """
    variables, idle_timeout_s = parse_variables(variable), idle_seconds(idle_timeout)
    with platform() as roost, blaming(file):
        options = {"size": size, "image": image, "variables": variables, "idle_timeout_s": idle_timeout_s}
        recipe = put_together(file, {**options, "volume": _volume(roost, volume)})
        seen = roost.workspaces.create(name, spec=recipe)
        finish(
            roost.workspaces, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="is running"
        )


def _volume(roost: Roost, which: str) -> str:
    return str(one(roost.volumes.list(), which, "name", what="volume")["id"]) if which else ""


app = workload_verbs.group(
    KIND,
    "JupyterLab with a disk that survives.",
    {
        "create": create,
        **workload_verbs.SHARED,
        **workload_insight.SHARED,
    },
)

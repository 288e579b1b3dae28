"""`roost workspace`: JupyterLab with a disk that survives."""

from __future__ import annotations

from typing import Annotated

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
    options = {
        "size": size,
        "image": image,
        "variables": parse_variables(variable),
        "idle_timeout_s": idle_seconds(idle_timeout),
    }
    recipe = put_together(file, options)
    with platform() as roost, blaming(file):
        if volume:
            recipe["volume"] = one(roost.volumes.list(), volume, "name", what="volume")["id"]
        rooms = roost.workspaces
        seen = rooms.create(name, spec=recipe)
        finish(rooms, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="is running")


app = workload_verbs.group(
    KIND,
    "JupyterLab with a disk that survives.",
    {
        "create": create,
        **workload_verbs.SHARED,
        **workload_insight.SHARED,
    },
)

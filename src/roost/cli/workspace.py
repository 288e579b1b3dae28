"""`roost workspace`: JupyterLab with a disk that survives."""

from __future__ import annotations

from typing import Annotated

import typer

from roost.cli import workload_insight, workload_verbs
from roost.cli.options import DEFAULT_TIMEOUT_S, AsJson, Timeout, Wait, platform
from roost.cli.variables import Variables, parse_variables

KIND = "workspace"


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    size: Annotated[str, typer.Option(help="A size of `roost sizes`.", show_default="the platform's")] = "",
    image: Annotated[str, typer.Option(help="What it has installed.", show_default="default")] = "",
    variable: Variables = None,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Create a workspace and start it.

    Example: roost workspace create demo --size small --wait
    """
    variables = parse_variables(variable)
    with platform() as roost:
        rooms = roost.workspaces
        seen = rooms.create(name, size=size, image=image, variables=variables)
        workload_verbs.finish(rooms, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="runs")


app = workload_verbs.group(
    KIND,
    "JupyterLab with a disk that survives.",
    {
        "create": create,
        **workload_verbs.SHARED,
        **workload_insight.SHARED,
    },
)

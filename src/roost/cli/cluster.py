"""`roost cluster`: Dask clusters."""

from __future__ import annotations

from typing import Annotated

import typer

from roost.cli import output, workload_insight, workload_verbs
from roost.cli.options import DEFAULT_TIMEOUT_S, AsJson, Timeout, Wait, Which, platform
from roost.cli.variables import Variables, parse_variables

KIND = "cluster"


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    workers: Annotated[int, typer.Option(help="How many workers.")] = 2,
    size: Annotated[str, typer.Option(help="The size of one worker.", show_default="the platform's")] = "",
    image: Annotated[str, typer.Option(help="What workers have installed.", show_default="default")] = "",
    variable: Variables = None,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Create a Dask cluster and start it.

    Example: roost cluster create numbers --workers 4 --wait
    """
    variables = parse_variables(variable)
    with platform() as roost:
        rooms = roost.clusters
        seen = rooms.create(name, workers=workers, size=size, image=image, variables=variables)
        workload_verbs.finish(rooms, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="runs")


def scale(
    name: Which,
    workers: Annotated[int, typer.Argument(metavar="WORKERS", help="How many workers.")],
    as_json: AsJson = False,
) -> None:
    """Change how many workers a cluster has. Workers that go take their results along: `RoostCluster.scale` keeps them.

    Example: roost cluster scale numbers 8
    """
    with platform() as roost:
        seen = roost.clusters.scale(name, workers)
    if as_json:
        output.print_json(seen.json)
    else:
        output.note(f"{seen.name} is to have {seen.workers} workers.")


app = workload_verbs.group(
    KIND,
    "Dask clusters.",
    {
        "create": create,
        **workload_verbs.SHARED,
        "scale": scale,
        **workload_insight.SHARED,
    },
)

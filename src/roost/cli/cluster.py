"""`roost cluster`: Dask clusters."""

from __future__ import annotations

from typing import Annotated

import typer

from roost.cli import output, workload_insight, workload_verbs
from roost.cli.options import DEFAULT_TIMEOUT_S, AsJson, Timeout, Wait, Which, platform
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

KIND = "cluster"


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    workers: Annotated[int | None, typer.Option(help="How many workers.", show_default="2")] = None,
    size: Size = "",
    image: Image = "",
    variable: Variables = None,
    idle_timeout: IdleTimeout = "",
    file: RecipeFile = None,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Create a Dask cluster and start it. The size is that of one worker.

    Example: roost cluster create numbers --workers 4 --wait
    """
    options = {
        "workers": workers,
        "size": size,
        "image": image,
        "variables": parse_variables(variable),
        "idle_timeout_s": idle_seconds(idle_timeout),
    }
    recipe = put_together(file, options)
    with platform() as roost, blaming(file):
        seen = roost.clusters.create(name, spec=recipe)
        finish(roost.clusters, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="is running")


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

"""The verbs workspaces and clusters share. The group says which kind is meant (`ctx.obj`)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roost.cli import output
from roost.cli.options import DEFAULT_TIMEOUT_S, AsJson, Timeout, Wait, Which, platform, workloads

if TYPE_CHECKING:
    from roost.client.values import Workload
    from roost.client.workloads import Workloads


def group(kind: str, about: str, verbs: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """The group of verbs of one kind: `{kind}` in a verb's docstring becomes the kind."""
    app = typer.Typer(name=kind, help=about, rich_markup_mode=None, no_args_is_help=True, add_completion=False)

    def remember_kind(ctx: typer.Context) -> None:
        ctx.obj = kind

    app.callback()(remember_kind)
    for name, verb in verbs.items():
        text = (verb.__doc__ or "").format(kind=kind)
        app.command(name, help=text, context_settings={"help_option_names": ["--help", "-h"]})(verb)
    return app


def finish(
    rooms: Workloads, seen: Workload, *, phase: str, wait: bool, timeout_s: float, as_json: bool, done: str
) -> None:
    """Wait where asked, then say what is."""
    if wait:
        with output.Waiting(seen.name, quiet=as_json and not sys.stderr.isatty()) as waiting:
            seen = rooms.wait(seen.id, phase, timeout_s=timeout_s, progress=waiting.news)
    if as_json:
        output.print_json(seen.json)
    else:
        output.note(f"{seen.name} {done}." if seen.phase == phase else f"{seen.name} is {seen.phase}.")
        if phase == "running":
            print(seen.url)


def list_them(
    ctx: typer.Context,
    search: Annotated[str, typer.Option(help="Only names that contain this.")] = "",
    deleted: Annotated[bool, typer.Option("--deleted", help="Those in the bin.")] = False,
    as_json: AsJson = False,
) -> None:
    """List your {kind}s.

    Example: roost {kind} list --json
    """
    with platform() as roost:
        found = list(workloads(roost, ctx.obj).list(search=search, deleted=deleted))
    if as_json:
        output.print_items([each.json for each in found])
        return
    columns, row = _COLUMNS[ctx.obj]
    empty = f"No {ctx.obj}s. Create one: roost {ctx.obj} create NAME"
    output.print_table(columns, [row(each) for each in found], empty)


def show(ctx: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Show one {kind}: what it does, why, and where.

    Example: roost {kind} show demo
    """
    with platform() as roost:
        seen = workloads(roost, ctx.obj).get(name)
    if as_json:
        output.print_json(seen.json)
        return
    usage = seen.json.get("usage") or {}
    idle = seen.json.get("idle") or {}
    used, limit = output.memory(usage.get("memory_bytes")), output.memory(usage.get("memory_limit_bytes"))
    output.print_details(
        [
            ("name", seen.name),
            ("id", seen.id),
            ("phase", f"{seen.phase} since {output.ago(seen.json.get('since'))}"),
            ("reason", seen.reason),
            ("size", seen.size),
            ("memory", f"{used} of {limit}" if used else ""),
            ("workers", f"{seen.workers_ready} of {seen.workers}" if seen.kind == "cluster" else ""),
            ("cost", f"{output.money(seen.json.get('hourly_usd'))} / h"),
            ("idle", idle.get("why") or ""),
            ("url", seen.url),
            ("dashboard", seen.dashboard_url),
            ("owner", seen.owner_name),
        ]
    )


def start(
    ctx: typer.Context,
    name: Which,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Start a {kind}.

    Example: roost {kind} start demo --wait
    """
    with platform() as roost:
        rooms = workloads(roost, ctx.obj)
        seen = rooms.start(name)
        finish(rooms, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="runs")


def stop(
    ctx: typer.Context,
    name: Which,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Stop a {kind}. Files stay.

    Example: roost {kind} stop demo --wait
    """
    with platform() as roost:
        rooms = workloads(roost, ctx.obj)
        seen = rooms.stop(name)
        finish(rooms, seen, phase="stopped", wait=wait, timeout_s=timeout, as_json=as_json, done="is stopped")


def restart(
    ctx: typer.Context,
    name: Which,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Start a {kind} afresh.

    Example: roost {kind} restart demo --wait
    """
    with platform() as roost:
        rooms = workloads(roost, ctx.obj)
        seen = rooms.restart(name)
        finish(rooms, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="runs")


def rename(
    ctx: typer.Context,
    name: Which,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="The new name.")],
    as_json: AsJson = False,
) -> None:
    """Rename a {kind}. It goes on running.

    Example: roost {kind} rename demo "Churn model"
    """
    with platform() as roost:
        seen = workloads(roost, ctx.obj).rename(name, new_name)
    if as_json:
        output.print_json(seen.json)
    else:
        output.note(f"{name} is now {seen.name}.")


def delete(
    ctx: typer.Context,
    name: Which,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Delete a {kind}. What it kept on disk stays in the bin for some days; `restore` brings it back.

    Example: roost {kind} delete demo
    """
    with platform() as roost:
        rooms = workloads(roost, ctx.obj)
        seen = rooms.get(name)
        rooms.delete(seen.id)
        if wait:
            with output.Waiting(seen.name, quiet=as_json and not sys.stderr.isatty()) as waiting:
                rooms.wait_gone(seen.id, timeout_s=timeout, progress=waiting.news)
    if as_json:
        output.print_json({"id": seen.id, "name": seen.name, "deleted": True})
    else:
        output.note(f"{seen.name} is deleted. Back with: roost {ctx.obj} restore {seen.id}")


def restore(ctx: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Bring back a deleted {kind} from the bin.

    Example: roost {kind} restore demo
    """
    with platform() as roost:
        seen = workloads(roost, ctx.obj).restore(name)
    if as_json:
        output.print_json(seen.json)
    else:
        output.note(f"{seen.name} is back, {seen.phase}.")


def extend(
    ctx: typer.Context,
    name: Which,
    hours: Annotated[float, typer.Option(min=0.1, max=720, help="For how long.")] = 4,
    as_json: AsJson = False,
) -> None:
    """Keep a {kind} running although it is idle.

    Example: roost {kind} extend demo --hours 8
    """
    with platform() as roost:
        seen = workloads(roost, ctx.obj).extend(name, hours)
    if as_json:
        output.print_json(seen.json)
    else:
        output.note((seen.json.get("idle") or {}).get("why") or f"{seen.name} stays for {hours:g} h.")


def _workspace_row(seen: Workload) -> list[str]:
    return [seen.name, seen.phase, seen.size, output.ago(seen.json.get("started_at")), seen.url]


def _cluster_row(seen: Workload) -> list[str]:
    workers = f"{seen.workers_ready}/{seen.workers}"
    return [seen.name, seen.phase, seen.size, workers, output.ago(seen.json.get("started_at")), seen.dashboard_url]


_COLUMNS: dict[str, Any] = {
    "workspace": (("NAME", "PHASE", "SIZE", "STARTED", "URL"), _workspace_row),
    "cluster": (("NAME", "PHASE", "SIZE", "WORKERS", "STARTED", "DASHBOARD"), _cluster_row),
}

#: Verbs of every kind, in the order of the help page.
SHARED: dict[str, Callable[..., None]] = {
    "list": list_them,
    "show": show,
    "start": start,
    "stop": stop,
    "restart": restart,
    "rename": rename,
    "delete": delete,
    "restore": restore,
    "extend": extend,
}

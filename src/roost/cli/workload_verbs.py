"""The verbs workspaces and clusters share. The group says which kind is meant (`ctx.obj`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from roost.cli import output
from roost.cli.options import DEFAULT_TIMEOUT_S, AsJson, Timeout, Wait, Which, platform, workloads
from roost.cli.recipe import IdleTimeout, idle_seconds
from roost.cli.waiting import finish, quoted, watched
from roost.cli.workload_words import LIST_COLUMNS, facts, list_row
from roost.model.errors import InvalidInput
from roost.model.units import format_duration


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
    empty = f"No {ctx.obj}s. Create one: roost {ctx.obj} create NAME"
    if search:
        empty = f"No {ctx.obj} has {search!r} in its name."
    elif deleted:
        empty = f"No {ctx.obj} is in the bin."
    output.print_table(LIST_COLUMNS, [list_row(each) for each in found], empty)


def show(ctx: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Show one {kind}: what it does, why, and where.

    Example: roost {kind} show demo
    """
    with platform() as roost:
        seen = workloads(roost, ctx.obj).get(name)
    if as_json:
        output.print_json(seen.json)
        return
    output.print_details(facts(seen))


def start(
    ctx: typer.Context,
    name: Which,
    safe_mode: Annotated[
        bool | None, typer.Option("--safe-mode/--no-safe-mode", help="As last time if left out.")
    ] = None,
    wait: Wait = False,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Start a {kind}.

    In safe mode JupyterLab comes without extensions and with a report of what fills the disk.

    Example: roost {kind} start demo --wait
    """
    with platform() as roost:
        rooms = workloads(roost, ctx.obj)
        seen = rooms.start(name, safe_mode=safe_mode)
        finish(rooms, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="is running")


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
        finish(rooms, seen, phase="running", wait=wait, timeout_s=timeout, as_json=as_json, done="is running")


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


def change(
    ctx: typer.Context,
    name: Which,
    size: Annotated[str, typer.Option(help="The new size, one of `roost sizes`.")] = "",
    idle_timeout: IdleTimeout = "",
    as_json: AsJson = False,
) -> None:
    """Change the size of a stopped {kind}.

    Or after how long without use it stops by itself.

    Example: roost {kind} change demo --size 8gb
    """
    asked = {"size": size or None, "idle_timeout_s": idle_seconds(idle_timeout)}
    changes = {key: value for key, value in asked.items() if value is not None}
    if not changes:
        raise InvalidInput("Nothing to change was given.", hint="Add --size or --idle-timeout.")
    with platform() as roost:
        seen = workloads(roost, ctx.obj).change(name, **changes)
    if as_json:
        output.print_json(seen.json)
    else:
        output.note(f"{seen.name} is changed. Start it: roost {ctx.obj} start {quoted(seen.name)}")


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
            watched(seen, "stopped", as_json, lambda news: rooms.wait_gone(seen.id, timeout_s=timeout, progress=news))
    if as_json:
        output.print_json({"id": seen.id, "name": seen.name, "deleted": True})
    else:
        output.note(f"{seen.name} is deleted. Back with: roost {ctx.obj} restore {quoted(seen.name)}")


def restore(ctx: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """Bring back a deleted {kind} from the bin.

    Example: roost {kind} restore demo
    """
    with platform() as roost:
        seen = workloads(roost, ctx.obj).restore(name)
    if as_json:
        output.print_json(seen.json)
    else:
        output.note(f"{seen.name} is back, {seen.phase}. Start it: roost {ctx.obj} start {quoted(seen.name)}")


def extend(
    ctx: typer.Context,
    name: Which,
    hours: Annotated[float, typer.Option(help="For how long.")] = 4,
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
        output.note(f"{seen.name} is not stopped for being idle in the next {format_duration(hours * 3600)}.")


#: Verbs of every kind, in the order of the help page.
SHARED: dict[str, Callable[..., None]] = {
    "list": list_them,
    "show": show,
    "start": start,
    "stop": stop,
    "restart": restart,
    "rename": rename,
    "change": change,
    "delete": delete,
    "restore": restore,
    "extend": extend,
}

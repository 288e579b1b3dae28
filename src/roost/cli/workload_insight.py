"""Looking inside: logs, events, open, exec. They belong to workspaces and clusters alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from roost.cli import output
from roost.cli.options import AsJson, Which, platform, workloads
from roost.cli.waiting import quoted
from roost.model.errors import RoostError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roost.client.values import Output


def logs(
    ctx: typer.Context,
    name: Which,
    part: Annotated[str, typer.Option(help="Which part: lab, scheduler or worker.")] = "",
    index: Annotated[int, typer.Option(min=0, help="Which worker.")] = 0,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it ends.")] = False,
) -> None:
    """Print what a {kind} printed, also after its end.

    Example: roost {kind} logs demo --follow
    """
    with platform() as roost:
        for piece in workloads(roost, ctx.obj).logs(name, part=part, index=index, follow=follow):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()


def events(ctx: typer.Context, name: Which, as_json: AsJson = False) -> None:
    """List what happened to a {kind}, oldest first.

    Example: roost {kind} events demo
    """
    with platform() as roost:
        found = workloads(roost, ctx.obj).events(name)
    if as_json:
        output.print_items(found)
        return
    output.print_table(
        ("TIME", "PHASE", "WHAT", "BY"), [_event(each) for each in found], f"Nothing happened to {name} yet."
    )


def open_it(
    ctx: typer.Context,
    name: Which,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    as_json: AsJson = False,
) -> None:
    """Open a {kind} in the browser and print its address.

    Example: roost {kind} open demo
    """
    with platform() as roost:
        seen = workloads(roost, ctx.obj).get(name)
    url = seen.dashboard_url or seen.url
    if as_json:
        output.print_json({"id": seen.id, "name": seen.name, "phase": seen.phase, "url": url})
    else:
        print(url)
    if seen.phase != "running":
        output.note(f"{seen.name} is {seen.phase}. Start it: roost {ctx.obj} start {quoted(seen.name)}")
    if not no_browser and not as_json and sys.stdout.isatty():
        typer.launch(url)


def execute(
    ctx: typer.Context,
    name: Which,
    command: Annotated[list[str], typer.Argument(metavar="COMMAND", help="The command and its arguments, after --.")],
    stdin: Annotated[bool, typer.Option("--stdin", "-i", help="Send what is on standard input.")] = False,
) -> None:
    """Run a command inside a {kind}.

    Its output and exit code become those of this command; it ends when this command does.

    Example: roost {kind} exec demo -- python -c "print(1 + 1)"
    """
    given = sys.stdin.buffer.read() if stdin else b""
    with platform() as roost:
        code = _stream(workloads(roost, ctx.obj).exec(name, command, stdin=given))
    raise typer.Exit(code)


def _event(told: Mapping[str, Any]) -> list[str]:
    """What happened: the reason, else what was asked for."""
    asked = str((told.get("detail") or {}).get("action") or "")
    what = told.get("reason") or (f"{asked.capitalize()} asked for." if asked else "")
    return [output.clock(told.get("at")), output.flat(told.get("phase")), what, output.flat(told.get("actor_name"))]


def _stream(outputs: Iterable[Output]) -> int:
    """Pass output on as it comes; returns the exit code (128 + signal when it was killed)."""
    streams = {1: sys.stdout.buffer, 2: sys.stderr.buffer}
    for each in outputs:
        if each.exit_code is not None:
            return each.exit_code if each.exit_code >= 0 else 128 - each.exit_code
        streams[each.stream].write(each.data)
        streams[each.stream].flush()
    raise RoostError("The command gave no exit code.")


#: Verbs of every kind, in the order of the help page.
SHARED: dict[str, Callable[..., None]] = {"logs": logs, "events": events, "open": open_it, "exec": execute}

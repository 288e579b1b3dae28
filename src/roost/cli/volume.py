"""`roost volume`: the disks of workspaces. They outlive them; only a second, explicit request destroys one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from roost.cli import output
from roost.cli.matching import one
from roost.cli.options import AsJson, platform
from roost.model.errors import InvalidInput

app = typer.Typer(help="The disks of workspaces.", rich_markup_mode=None, no_args_is_help=True, add_completion=False)
_SETTINGS = {"help_option_names": ["--help", "-h"]}
Volume = Annotated[str, typer.Argument(metavar="NAME", help="Name or id.")]


@app.command("list", context_settings=_SETTINGS)
def list_volumes(as_json: AsJson = False) -> None:
    """List volumes, those in the bin included.

    A volume whose workspace is deleted stays in the bin until `roost volume delete` destroys it.

    Example: roost volume list
    """
    with platform() as roost:
        found = roost.volumes.list()
    if as_json:
        output.print_items(found)
        return
    rows = [
        [
            output.flat(each.get("name")),
            output.memory(each.get("used_bytes")),
            output.flat((each.get("used_by") or {}).get("name")),
            "being destroyed" if each.get("being_destroyed") else output.clock(each.get("kept_until"))[:10],
            each["id"],
        ]
        for each in found
    ]
    output.print_table(("NAME", "USED", "WORKSPACE", "KEPT UNTIL", "ID"), rows, "No volumes.")


@app.command("restore", context_settings=_SETTINGS)
def restore(name: Volume, as_json: AsJson = False) -> None:
    """Take a volume out of the bin.

    Example: roost volume restore demo
    """
    with platform() as roost:
        found = one(roost.volumes.list(), name, "name", what="volume")
        restored = roost.volumes.restore(found["id"])
    if as_json:
        output.print_json(restored)
    else:
        output.note(f"{found.get('name')} is kept.")


@app.command("delete", context_settings=_SETTINGS)
def delete(
    name: Volume,
    confirm: Annotated[str, typer.Option(metavar="NAME", help="The name again, instead of being asked for it.")] = "",
    as_json: AsJson = False,
) -> None:
    """Destroy a volume and all files on it, for ever. Only when no workspace uses it.

    Example: roost volume delete demo --confirm demo
    """
    with platform() as roost:
        found = one(roost.volumes.list(), name, "name", what="volume")
        label = str(found.get("name") or found["id"])
        if (confirm or _ask(label)) != label:
            raise InvalidInput("That is not the volume's name; nothing was destroyed.", subject=label, field="confirm")
        roost.volumes.destroy(found["id"], confirm=label)
    if as_json:
        output.print_json({"id": found["id"], "name": label, "destroyed": True})
    else:
        output.note(f"{label} is destroyed.")


def _ask(label: str) -> str:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InvalidInput("Destroying a volume needs its name twice.", field="confirm", hint=f"Add --confirm {label}.")
    return str(typer.prompt(f"This destroys all files on {label}. Type its name to go on", err=True))
